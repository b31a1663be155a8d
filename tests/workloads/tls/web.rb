# SPDX-License-Identifier: Apache-2.0
# web.rb N URL: N requests over one connection of Net::HTTP.
require "net/http"
require "openssl"
n, url = ARGV[0].to_i, URI(ARGV[1])
Net::HTTP.start(url.host, url.port, use_ssl: true, verify_mode: OpenSSL::SSL::VERIFY_NONE) { |h| n.times { h.get(url.path) } }

# SPDX-License-Identifier: Apache-2.0
# web.pl N HOST PORT PATH: N requests over one IO::Socket::SSL.
use IO::Socket::SSL;
my ($n, $host, $port, $path) = @ARGV;
my $s = IO::Socket::SSL->new(PeerHost => $host, PeerPort => $port, SSL_verify_mode => 0) or die $SSL_ERROR;
for (1 .. $n) {
	print $s "GET $path HTTP/1.1\r\nHost: $host\r\n\r\n";
	my $got = "";
	while ($got !~ /hello\n/) {
		sysread($s, $got, 4096, length $got) or die "closed";
	}
}
close $s;

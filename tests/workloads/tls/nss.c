// SPDX-License-Identifier: Apache-2.0
/* nss N URL - N requests over one connection of NSS, by libcurl's build with it: link with -l:libcurl-nss.so.4. */
#include <curl/curl.h>
#include <err.h>
#include <stdlib.h>

static size_t ignore(char *p, size_t size, size_t n, void *arg)
{
	return size * n;
}

int main(int argc, char **argv)
{
	CURL *c;
	CURLcode r;

	if (argc < 3 || curl_global_init(CURL_GLOBAL_ALL) || !(c = curl_easy_init()))
		return 2;
	curl_easy_setopt(c, CURLOPT_URL, argv[2]);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, ignore);
	for (int i = 0; i < atoi(argv[1]); i++) {
		r = curl_easy_perform(c);
		if (r)
			errx(1, "%s", curl_easy_strerror(r));
	}
	curl_easy_cleanup(c);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte says what: a URI of S3's API, an answer of an endpoint, or a file that is to be one gzip member. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/delivery/loggroup.h"
#include "store/delivery/s3sign.h"
#include "store/delivery/serve.h"
#include "tools/gunzip.h"

static void uri(const uint8_t *p, size_t n)
{
	char *text = malloc(n + 1);
	struct serve_request *q = malloc(sizeof(*q));

	memcpy(text, p, n);
	text[n] = '\0';
	if (serve_parse(text, q) == 0 && (strlen(q->bucket) >= sizeof(q->bucket) || strlen(q->key) > SERVE_KEY_MAX || q->max > SERVE_KEYS_MAX))
		abort();
	free(q);
	free(text);
}

static void answer(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);	/* so that a step beyond its end shows */
	char code[80];

	memcpy(copy, p, n);
	s3_error_code(copy, n, 500, code, sizeof(code));
	if (!*code || strlen(code) > 64)
		abort();
	loggroup_error(copy, n, 500, code, sizeof(code));
	if (!*code || strlen(code) > 64)
		abort();
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = { 0 };

	if (!size)
		return 0;
	if (data[0] == 'u')
		uri(data + 1, size - 1);
	else if (data[0] == 'a')
		answer(data + 1, size - 1);
	else if (gunzip_only(data + 1, size - 1, 1 << 16, &text) == 0 && text.n > (1 << 17) + (1 << 16))
		abort();
	buf_free(&text);
	return 0;
}

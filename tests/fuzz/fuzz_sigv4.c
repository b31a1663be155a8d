/* SPDX-License-Identifier: Apache-2.0 */
/* A request in text (method, path, query, headers a line each, empty line, body): verifying takes anything; and what we sign
 * ourselves verifies. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/sigv4.h"

#define HEADERS_MAX 80

static int secret_of(void *ctx, const char *id, char ret[129])
{
	if (strncmp(id, "AK", 2))
		return -ENOENT;
	strcpy(ret, "secret");
	return 0;
}

static char *line(char **rest)
{
	char *s = strsep(rest, "\n");

	return s ? s : (char *)"";
}

static void sign_and_verify(struct sigv4_request *r, struct sigv4_header *h)
{
	static const struct sigv4_scope scope = { "local", "cloudtrail" };
	struct buf auth = { 0 }, message = { 0 };
	char key[129];
	unsigned n = 0;

	for (unsigned i = 0; i < r->nheaders && n < 60; i++)
		if (strncasecmp(h[i].name, "x-amz-", 6) && strcasecmp(h[i].name, "authorization") && strcasecmp(h[i].name, "date") &&
		    *h[i].name && !strpbrk(h[i].name, ";,= \t"))
			h[n++] = h[i];
	h[n++] = (struct sigv4_header){ "Host", "h" };
	h[n++] = (struct sigv4_header){ "X-Amz-Date", "20261122T101530Z" };
	r->nheaders = n;
	if (sigv4_sign(r, "cloudtrail", "local", "AKID", "secret", "20261122T101530Z", &auth) == 0) {
		h[n++] = (struct sigv4_header){ "Authorization", buf_text(&auth) };
		r->nheaders = n;
		if (sigv4_verify(r, &scope, 1795342530, secret_of, NULL, key, &message) != SIGV4_OK)
			abort();
	}
	buf_free(&auth);
	buf_free(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sigv4_scope scope = { "local", "cloudtrail" };
	struct sigv4_header headers[HEADERS_MAX + 4];
	char *text = malloc(size + 1), *rest = text, *name;
	struct sigv4_request r = { .headers = headers };
	struct buf message = { 0 };
	char key[129];

	memcpy(text, data, size);
	text[size] = '\0';
	r.method = line(&rest);
	r.path = line(&rest);
	r.query = line(&rest);
	while (r.nheaders < HEADERS_MAX && *(name = line(&rest))) {
		char *value = strchr(name, ':');

		if (value)
			*value++ = '\0';
		headers[r.nheaders++] = (struct sigv4_header){ name, value ? value : "" };
	}
	r.body = rest ? rest : "";
	r.body_len = strlen(r.body);
	if (sigv4_verify(&r, &scope, 1795342530, secret_of, NULL, key, &message) != SIGV4_OK && !message.n)
		abort();
	buf_free(&message);
	sign_and_verify(&r, headers);
	free(text);
	return 0;
}

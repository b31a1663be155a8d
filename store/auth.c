/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <uthash.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"

#define FILE_MAX (1u << 20)

struct access_key {
	char id[129], secret[129];
	UT_hash_handle hh;
};

struct auth {
	struct access_key *keys;
	char *region;
};

static char *trimmed(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
	n = strlen(s);
	while (n && strchr(" \t\r", s[n - 1]))
		s[--n] = '\0';
	return s;
}

static int add_key(struct auth *a, const char *id, const char *secret)
{
	struct access_key *k;

	HASH_FIND_STR(a->keys, id, k);
	if (k || HASH_COUNT(a->keys) >= AUTH_KEYS_MAX || strchr(id, '/'))
		return -EINVAL;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	snprintf(k->id, sizeof(k->id), "%s", id);
	snprintf(k->secret, sizeof(k->secret), "%s", secret);
	HASH_ADD_STR(a->keys, id, k);
	return 0;
}

/* One profile's lines as they are read; a key is taken when both halves are there. */
struct profile {
	char id[129], secret[129];
};

static int take_value(char to[129], const char *value)
{
	if (*to || !*value || strlen(value) > 128)
		return -EINVAL;
	strcpy(to, value);
	return 0;
}

static int take_line(struct auth *a, struct profile *p, char *line)
{
	char *key = trimmed(line), *value = strchr(key, '=');
	int r = 0;

	if (!*key || *key == '#' || *key == ';')
		return 0;
	if (*key == '[') {
		memset(p, 0, sizeof(*p));
		return key[strlen(key) - 1] == ']' ? 0 : -EINVAL;
	}
	if (!value)
		return -EINVAL;
	*value++ = '\0';
	key = trimmed(key);
	value = trimmed(value);
	if (!strcmp(key, "aws_access_key_id"))
		r = take_value(p->id, value);
	else if (!strcmp(key, "aws_secret_access_key"))
		r = take_value(p->secret, value);
	else
		return 0;	/* what else AWS's tools keep there is not for us */
	return !r && *p->id && *p->secret ? add_key(a, p->id, p->secret) : r;
}

static int take_file(struct auth *a, char *text, const char *path, char why[256])
{
	struct profile p = { 0 };
	char *line, *rest = text;
	unsigned number = 0;
	int r = 0;

	while (!r && (line = strsep(&rest, "\n"))) {
		number++;
		r = take_line(a, &p, line);
	}
	OPENSSL_cleanse(&p, sizeof(p));
	if (r < 0)
		snprintf(why, 256, "%.150s: line %u is malformed, or says a key twice", path, number);
	else if (!a->keys)
		snprintf(why, 256, "%.150s holds no aws_access_key_id with its aws_secret_access_key", path);
	return !r && !a->keys ? -EINVAL : r;
}

int auth_load(const char *path, const char *region, struct auth **ret_a, char why[256])
{
	_cleanup_(auth_free) struct auth *a = calloc(1, sizeof(*a));
	_cleanup_buf_ struct buf b = { 0 };
	int r;

	snprintf(why, 256, "%.150s: out of memory", path);
	if (!a || !(a->region = strdup(region)))
		return -ENOMEM;
	r = fsx_read(path, FILE_MAX, &b);
	if (r < 0) {
		snprintf(why, 256, "%.150s: %s", path, strerror(-r));
		return r;
	}
	r = take_file(a, (char *)(uintptr_t)buf_text(&b), path, why);
	OPENSSL_cleanse(b.p, b.n);
	if (r < 0)
		return r;
	*ret_a = TAKE_PTR(a);
	return 0;
}

void auth_free(struct auth **pa)
{
	struct access_key *k, *next;

	if (!*pa)
		return;
	HASH_ITER(hh, (*pa)->keys, k, next) {
		HASH_DEL((*pa)->keys, k);
		OPENSSL_cleanse(k->secret, sizeof(k->secret));
		free(k);
	}
	free((*pa)->region);
	free(*pa);
	*pa = NULL;
}

static int secret_of(void *ctx, const char *id, char ret_secret[129])
{
	const struct auth *a = ctx;
	struct access_key *k;

	HASH_FIND_STR(a->keys, id, k);
	if (!k)
		return -ENOENT;
	memcpy(ret_secret, k->secret, sizeof(k->secret));
	return 0;
}

static const char *const error_names[] = {
	[SIGV4_MISSING] = "MissingAuthenticationTokenException",
	[SIGV4_INCOMPLETE] = "IncompleteSignatureException",
	[SIGV4_UNKNOWN_KEY] = "UnrecognizedClientException",
	[SIGV4_MISMATCH] = "InvalidSignatureException",
	[SIGV4_EXPIRED] = "InvalidSignatureException",
	[SIGV4_SCOPE] = "InvalidSignatureException",
};

int auth_check(const struct auth *a, const struct sigv4_request *request, int64_t now_seconds, struct reply *r)
{
	const struct sigv4_scope scope = { a->region, "cloudtrail" };
	_cleanup_buf_ struct buf message = { 0 };
	char key[129];
	enum sigv4_result res = sigv4_verify(request, &scope, now_seconds, secret_of, (void *)(uintptr_t)a, key, &message);

	if (res == SIGV4_OK)
		return 0;
	return reply_error(r, error_names[res], "%s", buf_text(&message));
}

enum sigv4_result auth_check_s3(const struct auth *a, const struct sigv4_request *request, int64_t now_seconds, struct buf *message)
{
	const struct sigv4_scope scope = { NULL, "s3" };
	char key[129];

	return sigv4_verify(request, &scope, now_seconds, secret_of, (void *)(uintptr_t)a, key, message);
}

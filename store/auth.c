/* SPDX-License-Identifier: Apache-2.0 */
#include "auth.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <uthash.h>

#include "ini.h"
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"

#define FILE_MAX (1u << 20)

struct access_key {
	struct caller caller;
	char secret[129];
	UT_hash_handle hh;
};

struct auth {
	struct access_key *keys;
	char *region;
	double rate;
};

/* One profile's lines as they are read: it is a key when both halves are there. */
struct profile {
	char id[129];
	struct access_key *key;		/* its secret and settings; NULL before the first of them */
	bool set;			/* something of ours is said */
};

static int take_value(char to[129], const char *value)
{
	if (*to || !*value || strlen(value) > 128)
		return -EINVAL;
	strcpy(to, value);
	return 0;
}

static void key_free(struct access_key *k)
{
	if (!k)
		return;
	caller_clear(&k->caller);
	OPENSSL_cleanse(k->secret, sizeof(k->secret));
	free(k);
}

static int profile_begin(const struct auth *a, struct profile *p)
{
	key_free(p->key);
	*p = (struct profile){ .key = calloc(1, sizeof(*p->key)) };
	if (!p->key)
		return -ENOMEM;
	caller_init(&p->key->caller, a->rate);
	return 0;
}

/* Half a key, or a role without one, is a slip. */
static int profile_end(struct auth *a, struct profile *p)
{
	struct access_key *k = p->key, *other;

	if (!k || (!*p->id && !*k->secret && !p->set))
		return 0;
	if (!*p->id || !*k->secret || strchr(p->id, '/') || HASH_COUNT(a->keys) >= AUTH_KEYS_MAX)
		return -EINVAL;
	HASH_FIND_STR(a->keys, p->id, other);
	if (other)
		return -EINVAL;
	strcpy(k->caller.id, p->id);
	HASH_ADD_KEYPTR(hh, a->keys, k->caller.id, strlen(k->caller.id), k);
	p->key = NULL;
	return 0;
}

static int take_line(struct auth *a, struct profile *p, char *line)
{
	char *key = ini_trimmed(line), *value = strchr(key, '=');
	int r;

	if (!*key || *key == '#' || *key == ';')
		return 0;
	if (*key == '[') {
		r = key[strlen(key) - 1] == ']' ? profile_end(a, p) : -EINVAL;
		return r < 0 ? r : profile_begin(a, p);
	}
	if (!value || (!p->key && profile_begin(a, p) < 0))
		return -EINVAL;
	*value++ = '\0';
	key = ini_trimmed(key);
	value = ini_trimmed(value);
	if (!strcmp(key, "aws_access_key_id"))
		return take_value(p->id, value);
	if (!strcmp(key, "aws_secret_access_key"))
		return take_value(p->key->secret, value);
	r = caller_set(&p->key->caller, key, value);	/* what else AWS's tools keep there is not for us */
	p->set |= r > 0;
	return r < 0 ? r : 0;
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
	if (!r)
		r = profile_end(a, &p);
	key_free(p.key);
	if (r < 0)
		snprintf(why, 256, "%.150s: line %u is malformed, or ends a profile that is no key, or one that was there", path, number);
	else if (!a->keys)
		snprintf(why, 256, "%.150s holds no aws_access_key_id with its aws_secret_access_key", path);
	return !r && !a->keys ? -EINVAL : r;
}

int auth_load(const char *path, const char *region, double rate, struct auth **ret_a, char why[256])
{
	_cleanup_(auth_free) struct auth *a = calloc(1, sizeof(*a));
	_cleanup_buf_ struct buf b = { 0 };
	int r;

	snprintf(why, 256, "%.150s: out of memory", path);
	if (!a || !(a->region = strdup(region)))
		return -ENOMEM;
	a->rate = rate;
	r = fsx_read(path, FILE_MAX, &b);
	if (r < 0) {
		snprintf(why, 256, "%.150s: %s", path, strerror(-r));
		return r;
	}
	if (fsx_is_open(path)) {
		OPENSSL_cleanse(b.p, b.n);
		snprintf(why, 256, "%.150s holds secrets, and everybody may read or write it (chmod o-rw)", path);
		return -EINVAL;
	}
	r = take_file(a, (char *)(uintptr_t)buf_text(&b), path, why);
	OPENSSL_cleanse(b.p, b.n);
	if (r < 0)
		return r;
	*ret_a = TAKE_PTR(a);
	return 0;
}

int auth_label(struct auth *a, const struct conf_list *host_labels)
{
	int r = 0;

	for (struct access_key *k = a->keys; k && !r; k = k->hh.next)
		r = caller_label(&k->caller, host_labels);
	return r;
}

bool auth_has_scopes(const struct auth *a)
{
	for (const struct access_key *k = a->keys; k; k = k->hh.next)
		if (caller_is_scoped(&k->caller))
			return true;
	return false;
}

void auth_free(struct auth **pa)
{
	struct access_key *k, *next;

	if (!*pa)
		return;
	HASH_ITER(hh, (*pa)->keys, k, next) {
		HASH_DEL((*pa)->keys, k);
		key_free(k);
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

static struct caller *caller_of(const struct auth *a, const char *id)
{
	struct access_key *k;

	HASH_FIND_STR(a->keys, id, k);
	return k ? &k->caller : NULL;
}

int auth_check(const struct auth *a, const struct sigv4_request *request, int64_t now_seconds, bool any_region, struct reply *r,
	       struct caller **ret_caller)
{
	const struct sigv4_scope scope = { any_region ? NULL : a->region, "cloudtrail" };
	_cleanup_buf_ struct buf message = { 0 };
	char key[129];
	enum sigv4_result res = sigv4_verify(request, &scope, now_seconds, secret_of, (void *)(uintptr_t)a, key, &message);

	if (res != SIGV4_OK)
		return reply_error(r, error_names[res], "%s", buf_text(&message));
	*ret_caller = caller_of(a, key);
	return 0;
}

enum sigv4_result auth_check_s3(const struct auth *a, const struct sigv4_request *request, int64_t now_seconds, struct buf *message,
				struct caller **ret_caller)
{
	const struct sigv4_scope scope = { NULL, "s3" };
	char key[129];
	enum sigv4_result res = sigv4_verify(request, &scope, now_seconds, secret_of, (void *)(uintptr_t)a, key, message);

	if (res == SIGV4_OK)
		*ret_caller = caller_of(a, key);
	return res;
}

struct caller *auth_by_secret(const struct auth *a, const char *id, const char *secret)
{
	char given[sizeof(((struct access_key *)0)->secret)] = "";
	struct access_key *k;

	HASH_FIND_STR(a->keys, id, k);
	if (!k || strlen(secret) >= sizeof(given))
		return NULL;
	strcpy(given, secret);
	return CRYPTO_memcmp(given, k->secret, sizeof(given)) ? NULL : &k->caller;
}

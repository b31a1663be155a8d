// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "lib/clock.h"
#include "names.h"

struct name {
	uint32_t uid;
	bool answered, used_unnamed;
	uint64_t asked;			/* boot-time ns */
	char text[NAME_MAX_LEN];
	UT_hash_handle hh;
};

struct names {
	struct name *by_uid;
	names_ask_fn ask;
	void *ctx;
};

int names_new(names_ask_fn ask, void *ctx, struct names **ret_n)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->ask = ask;
	n->ctx = ctx;
	*ret_n = n;
	return 0;
}

void names_free(struct names **n)
{
	struct name *e, *next;

	if (!*n)
		return;
	HASH_ITER(hh, (*n)->by_uid, e, next) {
		HASH_DEL((*n)->by_uid, e);
		free(e);
	}
	free(*n);
	*n = NULL;
}

static struct name *find(const struct names *n, uint32_t uid)
{
	struct name *e;

	HASH_FIND(hh, n->by_uid, &uid, sizeof(uid), e);
	return e;
}

static struct name *make(struct names *n, uint32_t uid)
{
	struct name *e, *oldest = n->by_uid;

	if (HASH_COUNT(n->by_uid) >= NAMES_MAX) {
		HASH_DEL(n->by_uid, oldest);
		free(oldest);
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->uid = uid;
	HASH_ADD(hh, n->by_uid, uid, sizeof(e->uid), e);
	return e;
}

struct str names_user(struct names *n, uint32_t uid, uint64_t now)
{
	struct name *e = find(n, uid);

	if (!e) {
		e = make(n, uid);
		if (!e)
			return (struct str){ NULL, 0 };
		n->ask(n->ctx, uid);
	}
	if (e->answered && now > e->asked + NAMES_STALE) {	/* it may be somebody else's now */
		e->asked = now;
		n->ask(n->ctx, uid);
	}
	if (!e->text[0])
		e->used_unnamed = true;
	return (struct str){ e->text, strlen(e->text) };
}

bool names_waiting(const struct names *n, uint32_t uid)
{
	const struct name *e = find(n, uid);

	return e && !e->answered;
}

bool names_is(const struct names *n, uint32_t uid, const char *name)
{
	const struct name *e = find(n, uid);

	return e && e->answered && !strncmp(e->text, name, sizeof(e->text) - 1);
}

bool names_set(struct names *n, uint32_t uid, const char *name)
{
	struct name *e = find(n, uid) ?: make(n, uid);
	bool late;

	if (!e)
		return false;
	late = name[0] && strncmp(e->text, name, sizeof(e->text) - 1) && (e->used_unnamed || e->text[0]);
	e->used_unnamed &= !name[0];
	e->asked = clock_boot();
	e->answered = true;
	snprintf(e->text, sizeof(e->text), "%s", name);
	return late;
}

void names_ask_again(struct names *n)
{
	struct name *e, *next;

	HASH_ITER(hh, n->by_uid, e, next)
		if (!e->answered)
			n->ask(n->ctx, e->uid);
}

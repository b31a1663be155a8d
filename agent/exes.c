// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "exes.h"
#include "proto/keys.h"

#define TRIES_MAX 3		/* a file that could not be opened is asked for again by so many other processes */

struct exe_key {
	uint64_t ino, size;
	int64_t ctime_sec;
	uint32_t ctime_nsec, dev, gen, pad;
};

struct entry {
	struct exe_key key;
	char sha256[65];
	uint8_t tries;
	bool waiting;
	UT_hash_handle hh;
	char path[];
};

struct exes {
	struct entry *by_key;
	exes_ask_fn ask;
	void *ctx;
	uint64_t version;
};

int exes_new(exes_ask_fn ask, void *ctx, struct exes **ret_e)
{
	struct exes *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->ask = ask;
	e->ctx = ctx;
	*ret_e = e;
	return 0;
}

void exes_free(struct exes **e)
{
	struct entry *p, *next;

	if (!*e)
		return;
	HASH_ITER(hh, (*e)->by_key, p, next) {
		HASH_DEL((*e)->by_key, p);
		free(p);
	}
	free(*e);
	*e = NULL;
}

static struct exe_key key_of(const struct ht_exe *x)
{
	return (struct exe_key){ x->ino, x->size, x->ctime_sec, x->ctime_nsec, x->dev, x->gen, 0 };
}

bool exe_same(const struct ht_exe *a, const struct ht_exe *b)
{
	struct exe_key x = key_of(a), y = key_of(b);

	return !memcmp(&x, &y, sizeof(x));
}

static struct entry *find(const struct exes *e, const struct ht_exe *exe)
{
	struct exe_key key = key_of(exe);
	struct entry *p;

	HASH_FIND(hh, e->by_key, &key, sizeof(key), p);
	return p;
}

static struct entry *make(struct exes *e, const struct ht_exe *exe, struct str path)
{
	struct entry *p, *oldest = e->by_key;

	if (HASH_COUNT(e->by_key) >= EXES_MAX) {
		HASH_DEL(e->by_key, oldest);
		free(oldest);
	}
	p = calloc(1, sizeof(*p) + path.n + 1);
	if (!p)
		return NULL;
	p->key = key_of(exe);
	if (path.n)
		memcpy(p->path, path.p, path.n);
	HASH_ADD(hh, e->by_key, key, sizeof(p->key), p);
	return p;
}

struct str exes_sha256(struct exes *e, const struct ht_exe *exe, struct str path, uint32_t pid, uint64_t start)
{
	struct entry *p;

	if (!exe->ino)			/* a kernel thread */
		return (struct str){ NULL, 0 };
	p = find(e, exe) ?: make(e, exe, path);
	if (!p)
		return (struct str){ NULL, 0 };
	if (!p->sha256[0] && !p->waiting && p->tries < TRIES_MAX) {
		p->waiting = true;
		p->tries++;
		e->ask(e->ctx, &(struct exe_ref){ *exe, pid, start, p->path });
	}
	return (struct str){ p->sha256, strlen(p->sha256) };
}

bool exes_set(struct exes *e, const struct ht_exe *exe, const uint8_t sha256[32], const char **ret_path)
{
	struct entry *p = find(e, exe);

	if (!p)
		return false;
	p->waiting = false;
	if (!sha256 || p->sha256[0])
		return false;
	hex_text(sha256, 32, p->sha256);
	e->version++;
	*ret_path = p->path;
	return true;
}

uint64_t exes_version(const struct exes *e)
{
	return e->version;
}

void exe_id_text(const struct ht_exe *x, char ret_text[EXE_ID_LEN])
{
	snprintf(ret_text, EXE_ID_LEN, "%x-%llx-%x-%llx.%x-%llx", x->dev, (unsigned long long)x->ino, x->gen,
		 (unsigned long long)x->ctime_sec, x->ctime_nsec, (unsigned long long)x->size);
}

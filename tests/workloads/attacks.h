/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attacks.h - what the workloads that attack say for themselves: how many calls they made, all their processes together
 * ("did NAME COUNT"), and what was true of each, a letter a call ("truth LETTERS").
 */
#ifndef HOSTTRAIL_ATTACKS_H
#define HOSTTRAIL_ATTACKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "work.h"

#define DID_MAX 24

struct did {
	const char *name;	/* a literal: the same address in every process */
	atomic_long n;
};

static struct did *dids;
static char *truths;
static long ntruths;

static inline void *shared_pages(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/* Before anything is counted, and before the first fork. */
static inline void attacks_begin(const char *const *names, long count)
{
	dids = shared_pages(DID_MAX * sizeof(*dids));
	for (int i = 0; names[i] && i < DID_MAX; i++)
		dids[i].name = names[i];
	truths = calloc(1, (size_t)count + 1);
	if (!truths)
		die("calloc");
}

static inline void did_many(const char *name, long n)
{
	for (int i = 0; i < DID_MAX && dids[i].name; i++)
		if (!strcmp(dids[i].name, name)) {
			atomic_fetch_add(&dids[i].n, n);
			return;
		}
	fprintf(stderr, "%s: not among the calls that are counted\n", name);
	_exit(3);
}

static inline void did(const char *name)
{
	did_many(name, 1);
}

static inline void truth(char c)
{
	truths[ntruths++] = c;
}

static inline void attacks_end(void)
{
	for (int i = 0; i < DID_MAX && dids[i].name; i++)
		printf("did %s %ld\n", dids[i].name, (long)dids[i].n);
	printf("truth %s\n", truths);
}

#endif

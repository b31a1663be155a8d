/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idlog.h - <spool>/identities: identities that the kernel has delivered, for the agent that comes after this one.
 *
 * The kernel sends each identity once for a reader. Events that wait in the rings when the reader is killed refer to
 * identities that only it had; so they are written here before the rings' position moves past them.
 * Never synced (the rings do not outlive the machine). The file is rewritten from the cache when it has grown to a multiple of it.
 */
#ifndef HOSTTRAIL_IDLOG_H
#define HOSTTRAIL_IDLOG_H

#include "idcache.h"

struct idlog;
typedef void (*idlog_found_fn)(void *ctx, const void *event, uint32_t n);

/* Opens the stream's log and gives what it holds; another stream's is emptied. 0 or -errno. */
int idlog_open(const char *dir, const uint8_t stream[16], idlog_found_fn found, void *ctx, struct idlog **ret_l);
void idlog_free(struct idlog **l);
void idlog_add(struct idlog *l, const void *event, uint32_t n);	/* into memory */
/* Writes what was added; must precede rings_commit(). Now and then rewrites the file from c. */
int idlog_flush(struct idlog *l, const struct idcache *c);

#endif

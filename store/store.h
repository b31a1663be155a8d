/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - the store's parts as its threads and operations see them. Set up by main.c (or a test) before any
 * thread starts; the pointers do not change afterwards. */
#ifndef HOSTTRAIL_STORE_STORE_H
#define HOSTTRAIL_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "decoded.h"
#include "index.h"
#include "journal.h"

#define LOOKUP_DAYS 90

struct auth;
struct witness;
struct tailer;
struct ingest;
struct api;
struct delivery;
struct lake;
struct audit;
struct remover;
struct retention;
struct cluster;
struct engine_ops;

struct store {
	const char *region, *account;
	bool management_only;		/* lookupEvents: management */
	int64_t started;		/* wall clock, ns */
	uint8_t token_key[32];		/* of NextToken and Token */
	const char *hostcerts;		/* directory of senders' certificates (hostcerts.h); NULL: none */
	struct journal *journal;
	struct index *index;
	struct decoded_cache *decoded;
	struct auth *auth;
	struct witness *witness;	/* NULL: says nothing (tests) */
	struct tailer *tailer;
	struct ingest *ingest;		/* NULL: not running */
	struct api *api;		/* NULL: not running */
	struct delivery *delivery;	/* NULL: no trail but the built-in one (tests) */
	struct lake *lake;		/* NULL: none (tests) */
	struct audit *audit;		/* NULL: requests are not recorded */
	struct remover *remover;	/* NULL: not running */
	struct retention *retention;	/* NULL: nothing is locked or held, and the wall clock counts (tests) */
	/* instead of journal, index, tailer and lake, which are NULL then */
	const struct engine_ops *engine;
	struct cluster *cluster;
};

#endif

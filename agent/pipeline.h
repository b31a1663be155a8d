/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline.h - ring entries become records: settle, find the identity, decode, append to the chain's batch.
 *
 * It never blocks and opens nothing: what needs the outside (names, hashes, addresses) is asked through
 * ops and answered through pipeline_name() and its like. Its user owns time, frames and the disk:
 *
 *	pipeline_drain()	until 0; 1 means: a new user's name is asked for, come back when it is answered or
 *				pipeline_wait_until() has passed
 *	ops->close(chain)	from within drain: this chain's batch is full; build its frame, then pipeline_restart()
 *
 * Not thread-safe.
 */
#ifndef HOSTTRAIL_PIPELINE_H
#define HOSTTRAIL_PIPELINE_H

#include "identity.h"
#include "proto/record.h"
#include "rings.h"
#include "settle.h"
#include "tlsmapping.h"

#define PIPELINE_NAME_WAIT (50 * 1000000ull)	/* ns */
#define PIPELINE_CLOCK_STEP (10 * 1000000ull)	/* ns; reading the two clocks is good to a few µs */
#define PIPELINE_RAW_MAX (8u << 20)		/* encoded bytes of a batch */

struct pipeline;

struct pipeline_ops {
	void *ctx;
	int (*close)(void *ctx, unsigned chain);
	void (*ask_name)(void *ctx, uint32_t uid);
	void (*ask_exe)(void *ctx, const struct exe_ref *ref);
	void (*ask_login)(void *ctx, uint32_t audit_session, uint32_t pid, uint64_t start);
	/* A new identity, as it came: whoever survives this process keeps it. May be NULL. */
	void (*keep_identity)(void *ctx, const void *event, uint32_t n);
	/* Is this call one of the self-test's? It is going to be recorded. May be NULL. */
	bool (*is_test)(void *ctx, const struct ht_call *call);
	/* TLS capture: what the kernel need not send; a process mapped a file that may be a TLS library. May be NULL. */
	void (*tls_wanted)(void *ctx, uint64_t conn, const struct ht_tls_wanted *w);
	void (*library)(void *ctx, const struct tls_mapping *m);
	int (*tls_mapped)(void *ctx, uint32_t pid);	/* as tls_mapped() of tlsmapped.h */
};

struct pipeline_config {
	const struct record_host *host;		/* outlives the pipeline */
	size_t identity_bytes, process_bytes;	/* bounds of the tables; 0: defaults */
	bool tls;				/* entries of TLS connections come */
	const char *program;			/* who makes the trail's own records */
	const struct procfs_self *self;		/* copied; NULL: this process, read by pipeline_new() */
};

int pipeline_new(const struct pipeline_config *config, const struct pipeline_ops *ops, struct rings *rings,
		 struct settle *settle, struct pipeline **ret_p);
/* Before the first pass: settle learns where the rings' principals are. 0 or -errno. */
int pipeline_principals(struct rings *rings, struct settle *settle);
void pipeline_free(struct pipeline **p);

/* One snapshot of all rings into the batches. 0: through; 1: waiting for a name; or -errno (also what close said). */
int pipeline_drain(struct pipeline *p, uint64_t now);
uint64_t pipeline_wait_until(const struct pipeline *p);	/* boot-time ns; 0: not waiting */

/* The name waited for is still missing. */
bool pipeline_name_awaited(const struct pipeline *p);

/* Calls that are aimed at what it knows are marked; it stays the caller's. */
struct guard;
void pipeline_guard(struct pipeline *p, struct guard *g);

struct batch *pipeline_batch(struct pipeline *p, unsigned chain);
/* The chain's frame is made: its batch starts again, empty. */
int pipeline_restart(struct pipeline *p, unsigned chain);
/* Encoded bytes at which a chain's batch is full. */
void pipeline_limit(struct pipeline *p, unsigned chain, size_t bytes);
/* When the first record went into the chain's batch, boot-time ns; 0: it is empty. The same for what was filtered. */
uint64_t pipeline_opened(const struct pipeline *p, unsigned chain);
uint64_t pipeline_filtered(const struct pipeline *p, unsigned chain);

/* Answers. They also make NameResolved and ExecutableHashed records. */
int pipeline_name(struct pipeline *p, uint32_t uid, const char *name);
int pipeline_exe(struct pipeline *p, const struct ht_exe *exe, const uint8_t sha256[32]);
void pipeline_login(struct pipeline *p, uint32_t audit_session, const char *address);
void pipeline_ask_again(struct pipeline *p);
/* Calls from s->from on are judged by these event selectors, earlier ones by those that were given before, which s takes with it;
 * without any, all are recorded. s is the pipeline's, also on failure. 0 or -ENOMEM. */
struct selection;
int pipeline_select(struct pipeline *p, struct selection *s);
const struct selection *pipeline_selection(const struct pipeline *p);	/* NULL: none were given */
/* An identity that an earlier process kept. */
void pipeline_identity(struct pipeline *p, const void *event, uint32_t n);
/* No more entries come: API calls that are open become records as they are. */
int pipeline_tls_end(struct pipeline *p);
/* Waiting losses become RecordsLost records of the open control batch; more may wait when its ranges are full. */
int pipeline_lost(struct pipeline *p);

struct proctab *pipeline_procs(struct pipeline *p);
struct idcache *pipeline_identities(struct pipeline *p);
struct str pipeline_cgroup(const struct pipeline *p, uint64_t id);	/* its path; empty: not known. Valid until the next drain */

struct pipeline_stats {
	uint64_t records[HT_CLASS__MAX];	/* by ring class */
	uint64_t calls[HT_CLASS__MAX];		/* that those stand for: merged ones for several */
	uint64_t filtered[HT_CLASS__MAX];	/* that nobody selected */
	uint64_t own;				/* class 15 */
	uint64_t malformed, skipped, unknown_identity, minimal_identity;
	uint64_t name_waits;
	uint64_t tls_pieces, tls_bytes;		/* entries of TLS connections' data, and bytes of plaintext in them */
};
const struct pipeline_stats *pipeline_stats(const struct pipeline *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* own.h - the agent's own records (ring class 15), appended to the open control batch. 0 or -errno. */
#ifndef HOSTTRAIL_OWN_H
#define HOSTTRAIL_OWN_H

#include "pipeline.h"

struct own_started {
	const char *version, *kernel, *scope;
	bool adopted;
	const char *replaced;		/* why another build's pins were replaced; "" */
	struct str *on, *off;		/* hooks and features; off ones say why */
	unsigned non, noff;
	uint64_t recursion_misses;
	struct str *skipped;		/* chains that did not go on where the spool ends */
	unsigned nskipped;
	const char *self;		/* "hosttraild pid 12" */
	const char *selectors, *selectors_sha256;	/* what is selected: where that stands, and the hash of its text */
	const uint32_t *ring_size;	/* by class */
};

struct own_selectors {
	const char *selectors, *sha256, *before;	/* where they stand; hashes of their text and of the former ones' */
	uint64_t from;			/* boot-time ns */
};

struct own_apis {
	const char *apis, *sha256, *before;	/* where rule files of APIs stand; digests of their texts and of the former ones' */
	unsigned files;
};

struct own_stopped {
	const char *reason;
	uint64_t uptime_ms;		/* since AgentStarted */
	uint64_t malformed;		/* entries that not even the rings' reader could take */
	uint64_t recursion_misses, restarts;
	const char *pinned;		/* directory of what stays and goes on recording; "": nothing stays */
};

int own_agent_started(struct pipeline *p, const struct own_started *s);
int own_selectors_changed(struct pipeline *p, const struct own_selectors *s);
int own_apis_changed(struct pipeline *p, const struct own_apis *a);
/* With what pipeline and settle have counted since they began, this record included. */
int own_agent_stopped(struct pipeline *p, const struct own_stopped *s);
int own_records_lost(struct pipeline *p, const struct settle_report *r);
/* Of a stream whose rings were replaced, what nobody had read: so many of that class (HT_CLASS__MAX: of any; count UINT64_MAX: not known). */
struct own_replaced {
	const char *stream;		/* NULL: not known */
	unsigned ring_class;
	uint64_t count, first_time, last_time;	/* boot-time ns; 0: not known */
};
int own_replaced(struct pipeline *p, const struct own_replaced *l);
/* Runs of a kernel program that did not happen: new ones, and all since it was loaded. */
int own_runs_missed(struct pipeline *p, const char *program, uint64_t count, uint64_t total);
int own_executable_hashed(struct pipeline *p, const struct ht_exe *exe, const char *path, const uint8_t sha256[32]);
int own_name_resolved(struct pipeline *p, uint32_t uid, const char *name);
/* Wall clock minus boot time, ns, before and after the wall clock was set. */
int own_clock_stepped(struct pipeline *p, int64_t before, int64_t after);
struct own_selftest_failed {
	struct str *missing;		/* "mount: umount2" */
	unsigned nmissing;
	uint64_t waited;		/* ns */
	const char *reason;		/* NULL: the calls were made */
};
int own_selftest_failed(struct pipeline *p, const struct own_selftest_failed *f);
/* Something of ours is not as it was; what: in words. restored: it was put back. */
int own_tampered(struct pipeline *p, const char *kind, const char *target, const char *what, bool restored);
int own_stream_ended(struct pipeline *p, const char *stream, const char *why);

#endif

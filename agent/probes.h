/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probes.h - loads, attaches and pins the kernel programs, or adopts the pins of an earlier run.
 *
 * Runs in the privileged parent (or in `hosttrail trace`). Knows maps, programs and links;
 * knows nothing of records. What it gives away are descriptors: the reader (rings.h) needs no privilege.
 * Not thread-safe.
 */
#ifndef HOSTTRAIL_PROBES_H
#define HOSTTRAIL_PROBES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"

struct probes;
struct kernelrules;

#define PROBES_CALLS_WORDS (HT_CALLS_MAX / 64)

/* Which calls are captured: a bit per index of calls.h. */
struct probes_calls {
	uint64_t captured[PROBES_CALLS_WORDS];
	uint64_t test[PROBES_CALLS_WORDS];	/* of these: the self-test's alone */
	uint64_t failed[PROBES_CALLS_WORDS];	/* of these: only when they fail. Where that is not known soon enough, they all come */
};

static inline bool probes_calls_has(const uint64_t *calls, unsigned call)
{
	return calls[call / 64] >> call % 64 & 1;
}
static inline void probes_calls_add(uint64_t *calls, unsigned call)
{
	calls[call / 64] |= 1ull << call % 64;
}

struct probes_config {
	const char *instance;		/* pins under /sys/fs/bpf/hosttrail/<instance>; NULL: nothing is pinned */
	enum ht_scope scope;
	const char *scope_cgroup;	/* cgroup v2 path, for HT_SCOPE_CGROUP */
	uint32_t ring_bytes[HT_CLASS__MAX];	/* power of two, page multiple; 0: that class's default */
	const struct probes_calls *calls;	/* NULL: all but high-rate ones. An adopted run goes on with its own: probes_capture() */
	bool tls;			/* the programs of TLS capture are loaded, too: tlsattach.h */
	const struct ht_optouts *optouts;	/* whose TLS is left alone; NULL: nobody's. Borrowed until probes_open() has returned */
	const char *const *own_dirs;	/* NULL-terminated: HT_TASK_SELF tasks' data-path calls below these are not recorded */
};

/* One line of `doctor` and of AgentStarted: a hook or a kernel feature. */
struct probes_feature {
	const char *name;	/* "tp_btf/sys_exit" */
	bool on;
	bool required;		/* without it probes_open fails */
	char why[160];		/* when off: why */
};

struct probes_fds {
	uint32_t ncpu;				/* possible CPUs: counters[class * ncpu + cpu] */
	uint32_t ngroups;			/* rings per class */
	int ring[HT_CLASS__MAX][HT_GROUPS_MAX];	/* -1 beyond ngroups; owned by struct probes */
	uint32_t ring_bytes[HT_CLASS__MAX];
	int counters, shared, principals, settled;	/* mmapable arrays; of these, shared and settled for writing */
	int tls_told;				/* hash, struct ht_tls_file: probes_tls_untold(); -1: no TLS capture */
	int tls_wanted;				/* hash, struct ht_tls_wanted by connection, for writing; -1: no TLS capture */
	bool adopted;				/* an earlier run's pins go on; nothing was lost meanwhile but what counters say */
	char replaced[128];			/* another build's pins were replaced: why; else "" */
	uint8_t stream[16];			/* random, made with the rings and pinned with them */
	uint64_t made;				/* boot-time ns when the rings were made */
};

/* Pins of another build that were replaced: what lies in their rings is nobody's to read any more, but can be counted. */
struct probes_left {
	struct probes_fds fds;			/* of its fields: ncpu, ngroups, ring, ring_bytes, counters, shared, principals, settled, stream */
	uint32_t counters, counters_each;	/* elements of fds.counters, and bytes of each: their first word is struct ht_counters' */
	bool readable;				/* entries and all counters are laid out as ours; else there are no descriptors but of the counters */
};

/* Rings of a class. TLS has one: its entries must keep their order. */
static inline unsigned probes_rings(const struct probes_fds *f, unsigned class)
{
	return class == HT_CLASS_TLS ? 1 : f->ngroups;
}

/* Calls that the kernel merged and has not sent yet, of n CPUs' and classes' counters. */
static inline uint64_t counters_merged_waiting(const volatile struct ht_counters *c, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += __atomic_load_n(&c[i].merged, __ATOMIC_ACQUIRE) - __atomic_load_n(&c[i].merged_sent, __ATOMIC_ACQUIRE);
	return sum;
}

struct probes_miss {
	char program[16];			/* "ht_sys_exit" */
	uint64_t count;
};

/* 0 or -errno; `why` (256 bytes) gets one line for people. Kernels below 6.1 or without BTF: -EOPNOTSUPP. */
int probes_open(const struct probes_config *config, struct probes **ret_p, char why[256]);
const struct probes_fds *probes_fds(const struct probes *p);
/* NULL: nothing was replaced, or what it was cannot be told (fds.replaced says whether). */
const struct probes_left *probes_left(const struct probes *p);
void probes_left_end(struct probes *p);		/* it was said: their memory is given back */
/* Marks one task (its storage) with HT_TASK_* flags before its next instruction that counts. */
int probes_mark(struct probes *p, int pidfd, uint32_t flags);
/* While the probes run: from now on these calls are captured, and with `widen` those that were before, too. A call that was
 * captured and stays so is at every moment. 0 or -errno. */
int probes_capture(struct probes *p, const struct probes_calls *calls, bool widen);
/* What of the calls that are captured the kernel drops (kernelrules.h). Taken, also on failure, and freed when others come; NULL: nothing.
 * probes_capture() takes them away before it changes anything. 0 or -errno: nothing is dropped. */
int probes_rules(struct probes *p, struct kernelrules *rules);
/* New cgroups and those that are gone. */
void probes_cgroups(struct probes *p);
/* Features as found; *ret_n of them, owned by p. probes_survey() asks the kernel without attaching (doctor). */
const struct probes_feature *probes_features(const struct probes *p, unsigned *ret_n);
int probes_survey(struct probes_feature *ret_v, unsigned max, unsigned *ret_n);
/* Looks whether pins and links are what they were when probes_watch() was called, puts back pins that are gone and tells each. */
typedef void (*probes_lost_fn)(void *ctx, const char *kind, const char *name, const char *what, bool restored);
void probes_watch(struct probes *p);
void probes_check(struct probes *p, probes_lost_fn lost, void *ctx);
/* Every map, program and link of ours, by the kernel's number. */
enum probes_object { PROBES_MAP, PROBES_PROG, PROBES_LINK };
typedef void (*probes_object_fn)(void *ctx, enum probes_object kind, uint32_t id, const char *name);
void probes_objects(struct probes *p, probes_object_fn fn, void *ctx);
/* How often the kernel did not run a program that makes records because it was running on that CPU already, since it was loaded. How many
 * programs (at most max). The kernel counts by program alone: not by CPU, and not what the runs were for. */
unsigned probes_misses(const struct probes *p, struct probes_miss *ret_v, unsigned max);
/* The kernel's numbers of an open file, for checking executables before hashing: fills dev, ino, gen, size, ctime. */
int probes_exe_of_fd(struct probes *p, int fd, struct ht_exe *ret_e);
/* Sends merged calls to the rings that began to wait before this boot-time ns; UINT64_MAX: all, as long as there is room. Costs
 * nothing where none wait. How many calls still wait, or -errno. */
int64_t probes_flush(struct probes *p, uint64_t before);
#define PROBES_MERGE_NS 250000000ull	/* how long equal calls are merged before they go out */
#define UPROBE_MULTI 48		/* BPF_TRACE_UPROBE_MULTI: newer than the headers */
#define UPROBE_SESSION 57	/* BPF_TRACE_UPROBE_SESSION */
/* The programs of TLS capture, borrowed; -1: not loaded. At a function's entry and at its return, or one for both. */
struct probes_tls_progs {
	int entry, ret, session;
	bool multi;		/* attach entry and ret by uprobe_multi */
};
/* False: API calls inside TLS are not captured. */
bool probes_tls(const struct probes *p, struct probes_tls_progs *ret_progs);
/* A file that was mapped to be executed is to be told once more when it is mapped again. */
void probes_tls_untold(const struct probes *p, const struct ht_exe *e);
const char *probes_dir(const struct probes *p);	/* where its pins are; "": nothing is pinned */
/* unpin: the pins go, and with them capture; else pinned probes keep recording after the process ends. */
void probes_close(struct probes **p, bool unpin);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* probes_internal.h - what probes.c (plan, adopt, pin, the interface) and probes_load.c (load, attach) share. */
#ifndef HOSTTRAIL_PROBES_INTERNAL_H
#define HOSTTRAIL_PROBES_INTERNAL_H

#include "exefile.h"
#include "features.h"
#include "gen/hosttrail.skel.h"
#include "kernelrules.h"
#include "pins.h"
#include "probes.h"
#include "tls/stacks.h"

#define LINKS_MAX HT_PROGRAMS_MAX
#define OWN_DIRS_MAX 64
#define TLS_OWN_MAX 4
#define CPUS_PER_GROUP_SHIFT 3

/* Pinned with the rest: says whether an earlier run's pins are ours to go on with. Other versions' is the same as far as the size is. */
struct meta {
	uint32_t version, ncpu, ngroups, pad;
	uint32_t ring_bytes[HT_CLASS__MAX];
	uint8_t object[32];	/* of the BPF object and of the table of calls */
	uint8_t config[32];
	uint8_t stream[16];
	uint64_t made;
	uint8_t spare[256 - 120];
};
_Static_assert(sizeof(struct meta) == 256, "meta map's value");

#define PROBES_CAPTURED "captured"	/* its pin */
#define PROBES_RULE_IDS "rule_ids"
#define PROBES_RULE_PATHS "rule_paths"
typedef struct hosttrail_bpf__data_captured captured_map;

struct dir_key {			/* as struct dir in bpf/maps.bpf.h */
	uint64_t ino, dev;
};

#define WATCHED_MAX (13 + HT_CLASS__MAX * HT_GROUPS_MAX + LINKS_MAX)
struct watched {		/* a pin: what it was when the agent started */
	char name[32];
	int fd;			/* borrowed */
	uint64_t ino;		/* 0: not watched */
};

struct probes {
	struct probes_fds fds;
	struct probes_left left;
	struct features features;
	struct exefile *exefile;
	struct hosttrail_bpf *skel;	/* while it starts */
	int tasks, captured;
	bool tls;
	struct dir_key tls_own[TLS_OWN_MAX];	/* our own programs, where others than they are recorded */
	const struct ht_optouts *optouts;	/* the caller's, while it is opened */
	struct probes_tls_progs tls_progs;
	int flush;			/* the program that sends merged calls */
	const volatile struct ht_counters *counters;	/* mapped when they are first looked at */
	captured_map capture;		/* what lies in that map */
	int rule_ids, rule_paths;
	struct kernelrules *rules;	/* what lies in those; NULL: nothing is dropped */
	struct rule_id *cgroups;	/* and of the cgroups that there are, by id */
	unsigned ncgroups;
	uint32_t task_size;
	int links[LINKS_MAX];
	const char *link_name[LINKS_MAX];	/* the program's, which is the pin's */
	uint32_t link_prog[LINKS_MAX];
	unsigned nlinks;
	int meta_fd;
	struct watched watched[WATCHED_MAX];
	unsigned nwatched;
	int lock;			/* on the directory of the pins */
	char dir[PINS_DIR_MAX];		/* "": nothing is pinned */
	uint64_t scope_cgroup;
	uint32_t scope_level;
	struct dir_key own[OWN_DIRS_MAX];
	unsigned nown;
	struct meta meta;
};

/* Writes "what: error" to why and gives r back. */
int probes_fail(char why[256], int r, const char *what);
void probes_ring_name(char name[32], unsigned class, unsigned group);
uint32_t probes_value_size(int map);			/* 0: not to be had */
/* Loads the object and makes the rings: p->skel, p->tasks and the descriptors in p->fds are set. */
int probes_load(struct probes *p, const struct probes_config *c, char why[256]);
/* probes_rules.c: are the rules still what they were? What is not is put back and told. */
void probes_rules_check(struct probes *p, probes_lost_fn lost, void *ctx);
void probes_captured_fill(const struct probes_calls *c, bool tls, captured_map *ret_m);
/* probes_tls.c: what TLS capture needs of the object before it is loaded, and after. */
void probes_tls_size(struct probes *p, struct hosttrail_bpf *s);
void probes_tls_own(struct probes *p);
int probes_tls_fill(struct probes *p);
int probes_tls_pin(struct probes *p);
int probes_tls_adopt(struct probes *p);
/* probes_freeze.c: nobody in user space writes to the maps any more but to those that probes_map_written() names. */
int probes_freeze(struct probes *p, char why[256]);
bool probes_map_written(const char *name);
/* probes_left.c: opens what lies below p->dir, of that kind, before it is cleared. */
void probes_left_begin(struct probes_left *l);
void probes_left_take(struct probes *p, const struct meta *old);
/* probes_merge.c: forgets what probes_flush() mapped. */
void probes_flush_end(struct probes *p);
/* Attaches every hook that is on, and pins it where p->dir says so. */
int probes_attach(struct probes *p, char why[256]);

#endif

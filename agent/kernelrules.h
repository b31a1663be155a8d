/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernelrules.h - what of event selectors the kernel decides (bpf/rules.bpf.h), so that an unwanted call costs no ring space.
 *
 * callselect.h says which calls can be wanted at all. Of those, a selector can still rule out the most: by whether they
 * failed, what an open changes, who made them (process.euid, process.loginuid), where (process.cgroup, process.container), and by
 * the path of a descriptor as the kernel walks it. Each selector is a rule, a bit; tables say which rules a value leaves, made
 * by asking the same evaluator that judges the whole record. What is not decided here leaves its rule: the kernel drops
 * nothing that the evaluator would select.
 *
 * A path is looked at from its beginning (126 bytes) and from its end (31 bytes): StartsWith, EndsWith and Equals that are
 * longer are cut, and then only leave more; their negatives are then not looked at. Selectors beyond the 62nd share one
 * rule that nothing rules out. Two conditions on path in one selector are not decided here either.
 */
#ifndef HOSTTRAIL_KERNELRULES_H
#define HOSTTRAIL_KERNELRULES_H

#include "bpf/event.h"
#include "proto/selectors.h"

struct rule_id {
	struct ht_rule_id key;
	uint64_t may;
};

struct rule_path {
	struct ht_rule_path key;
	struct ht_rule_paths value;
};

struct kernelrules {
	const struct selectors *selectors;	/* borrowed */
	uint8_t of[HT_CALLS_MAX];
	struct ht_rules v[HT_RULE_SETS];	/* from 1 */
	unsigned n;
	uint64_t other[HT_RULE__MAX], path;
	uint32_t asked;				/* a bit per enum ht_rule_kind */
	struct rule_id *ids;			/* no cgroups: those come and go, kernelrules_cgroup() */
	struct rule_path *paths;
	unsigned nids, npaths;
};

/* own: files that calls may be aimed at, which are records always (guard.h); NULL-terminated, or NULL. The selectors must live as long.
 * 0 or -ENOMEM. */
int kernelrules_new(const struct selectors *s, const char *const *own, struct kernelrules **ret_k);
void kernelrules_free(struct kernelrules **k);	/* NULL-safe */
#define _cleanup_kernelrules_ __attribute__((cleanup(kernelrules_free)))
/* What the cgroup of this path leaves. */
uint64_t kernelrules_cgroup(const struct kernelrules *k, struct str path);

#endif

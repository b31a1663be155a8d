/* SPDX-License-Identifier: Apache-2.0 */
/* features.h - what this kernel offers: asked of BTF and by trial loads, never guessed from a version. */
#ifndef HOSTTRAIL_FEATURES_H
#define HOSTTRAIL_FEATURES_H

#include "probes.h"
#include "uring.h"

#define FEATURES_MAX 32

struct features {
	struct probes_feature v[FEATURES_MAX];
	unsigned n;
	bool have_cast;		/* bpf_rdonly_cast() */
	bool exit_has_mm;	/* sched_process_exit comes before a task gives up its memory */
	struct uring_kernel uring;
	uint32_t older;		/* bit per hook: it goes by its older name */
};

/* One hook of the skeleton: its program, and the tracepoint it needs. */
struct hook {
	const char *prog;	/* name in the BPF object */
	const char *name;	/* as shown: "tp_btf/sys_exit" */
	const char *tracepoint;
	const char *older;	/* its name on older kernels, NULL if it always had this one */
	bool required;
};

extern const struct hook hooks[];	/* ends with a NULL prog */

/* 0, or -EOPNOTSUPP with a line in why: a kernel below the floor, or one without BTF. */
int features_find(struct features *f, char why[256]);
/* The entry of that name, NULL if there is none. */
struct probes_feature *features_get(struct features *f, const char *name);
void features_off(struct features *f, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif

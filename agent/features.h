/* SPDX-License-Identifier: Apache-2.0 */
/* features.h - what this kernel offers: asked of BTF and by trial loads, never guessed from a version. */
#ifndef HOSTTRAIL_FEATURES_H
#define HOSTTRAIL_FEATURES_H

#include "probes.h"
#include "uring.h"

#define FEATURES_MAX 64

struct features {
	struct probes_feature v[FEATURES_MAX];
	unsigned n;
	bool have_cast;		/* bpf_rdonly_cast() */
	bool exit_has_mm;	/* sched_process_exit comes before a task gives up its memory */
	bool have_preempt;	/* bpf_preempt_disable() */
	bool uprobes;		/* and return probes of them, without harm */
	bool uprobe_multi;	/* many in one link */
	bool uprobe_session;	/* and entry and return by one program, which can leave a return alone */
	bool hooked;		/* some hook below is on that sees the objects of paths */
	struct uring_kernel uring;
	uint32_t older;		/* bit per hook: it goes by its older name */
};

/* One hook of the skeleton: its program, and the tracepoint or function it needs. */
struct hook {
	const char *prog;	/* name in the BPF object */
	const char *name;	/* as shown: "tp_btf/sys_exit" */
	const char *target;	/* a tracepoint, or the function of "fentry/..." */
	const char *older;	/* its name on older kernels, NULL if it always had this one */
	bool required;
};

extern const struct hook hooks[];	/* tracepoints, then functions; ends with a NULL prog */
bool hook_is_fentry(const struct hook *h);

/* 0, or -EOPNOTSUPP with a line in why: a kernel below the floor, or one without BTF. */
int features_find(struct features *f, char why[256]);
/* The entry of that name, NULL if there is none. */
struct probes_feature *features_get(struct features *f, const char *name);
/* All hooks of functions are off, because of that. */
void features_unhook(struct features *f, const char *why);
/* May return probes be put into programs of this kernel (uname's release)? From 6.11 on they return by a system call, which seccomp
 * filters refused until that was repaired: then the program crashes. */
bool features_uretprobes_safe(const char *release);
void features_off(struct features *f, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif

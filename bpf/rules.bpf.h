/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * rules.bpf.h - captured calls that no event selector can want, by their outcome, who made them, and their descriptor's path.
 *
 * Whatever is not plain goes out, and the agent decides by the whole record: so nothing that is wanted is dropped here. What is
 * dropped takes no number and no space in a ring.
 */
#ifndef HOSTTRAIL_RULES_BPF_H
#define HOSTTRAIL_RULES_BPF_H

#define RULE_DEPTH 24		/* names of a path that is looked at */
#define RULE_PATH 1024		/* its bytes */
/* where in the scratch, behind every walk: its text ends at RULE_PATH of it; one name; the key */
#define RULE_AT 65536
#define RULE_NAME (RULE_AT + RULE_PATH + 512)
#define RULE_KEY (RULE_NAME + 512)

#define OPEN_CHANGES (3 | 0100 | 01000)		/* O_ACCMODE, O_CREAT, O_TRUNC */
#define OPEN_TMPFILE 020000000
#define OPEN_PATH 010000000

/* The same as names_text() in the agent makes of a walk: "/a/b", its end at RULE_AT + RULE_PATH. Where it begins; 0: too long or too deep. */
static __always_inline __u32 rules_text(struct scratch *s)
{
	__u32 from = s->w.names, at = RULE_PATH, n = s->w.ncomp;

	for (int i = 0; i < RULE_DEPTH; i++) {
		__s64 len;

		if (i >= n)
			return at;
		if (from > OUT_MAX - 512)
			return 0;
		len = bpf_probe_read_kernel_str(s->b + RULE_NAME, 256, s->b + from);
		if (len < 2 || len > 256 || at < len + 1)
			return 0;
		at = (at - len) & (RULE_PATH - 1);
		s->b[RULE_AT + at] = '/';
		bpf_probe_read_kernel(s->b + RULE_AT + at + 1, (len - 1) & 255, s->b + RULE_NAME);
		from += len;
	}
	return 0;
}

/* What of the rules the path leaves; its text begins at `at`. */
static __always_inline __u64 rules_of_text(struct scratch *s, __u32 at)
{
	struct ht_rule_path *key = (struct ht_rule_path *)(s->b + RULE_KEY);
	__u32 len = RULE_PATH - at;
	__u64 may = ht_rules_path, never = 0;
	struct ht_rule_paths *v;

	s->b[RULE_AT + RULE_PATH] = 0;
	key->text[0] = HT_RULE_BEGINS;
	bpf_probe_read_kernel(key->text + 1, HT_RULE_TEXT - 1, s->b + RULE_AT + (at & (RULE_PATH - 1)));
	key->bits = 8 * (len + 2 < HT_RULE_TEXT ? len + 2 : HT_RULE_TEXT);	/* with the NUL */
	v = bpf_map_lookup_elem(&rule_paths, key);
	if (v) {
		may |= v->may;
		never |= v->never;
	}
	key->text[0] = HT_RULE_ENDS;
	for (int i = 1; i < HT_RULE_END; i++)
		key->text[i] = s->b[RULE_AT + RULE_PATH - i];
	key->bits = 8 * (len + 1 < HT_RULE_END ? len + 1 : HT_RULE_END);
	v = bpf_map_lookup_elem(&rule_paths, key);
	if (v) {
		may |= v->may;
		never |= v->never;
	}
	return may & ~never;
}

/* Can one of the rules want what the descriptor stands for? 1 as well where that is not plain. Global: verified once. */
__noinline int rules_want_file(__u64 fd, __u64 rules)
{
	__u64 file = filter_file(fd);
	struct scratch *s;
	__u32 flags, at;
	int r = 1;

	if (!file)
		return 1;
	s = scratch_take(bpf_get_smp_processor_id());
	if (!s)
		return 1;
	s->pos = sizeof(struct ht_call);
	s->w.vfsmnt = KREAD(struct file, file, f_path.mnt);
	s->w.dentry = KREAD(struct file, file, f_path.dentry);
	flags = walk_run(s, HT_ARG_RET | HT_WALK_RET << 8, 0);
	at = flags & ~HT_WALK_F_IN_ROOT || !s->w.ncomp ? 0 : rules_text(s);
	if (at)
		r = (rules_of_text(s, at) & rules) != 0;
	scratch_give(s);
	return r;
}

static __always_inline __u64 rules_of_id(__u32 kind, __u64 id)
{
	struct ht_rule_id key = { .id = id, .kind = kind };
	__u64 *may;

	if (!(ht_rules_asked >> kind & 1))
		return ~0ull;
	may = bpf_map_lookup_elem(&rule_ids, &key);
	return may ? *may : ht_rules_other[kind];
}

/* What is left of the rules for the current task, as it was when the call was entered. A cgroup is known by the path that identities show: cgroup_shown(). */
static __always_inline __u64 rules_of_task(const struct task *t)
{
	struct task_struct *task = this_task();
	const struct cred *cred = task->cred;
	struct css_set *set = task->cgroups;
	__u32 euid = cred->euid.val;
	__u64 may = ~0ull;

	barrier_var(euid);	/* or one instruction reads either, which the verifier refuses */
	if (t->before_of)
		euid = *(__u32 *)CRED_AT(t->was.cred, euid);
	may &= rules_of_id(HT_RULE_EUID, euid);
	may &= rules_of_id(HT_RULE_LOGINUID, task->loginuid.val);
	if (set->dfl_cgrp->level)
		may &= rules_of_id(HT_RULE_CGROUP, set->dfl_cgrp->kn->id);
	return may;
}

/* By outcome, and by what the flags of an open say that it changes. */
static __always_inline __u64 rules_of_call(const volatile struct ht_rules *r, bool failed, const __u64 *args)
{
	__u64 reads = r->may[failed][0], changes = r->may[failed][1], flags;
	__u32 arg = r->flags_arg;

	barrier_var(arg);	/* or the compiler checks one copy and uses another, of which 6.1 knows nothing */
	if (arg > 5)
		return reads | changes;
	barrier_var(arg);
	flags = args[arg];
	if (!(flags & (OPEN_CHANGES | OPEN_TMPFILE)))
		return reads;
	return flags & OPEN_PATH || !(flags & OPEN_CHANGES) ? reads | changes : changes;
}

/* Could others have exchanged what a descriptor stands for? That is compared with what was asked for: by the agent. */
static __always_inline bool rules_shared(const struct task *t)
{
	struct task_struct *task = this_task();

	return files_shared(task) || t->ended != threads_past(t, task) || (t->foreign && t->foreign == (__u64)task->files);
}

/* A call that came back, its arguments in t->args: can no selector want it? */
static __noinline bool unwanted(struct task *t, __u32 set, __s64 ret)
{
	const volatile struct ht_rules *r = &ht_rules[set & (HT_RULE_SETS - 1)];
	bool failed = ret < 0 && ret >= -4095;
	__u32 arg = r->fd_arg;
	__u64 may;

	if (t->flags & HT_TASK_PROBE)
		return false;
	may = rules_of_call(r, failed, t->args) & rules_of_task(t);
	if (!may || may & ~r->walked)
		return !may;
	barrier_var(arg);
	if (rules_shared(t))
		return false;
	if (arg == HT_ARG_RET)
		return !failed && !rules_want_file(ret, may);
	if (arg > 5)
		return false;
	barrier_var(arg);
	return !rules_want_file(t->args[arg], may);
}

#endif

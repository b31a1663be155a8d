/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * tls_who.bpf.h - whose TLS is recorded: not our own programs', and not that of who opted out (ht_optouts).
 *
 * Of who opted out nothing is copied out of the kernel, neither plaintext nor handshakes. It is decided here, before anything is
 * read, by what the process executes: a library is shared by those who opted out and others. What the executable's path or the
 * cgroup's cannot be told for is left alone, too. A task is judged when it first comes here, and again when its executable, its effective
 * user or its cgroup is another one.
 */
#ifndef HOSTTRAIL_TLS_WHO_BPF_H
#define HOSTTRAIL_TLS_WHO_BPF_H

enum tls_who { TLS_UNJUDGED = 0, TLS_NOBODY, TLS_WANTED, TLS_OPTED_OUT };	/* from TLS_OPTED_OUT on: plus enum ht_optout */

#define TLS_GLOB_STEPS 32768

static __always_inline bool tls_own_program(void)
{
	struct mm_struct *mm = this_task()->mm;
	__u64 exe, inode, ino;

	if (!ht_tls_own[0] || !mm)
		return false;
	exe = (__u64)mm->exe_file;
	inode = exe ? KREAD(struct file, exe, f_inode) : 0;
	ino = inode ? KREAD(struct inode, inode, i_ino) : 0;
	for (int i = 0; i < TLS_OWN_MAX; i++)
		if (ino && ht_tls_own[2 * i] == ino) {
			__u64 sb = KREAD(struct inode, inode, i_sb);

			return KREAD(struct super_block, sb, s_dev) == ht_tls_own[2 * i + 1];
		}
	return false;
}

#define TLS_SCRATCH_TRIES 4

/* Who has one can be preempted, so others on this CPU and on the next ones ask for the same at once. */
static __always_inline struct scratch *tls_scratch_take(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	for (__u32 i = 0; i < TLS_SCRATCH_TRIES; i++) {
		__u32 key = ht_ncpu + (cpu + i) % ht_tls_scratch;
		struct scratch *s = bpf_map_lookup_elem(&scratch, &key);

		if (!s || __sync_val_compare_and_swap(&s->busy, 0, 1))
			continue;
		s->task = (__u64)bpf_get_current_task_btf();
		s->evflags = s->object = s->cut = 0;
		s->cred = 0;
		return s;
	}
	return NULL;
}

/* ---- patterns: '*' is any text, '?' any character, all else itself */

static long tls_glob_step(__u32 n, void *ctx)
{
	struct tls_glob *g = *(struct tls_glob **)ctx;
	char p, c = 0;
	__u32 i, at;

	if (!g || g->i >= g->to)
		return 1;
	i = g->i;
	at = g->at;
	barrier_var(i);
	barrier_var(at);
	p = ht_optouts.text[i & (HT_OPTOUT_PATTERNS - 1)][at & (HT_OPTOUT_TEXT - 1)];
	bpf_probe_read_kernel(&c, 1, (void *)(g->text + (g->pos & (2 * RULE_PATH - 1))));	/* no path is longer */
	if (p == '*') {
		g->star = ++g->at;
		g->mark = g->pos;
	} else if (!p && (!c || (c == '/' && g->below))) {
		g->found = ht_optouts.of[i & (HT_OPTOUT_PATTERNS - 1)];
		return 1;
	} else if (p && c && (p == c || p == '?')) {
		g->at++;
		g->pos++;
	} else if (g->star && c) {
		g->at = g->star;
		g->pos = ++g->mark;
	} else {
		g->at = g->pos = g->star = 0;
		g->i++;
	}
	return 0;
}

/* enum ht_optout; who takes too many steps fits. */
static __always_inline __u32 tls_glob(__u64 text, __u32 from, __u32 to, bool below)
{
	struct tls_task *k = bpf_task_storage_get(&tls_tasks, bpf_get_current_task_btf(), 0, 0);
	struct tls_glob *g;

	if (from >= to || !k)
		return HT_OPTOUT_NONE;
	g = &k->glob;
	__builtin_memset(g, 0, sizeof(*g));
	g->text = text;
	g->i = from;
	g->to = to;
	g->below = below;
	if (bpf_loop(TLS_GLOB_STEPS, tls_glob_step, &g, 0) == TLS_GLOB_STEPS && !g->found)
		return ht_optouts.of[from & (HT_OPTOUT_PATTERNS - 1)];
	return g->found;
}

/* ---- what is asked */

static __always_inline __u32 tls_optout_user(__u32 euid)
{
	for (int i = 0; i < HT_OPTOUT_USERS; i++)
		if (i < ht_optouts.nusers && ht_optouts.user[i] == euid)
			return HT_OPTOUT_USER;
	return HT_OPTOUT_NONE;
}

static __always_inline __u32 tls_optout_name(__u64 exe)
{
	__u64 dentry = KREAD(struct file, exe, f_path.dentry);

	return tls_glob(KREAD(struct dentry, dentry, d_name.name), 0, ht_optouts.names, false);
}

/* What the last names that were written into the scratch spell out. */
static __always_inline __u32 tls_optout_text(struct scratch *s, __u32 from, __u32 to, bool below)
{
	__u32 at = rules_text(s);

	if (!at)
		return ht_optouts.of[from & (HT_OPTOUT_PATTERNS - 1)];
	s->b[RULE_AT + RULE_PATH] = 0;
	return tls_glob((__u64)(s->b + RULE_AT + (at & (2 * RULE_PATH - 1))), from, to, below);
}

static __always_inline int tls_optout_path(struct scratch *s)
{
	struct mm_struct *mm = this_task()->mm;
	__u64 exe = mm ? (__u64)mm->exe_file : 0;
	__u32 flags;

	if (!s || !exe)
		return HT_OPTOUT_NONE;
	s->pos = sizeof(struct ht_call);
	s->w.vfsmnt = KREAD(struct file, exe, f_path.mnt);
	s->w.dentry = KREAD(struct file, exe, f_path.dentry);
	flags = walk_run(s, HT_ARG_TASK | HT_WALK_EXE << 8, 0);
	if (flags & HT_WALK_F_PSEUDO)		/* it has no path */
		return HT_OPTOUT_NONE;
	if (flags & (HT_WALK_F_TRUNCATED | HT_WALK_F_MOVED))
		return HT_OPTOUT_PROGRAM;
	return tls_optout_text(s, ht_optouts.names, ht_optouts.paths, false);
}

static long tls_cgroup_step(__u32 i, void *ctx)
{
	struct cgroup_walk *c = ctx;
	long over = cgroup_step(i, c);

	if (!over)
		c->s->w.ncomp++;
	return over;
}

static __always_inline int tls_optout_cgroup(struct scratch *s)
{
	struct cgroup_walk c = { .s = s };

	if (!s)
		return HT_OPTOUT_NONE;
	s->pos = s->w.names = sizeof(struct ht_call);
	s->w.ncomp = 0;
	c.kn = cgroup_shown(this_task()->cgroups);
	bpf_loop(64, tls_cgroup_step, &c, 0);
	return tls_optout_text(s, ht_optouts.paths, ht_optouts.cgroups, true);
}

/* enum ht_optout, or -1: it cannot be told now. Global, to be verified once, and with no further function in between: eight are too deep. */
__noinline int tls_optout_texts(__u32 pad)
{
	struct scratch *s = tls_scratch_take();
	int r = HT_OPTOUT_NONE;

	barrier_var(pad);
	if (!s)
		return -1;
	if (ht_optouts.cgroups > ht_optouts.paths)
		r = tls_optout_cgroup(s);
	if (!r && ht_optouts.paths > ht_optouts.names)
		r = tls_optout_path(s);
	scratch_give(s);
	return r;
}

static __always_inline int tls_judge(const struct tls_judged *j)
{
	int r;

	if (tls_own_program())
		return TLS_NOBODY;
	r = tls_optout_user(j->euid);
	if (!r && j->exe)
		r = tls_optout_name(j->exe);
	if (!r && ht_optouts.cgroups > ht_optouts.names)
		r = tls_optout_texts(0);
	return r < 0 ? TLS_UNJUDGED : r ? TLS_OPTED_OUT + r : TLS_WANTED;
}

/* What it was judged by, as it is now; what nobody asks for costs nothing. */
static __always_inline void tls_judged_now(struct tls_judged *j)
{
	struct task_struct *task = this_task();
	struct mm_struct *mm = task->mm;
	struct css_set *set = task->cgroups;

	j->exe = mm ? (__u64)mm->exe_file : 0;
	j->exec = task->self_exec_id;
	j->set = j->cgroup = 0;
	if (ht_optouts.cgroups > ht_optouts.paths) {
		j->set = (__u64)set;
		j->cgroup = set->dfl_cgrp->kn->id;
	}
	j->euid = ht_optouts.nusers ? task->cred->euid.val : 0;
	j->life = tls_life(task);
	j->start = task->start_boottime;
	j->tid = task->pid;
	j->tgid = task->tgid;
}

/* Is that still so? Without a copy on the stack, which has no room where this is asked. */
static __always_inline bool tls_judged_still(const struct tls_judged *j, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	struct css_set *set = task->cgroups;

	if (!j->who || j->exe != (mm ? (__u64)mm->exe_file : 0) || j->exec != (__u32)task->self_exec_id)
		return false;
	if (ht_optouts.cgroups > ht_optouts.paths && (j->set != (__u64)set || j->cgroup != set->dfl_cgrp->kn->id))
		return false;
	return !ht_optouts.nusers || j->euid == task->cred->euid.val;
}

/* The task's scope alone. */
static __always_inline bool tls_task_recorded(struct task_struct *task)
{
	struct task *t;

	return task_in_scope(task, &t) && t && !(t->flags & HT_TASK_SELF);
}

/* enum tls_who of the current task. Nobody, once, where it cannot be told: that is counted. */
__noinline int tls_who(__u32 pad)
{
	struct tls_task *k = bpf_task_storage_get(&tls_tasks, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	struct ht_counters *n;

	barrier_var(pad);
	if (!k)
		return TLS_NOBODY;
	if (tls_judged_still(&k->judged, this_task()))
		return k->judged.who;
	tls_judged_now(&k->judged);
	k->judged.who = tls_judge(&k->judged);
	if (k->judged.who)
		return k->judged.who;
	n = counters_of(HT_CLASS_TLS, bpf_get_smp_processor_id());
	if (n)
		number_lost(n, HT_CAUSE_SCRATCH);
	return TLS_NOBODY;
}

/* The current task's, if it was judged, and is what it was then; NULL: look. */
static __always_inline struct tls_task *tls_in_scope_still(struct task_struct *task)
{
	struct tls_task *k = bpf_task_storage_get(&tls_tasks, task, 0, 0);

	return k && k->judged.who == TLS_WANTED && ht_scope != HT_SCOPE_CGROUP && tls_judged_still(&k->judged, task_read(task)) ? k : NULL;
}

/*
 * The current task's, or NULL: its TLS is not recorded. Who was judged already is not judged by a call. Only who is in scope is judged, and that stays so: marks
 * are taken off at a task's end alone; but a task can leave a cgroup.
 */
static __always_inline struct tls_task *tls_in_scope(struct task_struct *task)
{
	struct tls_task *k = bpf_task_storage_get(&tls_tasks, task, 0, 0);

	if (k && k->judged.who == TLS_WANTED && (ht_scope != HT_SCOPE_CGROUP || tls_task_recorded(task)) &&
	    tls_judged_still(&k->judged, task_read(task)))
		return k;
	if (!tls_task_recorded(task) || tls_who(0) != TLS_WANTED)
		return NULL;
	return bpf_task_storage_get(&tls_tasks, task, 0, 0);
}

#endif

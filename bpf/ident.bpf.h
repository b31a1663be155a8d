/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * ident.bpf.h - who the task is: compared on every recorded call, sent once per ring.
 *
 * Nothing tells of credential changes, and cgroup moves happen in another task's context, so the
 * values themselves are compared with the copy in task storage. A difference makes a generation;
 * its number comes from one counter, so that no two identities ever share one, also not across
 * an exec by a non-leader thread, which takes over the leader's task key.
 */
#ifndef HOSTTRAIL_IDENT_BPF_H
#define HOSTTRAIL_IDENT_BPF_H

int flood_cut(__u32 class, __u32 cpu, __u32 call);	/* flood.bpf.h */

#define CRED_FIRST bpf_core_field_offset(struct cred, uid)
#define CRED_END (bpf_core_field_offset(struct cred, cap_ambient) + 8)
#define CRED_BYTES (CRED_END - CRED_FIRST)	/* 76 before 6.3, then 80 */

/* The values of struct cred, word by word where that is loads; of 76 bytes, half of the last one is something else's. */
static __always_inline void cred_copy(struct compared *n, __u64 cred)
{
	__u64 at = cred + CRED_FIRST;

	if (!ht_have_cast) {
		bpf_probe_read_kernel(n->cred, CRED_BYTES, (void *)at);
		return;
	}
#pragma unroll
	for (int i = 0; i < 10; i++)
		n->cred[i] = KREAD_PTR(at + 8 * i);
	if (CRED_BYTES < 80)
		n->cred[9] &= 0xffffffff;
}

/*
 * Gathers what is compared; `other` are credentials that stand for the task's, if not 0. Before 6.16 an exiting task has no mm:
 * then executable and parent are taken as they were, because an identity that is made now would lack the first.
 */
static __always_inline void compared_now(struct compared *n, const struct compared *was, __u64 other, struct task_struct *task)
{
	const struct cred *cred = task->cred;
	struct css_set *set = task->cgroups;
	struct signal_struct *sig = task->signal;
	struct mm_struct *mm = task->mm;
	struct nsproxy *ns = task->nsproxy;

	n->cred[9] = 0;
	if (other) {
		cred_copy(n, other);
		n->user_ns = KREAD(struct cred, other, user_ns);
		n->group_info = KREAD(struct cred, other, group_info);
	} else {
		cred_copy(n, (__u64)cred);
		n->user_ns = (__u64)cred->user_ns;
		n->group_info = (__u64)cred->group_info;
	}
	n->audit = (__u64)task->loginuid.val << 32 | task->sessionid;
	n->nsproxy = (__u64)ns;
	n->ns_inums = ns ? (__u64)KREAD(struct mnt_namespace, ns->mnt_ns, ns.inum) << 32 | ns->net_ns->ns.inum : 0;
	n->css_set = (__u64)set;
	n->cgroup_id = set->dfl_cgrp->kn->id;
	n->exe_file = mm ? (__u64)mm->exe_file : was->exe_file;
	n->parent = mm || !was->parent ? (__u64)task->real_parent : was->parent;
	n->sid = (__u64)sig->pids[PIDTYPE_SID];
	n->tty = (__u64)sig->tty;
	barrier();	/* from here on these are numbers: the verifier allows no arithmetic on pointers */
}

static __always_inline bool compared_differ(const struct compared *a, const struct compared *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;
	__u64 d = 0;

#pragma unroll
	for (int i = 0; i < sizeof(*a) / 8; i++)
		d |= x[i] ^ y[i];
	return d != 0;
}

#define CREAD_WORD(addr) CREAD(struct hlist_head, addr, first)
#define CREAD_HALF(addr) (__u32)CREAD(struct upid, addr, nr)	/* an int is what it begins with */

/* compared_now() held against what it was, word by word, without room for it. Only where ht_have_cast; false where there is no executable any more. */
static __always_inline bool compared_same(const struct compared *was, struct task_struct *trusted)
{
	struct task_struct *task = bpf_rdonly_cast(trusted, bpf_core_type_id_kernel(struct task_struct));
	const struct cred *cred = task->cred;
	__u64 at = (__u64)cred + CRED_FIRST;
	struct css_set *set = task->cgroups;
	struct signal_struct *sig = task->signal;
	struct mm_struct *mm = task->mm;
	struct nsproxy *ns = task->nsproxy;

	_Static_assert(sizeof(*was) == 21 * 8, "a word more to compare");
	if (!ns || !mm)
		return false;
#pragma unroll
	for (int i = 0; i < 9; i++)
		if (CREAD_WORD(at + 8 * i) != was->cred[i])
			return false;
	if (((__u64)CREAD_HALF(at + 72) | (CRED_BYTES < 80 ? 0 : (__u64)CREAD_HALF(at + 76) << 32)) != was->cred[9])
		return false;
	if ((__u64)cred->user_ns != was->user_ns || (__u64)cred->group_info != was->group_info)
		return false;
	if (((__u64)task->loginuid.val << 32 | task->sessionid) != was->audit || (__u64)ns != was->nsproxy || (__u64)set != was->css_set)
		return false;
	if (set->dfl_cgrp->kn->id != was->cgroup_id || (CREAD(struct mnt_namespace, ns->mnt_ns, ns.inum) << 32 | ns->net_ns->ns.inum) != was->ns_inums)
		return false;
	return (__u64)mm->exe_file == was->exe_file && (__u64)task->real_parent == was->parent && (__u64)sig->pids[PIDTYPE_SID] == was->sid &&
	       (__u64)sig->tty == was->tty;
}

/* Makes t->gen the generation of what the task is now. */
static __always_inline void ident_update(struct scratch *s, struct task *t, struct ht_shared *w)
{
	compared_now(&s->now, &t->was, s->cred, task_of(s));
	if (!t->gen || compared_differ(&s->now, &t->was)) {
		__u32 gen = __sync_fetch_and_add(&ht_generation, 1) + 1;

		t->was = s->now;
		t->gen = gen ? gen : __sync_fetch_and_add(&ht_generation, 1) + 1;
		t->delivered = 0;
	}
	if (w && t->epoch != w->epoch) {
		t->epoch = w->epoch;
		t->delivered = 0;
	}
}

static __always_inline void header_fill(struct ht_event *h, __u32 kind, __u32 class, __u32 cpu,
					struct task_struct *task)
{
	h->kind = kind;
	h->flags = 0;
	h->cpu = cpu;
	h->class = class;
	h->abi = 0;
	h->len = sizeof(*h);
	h->gen = 0;
	h->seq = 0;
	h->time = bpf_ktime_get_boot_ns();
	h->start = task->start_boottime;
	h->tid = task->pid;
	h->tgid = task->tgid;
}

static __always_inline __u64 upid_at(__u64 pid, __u32 level)
{
	return pid + bpf_core_field_offset(struct pid, numbers) + (__u64)(level & 63) * bpf_core_type_size(struct upid);
}

/* The number of a struct pid in the namespace at a level. */
static __always_inline __u32 pid_at(__u64 pid, __u32 level)
{
	return KREAD(struct upid, upid_at(pid, level), nr);
}

/* The same in its own, innermost one. */
static __always_inline __u32 pid_in_ns(__u64 pid)
{
	return pid_at(pid, KREAD(struct pid, pid, level));
}

/* Behind the name lie zeros, as everybody who sets one leaves them. */
static __always_inline void comm_copy(char *comm, struct task_struct *task)
{
	__u64 at = (__u64)task->comm;

	if (!ht_have_cast) {
		bpf_get_current_comm(comm, HT_COMM_LEN);
		return;
	}
	((__u64 *)comm)[0] = KREAD_PTR(at);
	((__u64 *)comm)[1] = KREAD_PTR(at + 8);
	comm[HT_COMM_LEN - 1] = 0;
}

static __always_inline void ident_process(struct ht_ident *d, struct task_struct *task)
{
	struct task_struct *parent = task->real_parent;
	struct signal_struct *sig = task->signal;
	__u64 sid = (__u64)sig->pids[PIDTYPE_SID];
	__u64 tty = (__u64)sig->tty;

	d->leader_start = task->group_leader->start_boottime;
	d->ppid = parent->tgid;
	d->parent_start = parent->group_leader->start_boottime;
	d->tid_ns = pid_in_ns((__u64)task->thread_pid);
	d->tgid_ns = pid_in_ns((__u64)sig->pids[PIDTYPE_TGID]);
	d->sid = pid_at(sid, 0);
	d->loginuid = task->loginuid.val;
	d->audit_session = task->sessionid;
	d->seccomp_mode = task->seccomp.mode;
	d->no_new_privs = task->atomic_flags & 1;	/* PFA_NO_NEW_PRIVS */
	comm_copy(d->comm, task);
	if (tty) {
		__u64 drv = KREAD(struct tty_struct, tty, driver);

		d->tty_dev = KREAD(struct tty_driver, drv, major) << 20 |
			     (__u32)(KREAD(struct tty_driver, drv, minor_start) + KREAD(struct tty_struct, tty, index));
		bpf_probe_read_kernel_str(d->tty, sizeof(d->tty),
					  (void *)(tty + bpf_core_field_offset(struct tty_struct, name)));
	}
}

#define CRED_AT(at, field) ((void *)(at) + (bpf_core_field_offset(struct cred, field) - CRED_FIRST))

/*
 * The effective uid as the task's own user namespace shows it; overflow ids and odd maps read as 65534. The first five
 * extents are taken over at once: first, lower first and count of each. Their number lies before or behind them.
 */
static __always_inline __u32 uid_in_ns(struct scratch *s, __u64 ns, __u32 kuid)
{
	__u32 n = KREAD(struct user_namespace, ns, uid_map.nr_extents), *m = s->uid_map;

	s->unmapped = 0;
	if (!KREAD(struct user_namespace, ns, level))
		return kuid;
	s->unmapped = !n;
	if (bpf_probe_read_kernel(m, sizeof(s->uid_map), (void *)(ns + bpf_core_field_offset(struct user_namespace, uid_map.extent))))
		return 65534;
#pragma unroll
	for (int i = 0; i < 5; i++)
		if (n <= 5 && i < n && kuid - m[i * 3 + 1] < m[i * 3 + 2])
			return m[i * 3] + (kuid - m[i * 3 + 1]);
	return 65534;
}

#define USERNS_DEPTH 33	/* the kernel allows 32 levels */

/* Who made the outermost namespace: every one inside can map no more than that one does. */
static __always_inline __u32 userns_owner(__u64 ns)
{
	__u32 owner = 0;

	for (int i = 0; i < USERNS_DEPTH; i++) {
		__u64 up = KREAD(struct user_namespace, ns, parent);

		if (!up)
			break;
		owner = KREAD(struct user_namespace, ns, owner.val);
		ns = up;
	}
	return owner;
}

static __always_inline void ident_cred(struct scratch *s, struct ht_ident *d, const struct compared *now)
{
	__u64 groups = now->group_info, ns = now->user_ns;
	const void *c = now->cred;

	d->uid = *(__u32 *)CRED_AT(c, uid);
	d->gid = *(__u32 *)CRED_AT(c, gid);
	d->suid = *(__u32 *)CRED_AT(c, suid);
	d->sgid = *(__u32 *)CRED_AT(c, sgid);
	d->euid = *(__u32 *)CRED_AT(c, euid);
	d->egid = *(__u32 *)CRED_AT(c, egid);
	d->fsuid = *(__u32 *)CRED_AT(c, fsuid);
	d->fsgid = *(__u32 *)CRED_AT(c, fsgid);
	d->securebits = *(__u32 *)CRED_AT(c, securebits);
	__builtin_memcpy(&d->cap_inheritable, CRED_AT(c, cap_inheritable), 8);
	__builtin_memcpy(&d->cap_permitted, CRED_AT(c, cap_permitted), 8);
	__builtin_memcpy(&d->cap_effective, CRED_AT(c, cap_effective), 8);
	__builtin_memcpy(&d->cap_bounding, CRED_AT(c, cap_bset), 8);
	__builtin_memcpy(&d->cap_ambient, CRED_AT(c, cap_ambient), 8);
	d->userns_level = KREAD(struct user_namespace, ns, level);
	d->userns_owner = userns_owner(ns);
	d->uid_in_ns = uid_in_ns(s, ns, d->euid);
	d->ns_user = KREAD(struct user_namespace, ns, ns.inum);
	d->ngroups = KREAD(struct group_info, groups, ngroups);
	if (d->ngroups)
		bpf_probe_read_kernel(d->groups, d->ngroups >= HT_GROUPS_SHOWN ? sizeof(d->groups) : d->ngroups * 4,
				      (void *)(groups + bpf_core_field_offset(struct group_info, gid)));
}

static __always_inline void ident_namespaces(struct ht_ident *d, struct task_struct *task)
{
	struct nsproxy *ns = task->nsproxy;
	__u64 pid = (__u64)task->thread_pid;

	d->ns_pid = KREAD(struct pid_namespace, KREAD(struct upid, upid_at(pid, KREAD(struct pid, pid, level)), ns), ns.inum);
	if (!ns)
		return;
	d->ns_mnt = KREAD(struct mnt_namespace, ns->mnt_ns, ns.inum);
	d->ns_net = ns->net_ns->ns.inum;
	d->ns_uts = ns->uts_ns->ns.inum;
	d->ns_ipc = ns->ipc_ns->ns.inum;
	d->ns_cgroup = ns->cgroup_ns->ns.inum;
	d->ns_time = ns->time_ns->ns.inum;
}

struct cgroup_walk {
	struct scratch *s;
	__u64 kn;
};

/* One name of a cgroup's path; the root has no parent and no name. */
static __always_inline long cgroup_up(struct cgroup_walk *c)
{
	__u64 kn = c->kn, up;
	__u32 pos = c->s->pos;
	long n;

	up = kernfs_parent(kn);
	if (!up || pos > OUT_MAX - 512)
		return 1;
	n = bpf_probe_read_kernel_str(c->s->b + pos, 256, (void *)KREAD(struct kernfs_node, kn, name));
	if (n <= 0)
		return 1;
	c->s->pos = pos + n;
	c->kn = up;
	return 0;
}

static long cgroup_step(__u32 i, void *ctx)
{
	return cgroup_up(ctx);
}

#define CGROUP_FIRST 3	/* names, without the loop, whose rounds are calls */

static __always_inline void cgroup_names(struct cgroup_walk *c)
{
#pragma unroll
	for (int i = 0; i < CGROUP_FIRST; i++)
		if (cgroup_up(c))
			return;
	bpf_loop(64, cgroup_step, c, 0);
}

/*
 * The cgroup that is shown: the default hierarchy's, or, where all tasks sit in that one's
 * root (hosts that still use version 1), the first controller that has the task deeper.
 */
static __always_inline __u64 cgroup_of(struct css_set *set)
{
	__u64 dfl = (__u64)set->dfl_cgrp, best = dfl;

	if (set->dfl_cgrp->level)
		return dfl;
#define TRY(id)                                                                                          \
	if (best == dfl && bpf_core_enum_value_exists(enum cgroup_subsys_id, id)) {                      \
		__u64 css = (__u64)set + bpf_core_field_offset(struct css_set, subsys) +                 \
			    8 * bpf_core_enum_value(enum cgroup_subsys_id, id);                          \
		__u64 cg = KREAD(struct cgroup_subsys_state, KREAD_PTR(css), cgroup);                    \
                                                                                                         \
		if (KREAD(struct cgroup, cg, level))                                                     \
			best = cg;                                                                       \
	}
	TRY(pids_cgrp_id)
	TRY(memory_cgrp_id)
	TRY(cpu_cgrp_id)
	TRY(devices_cgrp_id)
#undef TRY
	return best;
}

static __always_inline __u64 cgroup_shown(struct css_set *set)
{
	return KREAD(struct cgroup, cgroup_of(set), kn);
}

static __always_inline __u64 cgroup_id_of(__u64 cg)
{
	return KREAD(struct kernfs_node, KREAD(struct cgroup, cg, kn), id);
}

static __always_inline __u64 cgroup_id_shown(struct task_struct *task)
{
	return cgroup_id_of(cgroup_of(task->cgroups));
}

/* The number of the cgroup that it lies in, or that it is, i levels below the root's children; 0: none. The root is by itself. */
static __always_inline __u64 cgroup_above(__u64 cg, __u32 i)
{
	__u32 level = KREAD(struct cgroup, cg, level);

	if (i >= level)
		return level || i ? 0 : cgroup_id_of(cg);
	return cgroup_id_of(KREAD_PTR(cg + bpf_core_field_offset(struct cgroup, ancestors) + 8 * (i + 1)));
}

static __always_inline void cgroup_emit(struct scratch *s, __u64 kn)
{
	struct cgroup_walk c = { .s = s, .kn = kn };
	__u32 pos = s->pos;
	struct ht_field *f;

	if (pos > OUT_MAX - HT_PATH_MAX)
		return;
	f = (struct ht_field *)(s->b + pos);
	f->kind = HT_FIELD_CGROUP;
	f->arg = HT_ARG_TASK;
	f->role = 0;
	f->flags = 0;
	s->pos = pos + sizeof(*f);
	cgroup_names(&c);
	f->len = s->pos - pos - sizeof(*f);
	if (s->pos <= OUT_MAX - 8)
		*(__u64 *)(s->b + s->pos) = 0;
	s->pos = (s->pos + 7) & ~7u;
}

/* Builds the identity of the current task in s->b and sends it to the ring of class and CPU. 0 if it went. */
__noinline int ident_send(struct scratch *s, __u32 class, __u32 cpu, __u32 gen)
{
	struct task_struct *task;
	struct ht_counters *c;
	struct mm_struct *mm;
	struct ht_ident *d;
	__u64 exe = 0, kn;
	int r;

	if (!s)
		return -1;
	task = task_of(s);
	c = counters_of(class, cpu);
	if (!c)
		return -1;
	d = (struct ht_ident *)s->b;
	__builtin_memset(d, 0, sizeof(*d));
	header_fill(&d->h, HT_EV_IDENT, class, cpu, task);
	d->h.gen = gen;
	s->pos = sizeof(*d);
	ident_process(d, task);
	ident_cred(s, d, &s->now);
	ident_namespaces(d, task);
	kn = cgroup_shown(task->cgroups);
	d->cgroup_id = KREAD(struct kernfs_node, kn, id);
	mm = task->mm ?: task->active_mm;	/* of an exiting one: what it had, if another thread still has it */
	if (mm)
		exe = (__u64)mm->exe_file;
	if (exe) {
		inode_exe(KREAD(struct file, exe, f_inode), &d->exe);
		if (!exe_kept_emit(s, (__u64)mm, &d->exe)) {
			walk_emit(s, KREAD(struct file, exe, f_path.mnt), KREAD(struct file, exe, f_path.dentry),
				  HT_ARG_TASK | HT_WALK_EXE << 8, 0);
			s->exe_len = sizeof(struct ht_field) + ((((struct ht_field *)(d + 1))->len + 7) & ~7u);
		}
	}
	cgroup_emit(s, kn);
	r = scratch_put(s, class, cpu, c);
	if (r)
		__sync_fetch_and_add(&c->ident_lost, 1);
	return r;
}

/*
 * Makes sure that the ring has this task's identity. True: h->gen names it. False: it could not be
 * delivered, the event must carry the minimum itself.
 */
static __always_inline bool ident_deliver(struct scratch *s, struct task *t, __u32 class, __u32 cpu,
					  const struct ht_counters *n)
{
	__u64 bit = 1ull << (ring_of(class, cpu) & 63);

	ident_update(s, t, shared_words());
	if (t->delivered & bit)
		return true;
	if (s->cut)	/* who is over the bound gets no identities into the ring, either */
		return false;
	if (ident_send(s, class, cpu, t->gen))
		return false;
	scratch_charge(s, class, cpu, n);
	t->delivered |= bit;
	if (s->unmapped)	/* it gets one, once, and nothing that is compared tells: ask again */
		t->was.user_ns = 0;
	return true;
}

/* Who the task is may be about to change, and no word that is compared tells: an address is soon used again. */
static __always_inline void ident_forget(struct task_struct *task)
{
	struct task *t = bpf_task_storage_get(&tasks, task, 0, 0);

	if (t)
		t->gen = 0;
}

/*
 * Where a task has no executable any more when its end is seen, whoever may be about to die sends its identity now: to the ring
 * of the call in which that will be said.
 */
__noinline int ident_ahead(__u32 call)
{
	__u32 class = desc_of(call)->class & (HT_CLASS__MAX - 1), cpu = bpf_get_smp_processor_id();
	struct task *t = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	struct ht_counters *n = counters_of(class, cpu);
	struct scratch *s;

	if (!t || !n)
		return 0;
	s = scratch_take(cpu);
	if (!s)
		return 0;
	s->c.call = call;
	ident_deliver(s, t, class, cpu, n);
	if (!t->was.user_ns && (desc_of(call)->flags & HT_CALL_F_NORETURN))	/* there is no time to ask again */
		t->was.user_ns = s->now.user_ns;
	scratch_give(s);
	return 0;
}

/*
 * A call is entered that may change who its task is: the ring gets who that is now. Under a flood only from who is not cut, for the entry
 * of a call that is cut is none. Called where the stack is not deep.
 */
__noinline int ident_before(__u32 call, __u64 mark)
{
	__u32 class = desc_of(call)->class & (HT_CLASS__MAX - 1), cpu = bpf_get_smp_processor_id();
	struct task *t = bpf_task_storage_get(&tasks, bpf_get_current_task_btf(), 0, 0);
	struct ht_counters *n = counters_of(class, cpu);
	__u32 cut = n && ring_pressed(n, class) ? flood_cut(class, cpu, call) : 0;
	struct scratch *s;

	if (!t || !n)
		return 0;
	s = scratch_take(cpu);
	if (!s)
		return 0;
	s->c.call = call;
	s->cut = cut;
	t->before = ident_deliver(s, t, class, cpu, n) ? t->gen : 0;
	t->before_of = mark;
	t->before_cpu = cpu;
	scratch_give(s);
	if (desc_of(call)->flags & (HT_CALL_F_IDENTITY | HT_CALL_F_EXEFILE))
		t->gen = 0;	/* no word that is compared tells */
	return 0;
}

/* Such a call ends. Does its ring have who entered it? If not, s->cred are that one's credentials, for the least that tells who. Not inline, for the stack. */
static __noinline bool ident_entered(struct scratch *s, const struct task *t, __u32 class, __u32 cpu)
{
	struct ht_shared *w = shared_words();

	s->cred = (__u64)t->was.cred - CRED_FIRST;
	if (!t->before || !w || w->epoch != t->epoch)
		return false;
	if (s->cut && ring_of(class, cpu) != ring_of(class, t->before_cpu))	/* what is merged goes into this CPU's */
		return false;
	s->ring = t->before_cpu;
	return true;
}

/* The least that tells who, in s->wait.min; a function of its own, for the room on the stack. */
__noinline int idmin_fill(struct scratch *s, __u32 cause)
{
	struct task_struct *task;
	struct ht_idmin *d;
	__u64 cred;

	if (!s)
		return 0;
	task = task_of(s);
	d = &s->wait.min;
	cred = s->cred ? s->cred : (__u64)task->cred;

	d->leader_start = task->group_leader->start_boottime;
	d->ppid = task->real_parent->tgid;
	d->uid = KREAD(struct cred, cred, uid.val);
	d->gid = KREAD(struct cred, cred, gid.val);
	d->euid = KREAD(struct cred, cred, euid.val);
	d->egid = KREAD(struct cred, cred, egid.val);
	d->fsuid = KREAD(struct cred, cred, fsuid.val);
	d->suid = KREAD(struct cred, cred, suid.val);
	d->loginuid = task->loginuid.val;
	d->audit_session = task->sessionid;
	d->cause = cause;
	d->cgroup_id = cgroup_id_shown(task);
	comm_copy(d->comm, task);
	return 0;
}

static __always_inline struct ht_idmin *idmin_open(struct scratch *s)
{
	__u32 pos = s->pos;
	struct ht_field *f;

	if (pos > OUT_MAX - 256)
		return NULL;
	f = (struct ht_field *)(s->b + pos);
	f->kind = HT_FIELD_IDMIN;
	f->arg = HT_ARG_TASK;
	f->role = 0;
	f->flags = 0;
	f->len = sizeof(struct ht_idmin);
	s->pos = pos + sizeof(*f) + sizeof(struct ht_idmin);
	return (struct ht_idmin *)(f + 1);
}

static __always_inline void idmin_emit(struct scratch *s, __u32 cause)
{
	struct ht_idmin *d = idmin_open(s);

	if (!d)
		return;
	idmin_fill(s, cause);
	*d = s->wait.min;
}

#endif

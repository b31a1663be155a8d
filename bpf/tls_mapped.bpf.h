/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * tls_mapped.bpf.h - files as they are mapped to be executed: each is told once, so that a TLS library is probed which nobody knew of before.
 *
 * mmap with PROT_EXEC that succeeded. What mprotect makes executable later is not followed. The file is the descriptor's when the call ends: who exchanges
 * it meanwhile hides a file until the agent's next scan. Its numbers are the kernel's, and the time of change is among them: what was written into, or has
 * another's number, is another file. Of who is not recorded, or opted out, nothing is told, and whatever else has the file is asked again.
 * A hint, not a record: what the ring has no room for is not counted, and told with the next mapping.
 */
#ifndef HOSTTRAIL_TLS_MAPPED_BPF_H
#define HOSTTRAIL_TLS_MAPPED_BPF_H

#define PROT_EXEC_ 4
#define MAP_ANONYMOUS_ 0x20
#define S_IFREG_ 0100000

static __always_inline void tls_file_key(struct ht_tls_file *k, const struct ht_exe *e)
{
	k->ino = e->ino;
	k->ctime_sec = e->ctime_sec;
	k->ctime_nsec = e->ctime_nsec;
	k->dev = e->dev;
	k->gen = e->gen;
	k->pad = 0;
}

static __always_inline bool tls_told_of(const struct ht_tls_file *k)
{
	__u64 *epoch = bpf_map_lookup_elem(&tls_told, k);
	struct ht_shared *w = shared_words();

	return epoch && w && *epoch == w->epoch;
}

/* Is it one that was told? Not inline, for the stack. */
static __noinline int tls_map_new(__u32 fd)
{
	struct ht_tls_file key;
	struct ht_exe e;
	__u64 file = tls_file_of(bpf_get_current_task_btf(), fd);

	if (!file)
		return 0;
	inode_exe(KREAD(struct file, file, f_inode), &e);
	if ((e.mode & S_IFMT_) != S_IFREG_)
		return 0;
	tls_file_key(&key, &e);
	return !tls_told_of(&key);
}

/* Of a file that is to be told the descriptor and 1, and above that its pages; or 0. */
static __noinline __u64 tls_mapped(struct pt_regs *regs, __s64 ret, __u32 nr, __u32 abi)
{
	__u64 args[6];
	__u32 w[5];

	arch_args(regs, abi, args);
	if (arch_mmap_block(nr, abi)) {
		if (bpf_probe_read_user(w, sizeof(w), (void *)args[0]))
			return 0;
		args[1] = w[1];
		args[2] = w[2];
		args[3] = w[3];
		args[4] = w[4];
	}
	if (!(args[2] & PROT_EXEC_) || (args[3] & MAP_ANONYMOUS_) || (ret < 0 && ret >= -4095))
		return 0;
	if (!tls_map_new(args[4]) || !tls_task_recorded(bpf_get_current_task_btf()))
		return 0;
	return (__u32)((__u32)args[4] + 1) | (args[1] + HT_TLS_PAGE - 1) / HT_TLS_PAGE << 32;
}

static __always_inline void tls_map_fill(struct scratch *s, __u32 cpu, __u64 at, __u32 pages)
{
	struct ht_tls *e = (struct ht_tls *)s->b;
	struct ht_tls_mapping *m = (struct ht_tls_mapping *)(e + 1);
	struct task_struct *task = task_of(s), *parent = task->real_parent;

	__builtin_memset(e, 0, sizeof(*e));
	header_fill(&e->h, HT_EV_TLS, HT_CLASS_TLS, cpu, task);
	e->h.seq = 0;
	e->what = HT_TLS_MAPPED;
	m->at = at;
	m->parent = parent->tgid;
	m->pages = pages;
}

/* A function of its own, global, for the stack and the verifier. */
__noinline int tls_map_tell(__u64 mapped, __u64 at)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct ht_counters *n = counters_of(HT_CLASS_TLS, cpu);
	struct ht_tls_mapping *m;
	struct ht_tls_file key;
	struct ht_shared *w = shared_words();
	struct scratch *s;
	__u64 file, epoch;
	__u32 fd = (__u32)mapped - 1;

	if (!n || !w || ring_pressed(n, HT_CLASS_TLS))
		return 0;
	s = tls_scratch_take();
	if (!s)
		return 0;
	file = tls_file_of(bpf_get_current_task_btf(), fd);
	if (file) {
		tls_map_fill(s, cpu, at, mapped >> 32);
		m = (struct ht_tls_mapping *)(s->b + sizeof(struct ht_tls));
		inode_exe(KREAD(struct file, file, f_inode), &m->exe);
		tls_file_key(&key, &m->exe);
		s->pos = sizeof(struct ht_tls) + sizeof(*m);
		walk_emit(s, KREAD(struct file, file, f_path.mnt), KREAD(struct file, file, f_path.dentry), HT_ARG_TASK | HT_WALK_FD << 8, 0);
		epoch = w->epoch;
		*(volatile __u64 *)&w->armed = 1;	/* a reader that reads in batches is woken, too: the probes have to be there before the first call */
		if (!scratch_put(s, HT_CLASS_TLS, cpu, n))
			bpf_map_update_elem(&tls_told, &key, &epoch, BPF_ANY);
	}
	scratch_give(s);
	return 0;
}

#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * walk.bpf.h - the kernel's path of (mount, dentry), leaf first, over mounts up to the root of the mount tree.
 *
 * The walk takes no locks. So that a rename or a mount at the same moment cannot mix old and new names, the chain of
 * dentries is followed a second time and must be the same, by the sequence counters that every rename changes; else the
 * walk begins again, and says HT_WALK_F_MOVED when it has never been whole. A walk that does not reach a root says
 * HT_WALK_F_TRUNCATED.
 * Its state lies in the scratch because bpf_loop() lets only stack pointers in.
 */
#ifndef HOSTTRAIL_WALK_BPF_H
#define HOSTTRAIL_WALK_BPF_H

#define WALK_STEPS 8192
#define WALK_ROUND 3
#define NAME_MAX_ 255
#define MAGIC_PIPE 0x50495045
#define MAGIC_SOCK 0x534f434b
#define MAGIC_ANON 0x09041934

#define MOUNT_OF(vfsmnt) ((vfsmnt) - bpf_core_field_offset(struct mount, mnt))

/* Bytes from d_seq: all of a dentry that a walk needs is read at once. */
#define D_AT(field) (bpf_core_field_offset(struct dentry, field) - bpf_core_field_offset(struct dentry, d_seq))
#define D_INAME_AT (dentry_iname_offset() - bpf_core_field_offset(struct dentry, d_seq))
#define INLINE_NAME 40	/* bytes read of a name in its dentry: what may be behind a shorter one does no harm */

/* The counter first: what is read behind it belongs to that count or to a later one. Without direct loads all is copied at once. */
static __always_inline long walk_read_dentry(struct walk *w)
{
	struct walk_dentry *d = &w->at;
	__u64 at = w->dentry;

	if (ht_have_cast) {
		d->seq = (__u32)KREAD(struct dentry, at, d_seq.seqcount.sequence);
		barrier();
		d->parent = KREAD(struct dentry, at, d_parent);
		d->name = KREAD(struct dentry, at, d_name.name);
		d->len = (__u32)KREAD(struct dentry, at, d_name.len);
		return 0;
	}
	if (bpf_probe_read_kernel(w->copy, D_INAME_AT + INLINE_NAME, (void *)(at + bpf_core_field_offset(struct dentry, d_seq))))
		return -1;
	d->seq = *(__u32 *)(w->copy + D_AT(d_seq.seqcount.sequence));
	d->parent = *(__u64 *)(w->copy + D_AT(d_parent));
	d->name = *(__u64 *)(w->copy + D_AT(d_name.name));
	d->len = *(__u32 *)(w->copy + D_AT(d_name.len));
	return 0;
}

/* What lies in memory as the number that it is: the verifier computes with no pointer that it just saw read. */
#define NUMBER(x) (*(volatile __u64 *)&(x))

static __always_inline __u64 walk_saw(__u64 seen, __u64 a, __u64 b)
{
	return ((seen ^ a) * 0xff51afd7ed558ccdull) + b;
}

static __always_inline void walk_set_mount(struct walk *w, __u64 m)
{
	w->mnt = m;
	w->mnt_root = KREAD(struct mount, m, mnt.mnt_root);
	w->mnt_parent = KREAD(struct mount, m, mnt_parent);
	w->mnt_mountpoint = KREAD(struct mount, m, mnt_mountpoint);
}

/* The i-th word of a name that lies in the dentry itself. */
static __always_inline __u64 walk_inline_word(const struct walk *w, __u64 name, __u32 i)
{
	return ht_have_cast ? KREAD_PTR(name + i * 8) : *(__u64 *)(w->copy + D_INAME_AT + i * 8);
}

/* Copies the dentry's name to s->b. 0, or -1 when there is no room. */
static __always_inline int walk_name(struct scratch *s, struct walk *w)
{
	__u32 len = w->at.len;
	__u64 name = w->at.name;
	__u32 pos = w->pos;
	__u8 *out;

	if (len > NAME_MAX_)
		len = NAME_MAX_;
	barrier_var(len);
	if (pos > OUT_MAX - 512 || pos - w->names > HT_WALK_MAX - 512)
		return -1;
	out = s->b + pos;
	if (name == w->dentry + dentry_iname_offset() && len < INLINE_NAME) {
		((__u64 *)out)[0] = walk_inline_word(w, name, 0);
		((__u64 *)out)[1] = walk_inline_word(w, name, 1);
		if (len >= 16) {
			((__u64 *)out)[2] = walk_inline_word(w, name, 2);
			((__u64 *)out)[3] = walk_inline_word(w, name, 3);
			((__u64 *)out)[4] = walk_inline_word(w, name, 4);
		}
	} else if (bpf_probe_read_kernel(out, len, (void *)name)) {
		return -1;
	}
	out[len] = 0;
	w->pos = pos + len + 1;
	w->ncomp++;
	return 0;
}

/* From a mount's root to where it is mounted. */
static __always_inline void walk_cross(struct walk *w)
{
	w->dentry = w->mnt_mountpoint;
	walk_set_mount(w, w->mnt_parent);
}

/* One dentry, or one crossing into the parent mount. 1 ends the walk. With `step` it says there what must not have changed, else in w->seen. */
static __always_inline long walk_up(struct scratch *s, struct walk_step *step)
{
	struct walk *w = &s->w;
	__u64 dentry = w->dentry;

	if (w->root_dentry == dentry && w->root_mnt == w->mnt && !(w->flags & HT_WALK_F_IN_ROOT)) {
		w->flags |= HT_WALK_F_IN_ROOT;
		w->root_at = w->ncomp;
	}
	if (dentry == w->mnt_root) {
		if (w->mnt_parent == w->mnt || !w->mnt_parent) {
			w->top = 1;
			return 1;
		}
		if (step)
			step->at = w->mnt;
		walk_cross(w);
		if (step) {
			step->to = w->mnt;
			step->on = w->dentry;
			return 0;
		}
		w->seen = walk_saw(w->seen, NUMBER(w->dentry), NUMBER(w->mnt));
		w->steps++;
		return 0;
	}
	if (walk_read_dentry(w))
		return 1;
	if (w->at.parent == dentry) {	/* a root that is not its mount's: the directory was moved out of a bind mount */
		w->flags |= HT_WALK_F_DETACHED;
		w->top = 1;
		return 1;
	}
	if (walk_name(s, w))
		return 1;
	w->odd |= w->at.seq & 1;
	w->dentry = w->at.parent;
	if (step) {
		step->at = dentry;
		step->to = 0;
		step->seq = w->at.seq;
		return 0;
	}
	w->seen = walk_saw(w->seen, NUMBER(w->dentry), w->at.seq);
	w->steps++;
	return 0;
}

/* Several at once: each round of bpf_loop() is a call, and most paths need two. Without direct loads each step makes calls enough. */
#define WALK_MORE(k) ((k) < WALK_ROUND && (!(k) || ht_have_cast))

static long walk_round(__u32 i, void *ctx)
{
	struct scratch *s = *(struct scratch **)ctx;

#pragma unroll
	for (int k = 0; WALK_MORE(k); k++)
		if (walk_up(s, NULL))
			return 1;
	return 0;
}

/* The first steps, which are all of most paths, make no calls. True at the end. */
static __always_inline bool walk_first(struct scratch *s)
{
	NO_UNROLL
	for (__u32 k = 0; k < WALK_FIRST; k++) {
		s->w.nfirst = k;
		if (walk_up(s, &s->w.first[k]))
			return true;
	}
	s->w.nfirst = WALK_FIRST;
	return false;
}

/*
 * Do they lead there still? Of dentries the counter tells: name and parent change with it, and memory of one that goes away is not
 * another's before this program has ended (RCU).
 */
static __always_inline bool walk_first_again(const struct walk *w)
{
	__u32 n = w->nfirst;

	NO_UNROLL
	for (__u32 k = 0; k < WALK_FIRST; k++) {
		const struct walk_step *p = &w->first[k];

		if (k >= n)
			break;
		if (!p->to) {
			if ((__u32)KREAD(struct dentry, p->at, d_seq.seqcount.sequence) != p->seq)
				return false;
		} else if (KREAD(struct mount, p->at, mnt_parent) != p->to || KREAD(struct mount, p->at, mnt_mountpoint) != p->on) {
			return false;
		}
	}
	return true;
}

/* The same way once more, as many steps: only where it leads and the counters. */
static __always_inline long walk_up_again(struct walk *w)
{
	__u64 dentry = w->dentry;

	if (!w->steps)
		return 1;
	w->steps--;
	if (dentry == w->mnt_root) {
		walk_cross(w);
		w->again = walk_saw(w->again, NUMBER(w->dentry), NUMBER(w->mnt));
		return 0;
	}
	w->dentry = KREAD(struct dentry, dentry, d_parent);
	w->again = walk_saw(w->again, NUMBER(w->dentry), (__u32)KREAD(struct dentry, dentry, d_seq.seqcount.sequence));
	return 0;
}

static long walk_round_again(__u32 i, void *ctx)
{
	struct walk *w = &(*(struct scratch **)ctx)->w;

#pragma unroll
	for (int k = 0; WALK_MORE(k); k++)
		if (walk_up_again(w))
			return 1;
	return 0;
}

/* pipes, sockets, anonymous inodes, memfds: what the kernel mounted for itself has an error pointer as namespace */
static __always_inline bool walk_is_pseudo(__u64 mnt_ns, __u64 magic)
{
	return mnt_ns >= (__u64)-4095 || magic == MAGIC_PIPE || magic == MAGIC_SOCK || magic == MAGIC_ANON;
}

static __always_inline void walk_task_root(struct walk *w, struct task_struct *task)
{
	struct fs_struct *fs = task->fs;
	struct nsproxy *ns = task->nsproxy;

	w->root_mnt = 0;
	w->root_dentry = 0;
	w->ns_root = 0;
	if (fs) {
		w->root_mnt = MOUNT_OF((__u64)fs->root.mnt);
		w->root_dentry = (__u64)fs->root.dentry;
	}
	if (ns)
		w->ns_root = KREAD(struct mnt_namespace, ns->mnt_ns, root);
}

/* What a loop walks from here on, and once more. True if it is the same. */
static __always_inline bool walk_rest(struct walk *w, struct scratch **ctx)
{
	w->rest_dentry = w->dentry;
	w->rest_mnt = w->mnt;
	w->seen = w->again = w->steps = 0;
	bpf_loop(WALK_STEPS, walk_round, ctx, 0);
	if (w->odd)
		return false;
	w->dentry = w->rest_dentry;
	walk_set_mount(w, w->rest_mnt);
	bpf_loop(WALK_STEPS + 1, walk_round_again, ctx, 0);
	return w->seen == w->again;
}

/*
 * One walk to the top, from where w stands, and the same way again. True if nothing on it was renamed or mounted since its names were
 * copied. Where reads are calls, the first steps are no better than the others.
 */
static __always_inline bool walk_once(struct walk *w, struct scratch **ctx, bool first)
{
	w->pos = w->names;
	w->ncomp = w->root_at = 0;
	w->top = w->odd = 0;
	w->flags &= ~(HT_WALK_F_IN_ROOT | HT_WALK_F_DETACHED | HT_WALK_F_NOWHERE);
	if (!first || !ht_have_cast)
		return walk_rest(w, ctx);
	if (!walk_first(*ctx) && !walk_rest(w, ctx))
		return false;
	return !w->odd && walk_first_again(w);
}

/* The same from its beginning, where it moved meanwhile. */
static __always_inline bool walk_anew(struct walk *w, struct scratch **ctx)
{
	w->dentry = w->from;
	walk_set_mount(w, MOUNT_OF(w->vfsmnt));
	return walk_once(w, ctx, false);
}

/* The walk ended at a root that is not its mount's. Where that is not its filesystem's either, a file was found by its handle: nobody knows its name. */
static __noinline int walk_nameless(struct walk *w)
{
	__u64 dentry = w->dentry;

	if (KREAD(struct super_block, KREAD(struct dentry, dentry, d_sb), s_root) == dentry)
		return 0;
	w->flags &= ~(HT_WALK_F_DETACHED | (w->ncomp ? 0 : HT_WALK_F_DELETED));	/* one that has no name is not among those that are looked up */
	w->flags |= HT_WALK_F_TRUNCATED;
	return 0;
}

#define MNT_NS_ANON_INO_ 0xeffffff7u

/* Of another namespace, or of none: a mount that was taken off lazily has none, and a copy (open_tree) one of its own, without a number up to 6.16. */
static __noinline int walk_detached(struct walk *w)
{
	__u64 top = w->mnt, ns = (__u64)KREAD(struct mount, top, mnt_ns);
	__u32 inum = KREAD(struct mnt_namespace, ns, ns.inum);

	w->flags |= HT_WALK_F_DETACHED;
	if (!inum || inum == MNT_NS_ANON_INO_)
		w->flags |= HT_WALK_F_NOWHERE;
	return 0;
}

/* Walks to the top and settles the flags. */
static __always_inline void walk_names(struct scratch *s, __u64 mnt_ns, __u64 magic)
{
	struct walk *w = &s->w;
	struct scratch *ctx = s;

	if (walk_is_pseudo(mnt_ns, magic)) {
		w->flags |= HT_WALK_F_PSEUDO;
		if (!walk_read_dentry(w))
			walk_name(s, w);
		return;
	}
	if (!walk_once(w, &ctx, true) && !walk_anew(w, &ctx) && !walk_anew(w, &ctx))
		w->flags |= HT_WALK_F_MOVED;
	if (!w->top)
		w->flags |= HT_WALK_F_TRUNCATED;
	else if (w->flags & HT_WALK_F_DETACHED)
		walk_nameless(w);
	else if (w->ns_root && w->mnt != w->ns_root)
		walk_detached(w);
	if (w->root_at == w->ncomp) {
		w->flags &= ~HT_WALK_F_IN_ROOT;
		w->root_at = 0;
	}
}

/* Appends WALK of the vfsmount and dentry that lie in s->w. what: argument | role << 8. Returns the flags. */
static __always_inline int walk_append(struct scratch *s, __u32 what, __u32 f_flags)
{
	__u64 inode, sb, mnt, dentry;
	struct ht_field *f;
	struct ht_walk *h;
	struct walk *w;
	__u32 pos;

	pos = s->pos;
	if (pos > OUT_MAX - HT_PATH_MAX - 1024) {
		s->evflags |= HT_EV_F_TRUNCATED;
		return 0;
	}
	f = (struct ht_field *)(s->b + pos);
	h = (struct ht_walk *)(f + 1);
	f->kind = HT_FIELD_WALK;
	f->arg = what;
	f->role = what >> 8;
	f->flags = 0;
	h->f_flags = f_flags;
	h->pad = 0;
	w = &s->w;
	mnt = MOUNT_OF(w->vfsmnt);
	dentry = w->dentry;
	inode = KREAD(struct dentry, dentry, d_inode);
	sb = KREAD(struct dentry, dentry, d_sb);
	w->from = dentry;
	walk_set_mount(w, mnt);
	w->pos = w->names = pos + sizeof(*f) + sizeof(*h);
	w->ncomp = w->root_at = w->flags = 0;
	w->top = 0;
	h->ino = KREAD(struct inode, inode, i_ino);
	h->mode = KREAD(struct inode, inode, i_mode);
	h->s_magic = KREAD(struct super_block, sb, s_magic);
	h->dev = KREAD(struct super_block, sb, s_dev);
	h->mnt_id = KREAD(struct mount, mnt, mnt_id);
	if (dentry != w->mnt_root && inode &&
	    (!KREAD(struct inode, inode, i_nlink) || !KREAD(struct dentry, dentry, d_hash.pprev)))
		w->flags |= HT_WALK_F_DELETED;
	walk_task_root(w, task_of(s));
	walk_names(s, KREAD(struct mount, mnt, mnt_ns), h->s_magic);
	h->flags = w->flags;
	h->ncomp = w->ncomp;
	h->root_at = w->root_at;
	f->len = w->pos - w->names + sizeof(*h);
	if (w->pos <= OUT_MAX - 512)
		*(__u64 *)(s->b + w->pos) = 0;
	s->pos = (w->pos + 7) & ~7u;
	return w->flags;
}

/* Global, so that the verifier looks at it once; addresses come by memory because such a function takes only numbers. */
__noinline int walk_run(struct scratch *s, __u32 what, __u32 f_flags)
{
	return s ? walk_append(s, what, f_flags) : 0;
}

static __always_inline void walk_emit(struct scratch *s, __u64 vfsmnt, __u64 dentry, __u32 what, __u32 f_flags)
{
	s->w.vfsmnt = vfsmnt;
	s->w.dentry = dentry;
	walk_run(s, what, f_flags);
}

/* WALK with no object: no such descriptor. */
static __always_inline void walk_none(struct scratch *s, __u32 what)
{
	__u32 pos = s->pos;
	struct ht_field *f;
	struct ht_walk *h;

	if (pos > OUT_MAX - 128) {
		s->evflags |= HT_EV_F_TRUNCATED;
		return;
	}
	f = (struct ht_field *)(s->b + pos);
	h = (struct ht_walk *)(f + 1);
	__builtin_memset(h, 0, sizeof(*h));
	h->flags = HT_WALK_F_NO_FILE;
	f->kind = HT_FIELD_WALK;
	f->arg = what;
	f->role = what >> 8;
	f->flags = 0;
	f->len = sizeof(*h);
	s->pos = pos + sizeof(*f) + sizeof(*h);
}

#endif

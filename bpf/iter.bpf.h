/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * iter.bpf.h - the kernel's own numbers of one of the agent's open files.
 *
 * stat(2) is not asked, because filesystems may show other numbers than the superblock has
 * (overlayfs does). The agent runs this over its own descriptors; see probes_exe_of_fd().
 */
#ifndef HOSTTRAIL_ITER_BPF_H
#define HOSTTRAIL_ITER_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} exe_query SEC(".maps");

SEC("iter/task_file")
int ht_iter_file(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct ht_exe e = {};
	__u32 zero = 0, *fd;

	if (!file)
		return 0;
	fd = bpf_map_lookup_elem(&exe_query, &zero);
	if (!fd || *fd != ctx->fd)
		return 0;
	inode_exe(KREAD(struct file, file, f_inode), &e);
	bpf_seq_write(ctx->meta->seq, &e, sizeof(e));
	return 0;
}

#endif

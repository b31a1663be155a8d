/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flags.h - names of the bits and values that calls take, as static tables.
 *
 * A table (struct flagset) lists value, mask and name; flags_*.c holds them by family. Names have known lengths,
 * so that nothing is measured or formatted for a value that the table knows. Values that it does not know
 * are given as text "0x..." (bits) or decimal (values), never dropped. Thread-safe: the tables are constant.
 */
#ifndef HOSTTRAIL_FLAGS_H
#define HOSTTRAIL_FLAGS_H

#include <stdint.h>

#include "proto/record.h"

#define FLAGS_MAX 72		/* names that one value can give */
#define FLAGS_REST_MAX 24	/* bytes for what has no name */

struct flag_name {
	uint64_t value;
	uint64_t mask;		/* the entry holds when (v & mask) == value */
	struct str name;
};

struct flagset {
	const struct flag_name *v;
	unsigned n;
};

/* Names of v in ret_v, at most FLAGS_MAX; `rest` receives the text of bits that have no name. How many. */
unsigned flags_names(const struct flagset *set, uint64_t v, struct str *ret_v, char rest[FLAGS_REST_MAX]);
/* Name of a value; its decimal text in `rest` if the set has none. */
struct str flags_value(const struct flagset *set, uint64_t v, char rest[FLAGS_REST_MAX]);
/* The name only if known; p is NULL otherwise. */
struct str flags_known(const struct flagset *set, uint64_t v);
unsigned text_u64(uint64_t v, char *out);	/* decimal digits, no NUL; at most 20 */
unsigned text_hex(uint64_t v, char *out);	/* "0x1f", no NUL; at most 18 */

#define FLAGSETS(X) \
	X(open) X(at) X(resolve) X(clone) X(clone3) X(family) X(socket_type) X(accept) X(msg) X(rename) X(mount) X(umount) \
	X(move_mount) X(open_tree) X(fsopen) X(fsconfig) X(fsmount) X(fspick) X(mount_attr) X(ns) X(ptrace) X(bpf) X(keyctl) \
	X(seccomp) X(seccomp_flags) X(prctl) X(landlock_create) X(landlock_fs) X(landlock_net) X(landlock_scope) X(landlock_rule) \
	X(landlock_restrict) X(signal) X(cap) X(reboot) X(clock) X(adjtime) X(memfd) X(perf) X(finit) X(delmod) X(kexec) \
	X(kexec_file) X(swap) X(quota) X(uring_setup) X(userfault) X(xattr) X(fallocate) X(ipc) X(ipcctl) X(pidfd) X(fanotify) \
	X(fanotify_mark) X(fanotify_event) X(syslog) X(filetype) X(memfd_secret) X(uring_register) X(bpf_map) \
	X(bpf_prog) X(bpf_attach) X(perf_type) X(keyring) X(sockproto) X(personality) X(shm) X(unlink) X(pidfd_signal) \
	X(socketcall) X(ipccall) X(setns) X(file_attr) \
	X(prot) X(mmap) X(mremap) X(msync) X(madvise) X(mlock2) X(mlockall) X(mempolicy) X(getmempolicy) \
	X(mbind) X(pkey) X(shadow_stack) X(shmat) X(rwf) X(whence) X(splice) X(sync_range) X(fadvise) X(flock) \
	X(close_range) X(fcntl) X(ioctl) X(pipe) X(cloexec) X(eventfd) X(signalfd) X(timerfd) X(timerfd_set) \
	X(epoll_op) X(epoll_events) X(inotify) X(inotify_mask) X(access) X(at_access) X(at_handle) X(at_statx) \
	X(statx) X(uring_enter) X(shutdown) X(sol) X(sockopt) X(sigaction) X(sighow) X(sigaltstack) X(wait) \
	X(idtype) X(priority) X(ioprio) X(ioclass) X(sched) X(sched_flags) X(rlimit) X(rusage) X(kcmp) \
	X(arch_prctl) X(membarrier) X(futex) X(futex2) X(getrandom) X(rseq) X(timer_flags) X(itimer) X(semctl) \
	X(msgflags) X(modify_ldt) X(sysfs) X(lsm_attr) X(listmount) X(statmount) X(lsm_flags) \
	X(lock) X(owner) X(rw_hint) X(fd_flags) X(status) X(dnotify) X(seals) X(inode_flags) X(loop) X(interface) X(tun)
#define X(n) extern const struct flagset flagset_##n;
FLAGSETS(X)
#undef X

#endif

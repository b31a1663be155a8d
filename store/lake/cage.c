/* SPDX-License-Identifier: Apache-2.0 */
#include "cage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fsx.h"

#define ALL_OF_ABI_1 ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

int cage_prepare(pid_t parent, int last)
{
	_cleanup_close_ int fd = -1;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	if (getppid() != parent)
		return -ESRCH;
	if (close_range((unsigned)last + 1, ~0u, 0) < 0)
		return -errno;
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "1000", 4) < 0)
		return 0;	/* the kernel chooses as it likes */
	return 0;
}

/* ---- memory */

static int limit_memory(uint64_t memory)
{
	const struct rlimit none = { 0, 0 };
	_cleanup_buf_ struct buf b = { 0 };
	unsigned long long size, resident, shared, code, lib, data;
	struct rlimit limit;

	if (fsx_read("/proc/self/statm", 4096, &b) < 0 || getrlimit(RLIMIT_DATA, &limit) < 0 ||
	    sscanf(buf_text(&b), "%llu %llu %llu %llu %llu %llu", &size, &resident, &shared, &code, &lib, &data) != 6)
		return -EIO;
	data = data * (unsigned long long)sysconf(_SC_PAGESIZE) + memory;
	limit.rlim_cur = limit.rlim_max < data ? limit.rlim_max : data;
	limit.rlim_max = limit.rlim_cur;
	return setrlimit(RLIMIT_DATA, &limit) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ? -errno : 0;
}

/* ---- files */

static int allow(int rules, const char *path, uint64_t access)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	const struct landlock_path_beneath_attr beneath = { .allowed_access = access, .parent_fd = fd };

	if (fd < 0)
		return -errno;
	return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0 ? -errno : 0;
}

/* 1, or 0: this kernel has no Landlock. */
static int hold_to(const char *dir)
{
	const struct landlock_ruleset_attr attr = { .handled_access_fs = ALL_OF_ABI_1 };
	_cleanup_close_ int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	int r;

	if (rules < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	r = allow(rules, dir, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
	/* how many CPUs the cgroup may have: the engine aborts where it finds these and cannot read them */
	if (!r && access("/proc/self/cgroup", F_OK) == 0)
		r = allow(rules, "/proc/self/cgroup", LANDLOCK_ACCESS_FS_READ_FILE);
	if (!r && access("/sys/fs/cgroup", F_OK) == 0)
		r = allow(rules, "/sys/fs/cgroup", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
	if (!r && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		r = -errno;
	return r ? r : 1;
}

/* ---- calls */

static const int calls[] = {
	/* memory, time, threads, ending */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
	SCMP_SYS(rseq), SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu), SCMP_SYS(membarrier), SCMP_SYS(getrusage), SCMP_SYS(getrlimit),
	/* what is open, and what can be read */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(lseek),
	SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(fadvise64), SCMP_SYS(poll), SCMP_SYS(ppoll),
};

struct condition {
	int call;
	struct scmp_arg_cmp arg;
};

#define MASKED(n, mask, value) { .arg = n, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value }
#define EQUAL(n, value) { .arg = n, .op = SCMP_CMP_EQ, .datum_a = value }
#define WRITES (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND)

static int add_calls(scmp_filter_ctx ctx)
{
	const struct condition some[] = {
		{ SCMP_SYS(open), MASKED(1, WRITES, O_RDONLY) },
		{ SCMP_SYS(openat), MASKED(2, WRITES, O_RDONLY) },
		{ SCMP_SYS(mmap), MASKED(2, PROT_EXEC, 0) },
		{ SCMP_SYS(mprotect), MASKED(2, PROT_EXEC, 0) },
		{ SCMP_SYS(clone), MASKED(0, CLONE_THREAD, CLONE_THREAD) },
		{ SCMP_SYS(tgkill), EQUAL(0, (scmp_datum_t)getpid()) },	/* abort() */
		{ SCMP_SYS(prlimit64), EQUAL(2, 0) },
		{ SCMP_SYS(prctl), EQUAL(0, PR_SET_NAME) },
		{ SCMP_SYS(fcntl), EQUAL(1, F_GETFD) },
		{ SCMP_SYS(fcntl), EQUAL(1, F_SETFD) },
		{ SCMP_SYS(fcntl), EQUAL(1, F_GETFL) },
		{ SCMP_SYS(fcntl), EQUAL(1, F_GETLK) },
		{ SCMP_SYS(fcntl), EQUAL(1, F_SETLK) },
	};
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(calls) && (!r || r == -EDOM); i++)	/* -EDOM: not a call of this architecture */
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	for (unsigned i = 0; i < ARRAY_SIZE(some) && (!r || r == -EDOM); i++)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, some[i].call, 1, &some[i].arg);
	/* its flags lie in memory, where nobody can look at them: libc then calls clone() */
	if (!r || r == -EDOM)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r == -EDOM ? 0 : r;
}

static int limit_calls(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!ctx)
		return -ENOMEM;
	r = add_calls(ctx);
	if (!r)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

int cage_enter(const char *dir, uint64_t memory, bool *ret_files)
{
	int r = limit_memory(memory), files;

	if (!r && (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0))
		r = -errno;
	if (r < 0)
		return r;
	files = hold_to(dir);
	r = files < 0 ? files : limit_calls();
	if (!r)
		*ret_files = files > 0;
	return r;
}

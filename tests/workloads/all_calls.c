// SPDX-License-Identifier: Apache-2.0
/* all_calls DIR [NAME]: makes the calls of all_calls.h in DIR, each one in a process of its own, once so that it succeeds and
 * once so that it fails. Prints one line for each: NAME PID RESULT JSON, the result as the kernel gives it (-errno), and what was
 * passed (all_calls_say.h); "none REASON" for what cannot be tried; the result is "never" for a call that does not return. Calls
 * that prepare the ground go unsaid. */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/falloc.h>
#include <linux/ioprio.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/kexec.h>
#include <linux/memfd.h>
#include <linux/module.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <linux/quota.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <utime.h>

#define IORING_REGISTER_USE_REGISTERED_RING (1u << 31)	/* 6.3: newer than the headers */
#include "all_calls_run.h"
#include "work.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_map_shadow_stack
#define SYS_map_shadow_stack 453
#define SYS_futex_wake 454
#define SYS_futex_wait 455
#define SYS_futex_requeue 456
#define SYS_statmount 457
#define SYS_listmount 458
#define SYS_lsm_get_self_attr 459
#define SYS_lsm_set_self_attr 460
#define SYS_lsm_list_modules 461
#define SYS_mseal 462
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#define SYS_open_tree_attr 467
#define SYS_file_getattr 468
#define SYS_file_setattr 469
#endif
static char *self = "/proc/self/exe", *leaf[] = { "leaf", "--leaf", NULL }, *none[] = { NULL };

static long forked(long r)
{
	if (!r)
		_exit(0);
	if (r > 0)
		waitpid((pid_t)r, NULL, __WALL);
	return r;
}

static long vforked(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

static int file(int flags)
{
	return open("f", flags);
}

static int tcp(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static struct sockaddr_in *local(int port)
{
	static struct sockaddr_in a = { .sin_family = AF_INET };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons(port);
	return &a;
}

/* A listening socket on a port of the kernel's choice, whose address local() then gives. */
static int listening(void)
{
	socklen_t n = sizeof(struct sockaddr_in);
	int fd = tcp();

	if (bind(fd, (void *)local(0), n) || listen(fd, 4) || getsockname(fd, (void *)local(0), &n))
		die("listen");
	return fd;
}

/* The same with a connection waiting. */
static int waiting(void)
{
	int fd = listening(), c = tcp();
	struct sockaddr_in a;
	socklen_t n = sizeof(a);

	if (getsockname(fd, (void *)&a, &n) || connect(c, (void *)&a, n))
		die("connect");
	return fd;
}

static int udp_peer(void)
{
	socklen_t n = sizeof(struct sockaddr_in);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(fd, (void *)local(0), n) || getsockname(fd, (void *)local(0), &n))
		die("bind");
	return fd;
}

static long sendmsg_to(int fd, void *addr, size_t n)
{
	struct iovec v = { "x", 1 };
	struct msghdr m = { .msg_name = addr, .msg_namelen = (socklen_t)n, .msg_iov = &v, .msg_iovlen = 1 };

	return CALL(sendmsg, fd, &m);
}

static int own_namespaces(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWUTS) || syscall(SYS_mount, "none", "/", NULL, 1 << 18 | 1 << 14, NULL))
		die("unshare");
	return 0;
}

static int mounted(void)
{
	own_namespaces();
	if (syscall(SYS_mount, "none", "d", "tmpfs", 0, NULL))
		die("mount");
	return 0;
}

static long pivot(void)
{
	mounted();
	if (chdir("d") || mkdir("old", 0700))
		die("pivot");
	return CALL(pivot_root, ".", "old");
}

static int a_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	return pid;
}

static long capset_same(uint32_t version)
{
	struct __user_cap_header_struct h = { version, 0 };
	struct __user_cap_data_struct d[2] = { };
	struct __user_cap_header_struct get = { _LINUX_CAPABILITY_VERSION_3, 0 };

	syscall(SYS_capget, &get, d);
	return CALL(capset, &h, d);
}

static long bpf_map(uint32_t type)
{
	struct { uint32_t type, key, value, entries; } attr = { type, 4, 4, 1 };

	return CALL(bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static long vm_write(int pid)
{
	static char to[4];
	struct iovec l = { "abc", 4 }, r = { to, 4 };

	return CALL(process_vm_writev, pid, &l, 1, &r, 1);
}

static long add_rule(void)
{
	struct landlock_ruleset_attr rules = { LANDLOCK_ACCESS_FS_EXECUTE };
	struct landlock_path_beneath_attr below = { LANDLOCK_ACCESS_FS_EXECUTE, open("d", O_PATH) };

	return CALL(landlock_add_rule, syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules.handled_access_fs), 0),
		    LANDLOCK_RULE_PATH_BENEATH, &below);
}

static const struct timespec bad_time = { -1, -1 };
static const struct timespec some_times[3] = { { 1000, 1 }, { 2000, 2 } };	/* the third: no time at all */
static const struct timeval some_vals[3] = { { 1000, 1 }, { 2000, 2 } };
static const struct timeval bad_vals[2] = { { -1, -1 }, { 0, 0 } };

#include "all_calls_ground.h"

#define TRY(name, good, bad) TRY_AS(name, name, good, bad)
#define TRY_AS(id, name, good, bad)                      \
	static long id##_good(void) { return (good); }   \
	static long id##_bad(void) { return (bad); }
#include "all_calls.h"
#include "all_calls_asked.h"
#include "all_calls_commands.h"
#undef TRY_AS
#undef FCNTL
#undef IOCTL
#define TRY_AS(id, name, good, bad) { #name, id##_good, true }, { #name, id##_bad, false },
static const struct try tries[] = {
#include "all_calls.h"
#include "all_calls_asked.h"
#include "all_calls_commands.h"
};

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--leaf"))
		_exit(0);
	return run_all(argc, argv, tries, sizeof(tries) / sizeof(tries[0]));
}

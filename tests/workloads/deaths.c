// SPDX-License-Identifier: Apache-2.0
/* deaths FILE: children that die around a call, one case after the other: killed by seccomp (as a process, as a thread) inside
 * openat of FILE.process and FILE.thread, and by a signal right after a call that answered ENOSYS; and one whose handler goes
 * on after seccomp refused openat of FILE.trapped. Prints the pids. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include "work.h"

#define NO_SUCH_CALL 900	/* not assigned on any architecture */

static const char *file;

static void forbid_openat(unsigned action)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { sizeof(f) / sizeof(f[0]), f };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p))
		die("seccomp");
}

static void by_process(void)
{
	forbid_openat(SECCOMP_RET_KILL_PROCESS);
	syscall(SYS_openat, AT_FDCWD, file, O_RDONLY);
}

static void *in_thread(void *unused)
{
	forbid_openat(SECCOMP_RET_KILL_THREAD);
	syscall(SYS_openat, AT_FDCWD, file, O_RDONLY);
	return unused;
}

static void by_thread(void)
{
	pthread_t t;

	if (!pthread_create(&t, NULL, in_thread, NULL))
		usleep(200000);
}

static void go_on(int sig)
{
}

static void by_trap(void)
{
	signal(SIGSYS, go_on);
	forbid_openat(SECCOMP_RET_TRAP);
	syscall(SYS_openat, AT_FDCWD, file, O_RDONLY);
	_exit(5);
}

static int begun[2];			/* says that the loop runs: under load a pause would not */

static void after_enosys(void)
{
	for (unsigned n = 0;; n++) {
		syscall(NO_SUCH_CALL, 1, 2, 3);
		if (n == 100 && write(begun[1], "", 1) != 1)
			die("write");
	}
}

int main(int argc, char **argv)
{
	static void (*const run[])(void) = { by_process, by_thread, after_enosys, by_trap };
	static const char *const names[] = { "process", "thread", "enosys", "trapped" };
	char path[256];

	if (argc != 2)
		usage("deaths FILE");
	if (pipe(begun) < 0)
		die("pipe");
	for (unsigned i = 0; i < 4; i++) {
		char byte;
		pid_t pid;

		snprintf(path, sizeof(path), "%s.%s", argv[1], names[i]);
		file = path;
		pid = fork();
		if (pid < 0)
			die("fork");
		if (!pid) {
			run[i]();
			_exit(0);
		}
		if (i == 2) {
			if (read(begun[0], &byte, 1) != 1)
				die("read");
			kill(pid, SIGKILL);
		}
		printf("%s %d %d\n", names[i], pid, work_wait(pid));
	}
	return 0;
}

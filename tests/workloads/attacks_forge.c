// SPDX-License-Identifier: Apache-2.0
/*
 * attacks_forge HOW DIR: calls that another process changes while they are made, or answers in the kernel's place.
 *
 *     number   a tracer makes getpid an unlink of DIR/gone, and an unlink of DIR/kept getpid, before the kernel looks
 *     fork     inside a fork it makes of it an unlink of DIR/forged, and of another one no call at all
 *     exec     the same inside two execs
 *     info     as number, by PTRACE_SET_SYSCALL_INFO (6.16); it also makes a mkdir that seccomp asks it about an unlink of DIR/asked, and says of a rmdir
 *              of DIR/kept that it succeeded when that has failed
 *     suspended  its tracer suspends a filter that would answer an unlink of DIR/gone itself, with success
 *     exit     the same inside two exits, of status 7 and 8
 *     emulate  it answers an unlink of DIR/kept itself, with success
 *     notify   who listens to its seccomp filter answers one
 * Says "tracee PID", "child PID" of each fork's, and "kept" if DIR/kept is still there. Ends with 77 where the kernel lacks what it needs.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "work.h"

#define SET_SYSCALL_INFO 0x4212
#define SUSPEND_SECCOMP (1 << 21)

static char gone[PATH_MAX], kept[PATH_MAX], forged[PATH_MAX], asked[PATH_MAX];
static const char *self;

static struct user_regs_struct registers(pid_t pid)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, pid, 0, &r))
		die("PTRACE_GETREGS");
	return r;
}

/* The next stop of anybody; 0: the tracee is gone. */
static pid_t next_stop(pid_t tracee, int *status)
{
	for (;;) {
		pid_t pid = waitpid(-1, status, __WALL);

		if (pid < 0)
			return 0;
		if (WIFSTOPPED(*status) && pid == tracee)
			return pid;
		if (WIFSTOPPED(*status))	/* its child's */
			ptrace(PTRACE_DETACH, pid, 0, 0);
	}
}

/* Runs `what` in a child that stops itself first. */
static pid_t traced(void (*what)(void), long options)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		what();
		_exit(0);
	}
	if (waitpid(pid, &status, __WALL) != pid || ptrace(PTRACE_SETOPTIONS, pid, 0, options | PTRACE_O_TRACESYSGOOD))
		exit(77);
	printf("tracee %d\n", pid);
	fflush(stdout);
	return pid;
}

static void becomes(pid_t pid, long nr, unsigned long argument)
{
	struct user_regs_struct r = registers(pid);

	r.orig_rax = (unsigned long)nr;
	r.rdi = argument;
	if (ptrace(PTRACE_SETREGS, pid, 0, &r))
		die("PTRACE_SETREGS");
}

/* ---- before the kernel looks ---- */

static void two_calls(void)
{
	syscall(SYS_getpid);
	syscall(SYS_unlink, kept);
}

static void forge_number(void)
{
	pid_t pid = traced(two_calls, 0);
	bool entry = true;
	int status;

	for (ptrace(PTRACE_SYSCALL, pid, 0, 0); next_stop(pid, &status); ptrace(PTRACE_SYSCALL, pid, 0, 0), entry = !entry) {
		long nr = (long)registers(pid).orig_rax;

		if (entry && nr == SYS_getpid)
			becomes(pid, SYS_unlink, (unsigned long)gone);
		else if (entry && nr == SYS_unlink)
			becomes(pid, SYS_getpid, 0);
	}
}

/* Answers `nr` with `action`, and lets all others through. */
static void filtered(long nr, unsigned action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(77);
}

static void four_calls(void)
{
	filtered(SYS_mkdir, SECCOMP_RET_TRACE);
	two_calls();
	syscall(SYS_mkdir, forged, 0700);
	if (syscall(SYS_rmdir, kept))
		_exit(1);
}

/* What the tracer makes of the call that is stopped; false: nothing. */
static bool another(struct __ptrace_syscall_info *i)
{
	if (i->op == PTRACE_SYSCALL_INFO_ENTRY && i->entry.nr == SYS_getpid) {
		i->entry.nr = SYS_unlink;
		i->entry.args[0] = (unsigned long)gone;
	} else if (i->op == PTRACE_SYSCALL_INFO_ENTRY && i->entry.nr == SYS_unlink) {
		i->entry.nr = SYS_getpid;
	} else if (i->op == PTRACE_SYSCALL_INFO_SECCOMP) {
		i->seccomp.nr = SYS_unlink;
		i->seccomp.args[0] = (unsigned long)asked;
	} else if (i->op == PTRACE_SYSCALL_INFO_EXIT && i->exit.rval == -ENOTDIR) {
		i->exit.rval = 0;
		i->exit.is_error = 0;
	} else {
		return false;
	}
	return true;
}

static void forge_info(void)
{
	pid_t pid = traced(four_calls, PTRACE_O_TRACESECCOMP);
	struct __ptrace_syscall_info i;
	int status;

	for (ptrace(PTRACE_SYSCALL, pid, 0, 0); next_stop(pid, &status); ptrace(PTRACE_SYSCALL, pid, 0, 0)) {
		memset(&i, 0, sizeof(i));
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(i), &i) > 0 && another(&i) && ptrace(SET_SYSCALL_INFO, pid, sizeof(i), &i)) {
			kill(pid, SIGKILL);
			exit(77);
		}
	}
	if (!access(gone, F_OK) || !access(asked, F_OK))
		die("not unlinked");
}

static void unlink_gone(void)
{
	filtered(SYS_unlink, SECCOMP_RET_ERRNO);
	if (syscall(SYS_unlink, gone))
		_exit(1);
}

static void forge_suspended(void)
{
	pid_t pid = traced(unlink_gone, SUSPEND_SECCOMP);
	int status;

	for (ptrace(PTRACE_CONT, pid, 0, 0); next_stop(pid, &status); ptrace(PTRACE_CONT, pid, 0, 0))
		;
	if (!access(gone, F_OK))
		die("not unlinked");
}

/* ---- inside a call ---- */

static void fork_twice(void)
{
	for (int i = 0; i < 2; i++) {
		pid_t pid = (pid_t)syscall(SYS_fork);

		if (!pid)
			_exit(0);
		while (waitpid(-1, NULL, __WALL) > 0)
			;
	}
}

static void exec_twice(void)
{
	execl(self, forged, "again", self, NULL);
}

static void exit_as(int status)
{
	syscall(SYS_exit_group, status);
}

static void exit_seven(void)
{
	exit_as(7);
}

static void exit_eight(void)
{
	exit_as(8);
}

/* At each event's stop the call becomes an unlink of DIR/forged, or none. */
static void at_events(void (*what)(void), long option, int event)
{
	pid_t pid = traced(what, option);
	unsigned long message, name;
	int status, n = 0;

	for (ptrace(PTRACE_CONT, pid, 0, 0); next_stop(pid, &status); ptrace(PTRACE_CONT, pid, 0, 0)) {
		if (status >> 8 != (SIGTRAP | event << 8))
			continue;
		if (event == PTRACE_EVENT_FORK && !ptrace(PTRACE_GETEVENTMSG, pid, 0, &message))
			printf("child %lu\n", message);
		name = (unsigned long)forged;
		if (event == PTRACE_EVENT_EXEC)		/* argv[0] of the new program */
			name = (unsigned long)ptrace(PTRACE_PEEKDATA, pid, registers(pid).rsp + 8, 0);
		if (what == exit_eight || n++)
			becomes(pid, -1, 0);
		else
			becomes(pid, SYS_unlink, name);
	}
}

static void forge_fork(void)
{
	at_events(fork_twice, PTRACE_O_TRACEFORK, PTRACE_EVENT_FORK);
}

static void forge_exec(void)
{
	at_events(exec_twice, PTRACE_O_TRACEEXEC, PTRACE_EVENT_EXEC);
}

static void forge_exit(void)
{
	at_events(exit_seven, PTRACE_O_TRACEEXIT, PTRACE_EVENT_EXIT);
	at_events(exit_eight, PTRACE_O_TRACEEXIT, PTRACE_EVENT_EXIT);
}

/* ---- answered by somebody else ---- */

static void unlink_kept(void)
{
	syscall(SYS_unlink, kept);
}

static void forge_emulate(void)
{
	pid_t pid = traced(unlink_kept, 0);
	struct user_regs_struct r;
	int status;

	for (ptrace(PTRACE_SYSEMU, pid, 0, 0); next_stop(pid, &status); ptrace(PTRACE_CONT, pid, 0, 0)) {
		r = registers(pid);
		r.rax = 0;
		ptrace(PTRACE_SETREGS, pid, 0, &r);
	}
}

static int listener = -1;

static void *asks(void *unused)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unlink, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	printf("tracee %d\n", (int)syscall(SYS_gettid));
	fflush(stdout);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	__atomic_store_n(&listener, (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog), __ATOMIC_SEQ_CST);
	syscall(SYS_unlink, kept);
	return NULL;
}

static void forge_notify(void)
{
	struct seccomp_notif_resp answer = { 0 };
	struct seccomp_notif asked = { 0 };
	pthread_t t;

	if (pthread_create(&t, NULL, asks, NULL))
		die("pthread_create");
	while (__atomic_load_n(&listener, __ATOMIC_SEQ_CST) < 0)
		usleep(1000);
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked))
		exit(77);
	answer.id = asked.id;
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	pthread_join(t, NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} ways[] = {
	{ "number", forge_number }, { "fork", forge_fork }, { "exec", forge_exec }, { "exit", forge_exit }, { "emulate", forge_emulate },
	{ "notify", forge_notify }, { "info", forge_info }, { "suspended", forge_suspended },
};

int main(int argc, char **argv)
{
	static const char *const made[] = { "gone", "kept", "asked" };

	if (argc == 3 && !strcmp(argv[1], "again"))
		return execl(argv[2], argv[0], "last", NULL);
	if (argc == 2 && !strcmp(argv[1], "last"))
		return 0;
	if (argc != 3 || chdir(argv[2]))
		usage("attacks_forge HOW DIR");
	self = argv[0];
	snprintf(gone, sizeof(gone), "%s/gone", argv[2]);
	snprintf(kept, sizeof(kept), "%s/kept", argv[2]);
	snprintf(forged, sizeof(forged), "%s/forged", argv[2]);
	snprintf(asked, sizeof(asked), "%s/asked", argv[2]);
	for (int i = 0; i < 3; i++)
		close(open(made[i], O_CREAT | O_WRONLY, 0600));
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(argv[1], ways[i].name)) {
			ways[i].run();
			printf("%s\n", access(kept, F_OK) ? "not kept" : "kept");
			return 0;
		}
	usage("attacks_forge: no such way");
}

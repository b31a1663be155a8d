// SPDX-License-Identifier: Apache-2.0
/*
 * pathraces RACE DIR COUNT: makes calls while another thread, or a tracer, changes what they are about.
 *
 *     dup     COUNT opens of DIR/real; a thread puts DIR/decoy in the place of each descriptor as soon as it is there
 *     close   the same, but the descriptor is closed and made again as DIR/decoy
 *     rename  COUNT opens of one file below folders that are renamed meanwhile; DIR/B3 never holds it
 *     mount   COUNT opens of a file in a mount that is moved between DIR/m1 and DIR/m2 meanwhile
 *     swap    COUNT truncates of names that a thread changes between two of the same length
 *     ptrace  a tracer exchanges the path of an open before the kernel sees it, and the result after
 *     execs   COUNT times four threads execute another program at the same moment; each that ran says "ran PID NUMBER"
 *     bomb    COUNT (a power of two, less one) processes, each of which starts two others and opens DIR/bomb
 * Prints "done N": calls made. Ends with 77 where the kernel lacks what the race needs.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include "work.h"

#define FD 50

static long count;
static atomic_int stop;
static int decoy, below_x;

static int decoy_again(void)
{
	return open("decoy", O_RDONLY);
}

static void *duper(void *arg)
{
	work_pin((long)arg);
	while (!stop)
		dup2(decoy, FD);
	return NULL;
}

static void *closer(void *arg)
{
	work_pin((long)arg);
	while (!stop) {
		close(FD);
		if (fcntl(decoy, F_DUPFD, FD) > FD)
			close(FD + 1);
	}
	return NULL;
}

static void *renamer(void *arg)
{
	static const char *const moves[][2] = { { "A/x", "B/x" }, { "B", "B2" }, { "B2/x", "A/x" }, { "B2", "B3" }, { "B3", "B" } };

	work_pin((long)arg);
	for (unsigned i = 0; !stop; i++)
		if (rename(moves[i % 5][0], moves[i % 5][1]))
			die("rename");
	return NULL;
}

static void *mover(void *arg)
{
	work_pin((long)arg);
	for (unsigned i = 0; !stop; i++) {
		const char *from = i % 2 ? "m2" : "m1", *to = i % 2 ? "m1" : "m2";

		if (i % 4 < 2 ? mount(from, to, NULL, MS_MOVE, NULL) : (int)syscall(SYS_move_mount, AT_FDCWD, from, AT_FDCWD, to, 0))
			die("move");
	}
	return NULL;
}

static char swapped[64];

static void swap_to(const char *name)
{
	for (volatile char *p = swapped; *name; name++)
		*p++ = *name;
}

static void *swapper(void *arg)
{
	work_pin((long)arg);
	while (!stop) {
		swap_to("real1");
		swap_to("decoy");
	}
	return NULL;
}

/* Calls once() COUNT times while a thread runs `other` on another CPU. */
static void against(void *(*other)(void *), void (*once)(void))
{
	pthread_t t;

	if (pthread_create(&t, NULL, other, (void *)1))
		die("pthread_create");
	work_pin(0);
	for (long i = 0; i < count; i++)
		once();
	stop = 1;
	pthread_join(t, NULL);
}

/* The same with another process, so that the descriptors are ours alone. */
static void against_process(void *(*other)(void *), void (*once)(void))
{
	pid_t pid = fork();

	if (!pid) {
		other((void *)1);
		_exit(0);
	}
	work_pin(0);
	for (long i = 0; i < count; i++)
		once();
	kill(pid, SIGKILL);
	work_wait(pid);
}

static void open_real(void)
{
	int fd = open("real", O_RDONLY | O_NOFOLLOW);

	if (fd >= 0 && fd != FD)
		close(fd);
	close(FD);
}

static void open_below(void)
{
	close(openat(below_x, "f", O_RDONLY));
}

static void truncate_swapped(void)
{
	(void)!truncate(swapped, 1);
}

/* All descriptors below FD are taken, so that an open gets FD. */
static void fill_descriptors(void)
{
	close(open("real", O_CREAT | O_WRONLY, 0600));
	close(open("decoy", O_CREAT | O_WRONLY, 0600));
	decoy = fcntl(decoy_again(), F_DUPFD, FD + 100);
	while (dup(0) < FD - 1)
		;
}

static void race_dup(void)
{
	fill_descriptors();
	against(duper, open_real);
}

static void race_close(void)
{
	fill_descriptors();
	against(closer, open_real);
}

static void race_rename(void)
{
	if (mkdir("A", 0755) || mkdir("B", 0755) || mkdir("A/x", 0755))
		die("mkdir");
	close(open("A/x/f", O_CREAT | O_WRONLY, 0600));
	below_x = open("A/x", O_PATH | O_DIRECTORY);
	against_process(renamer, open_below);
}

static void race_mount(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mkdir("m1", 0755) || mkdir("m2", 0755) ||
	    mount("none", "m1", "tmpfs", 0, NULL))
		exit(77);
	close(open("m1/f", O_CREAT | O_WRONLY, 0600));
	below_x = open("m1", O_PATH | O_DIRECTORY);
	against_process(mover, open_below);
}

static void race_swap(void)
{
	strcpy(swapped, "real1");
	against(swapper, truncate_swapped);
}

/* The child's open of DIR/real becomes one of DIR/decoy, and its result a lie. */
static void race_ptrace(void)
{
	static const char asked[] = "real", given[] = "decoy";
	struct user_regs_struct r;
	pid_t pid = fork();
	int status, stops = 0;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(syscall(SYS_openat, AT_FDCWD, asked, O_CREAT | O_WRONLY, 0600) == 1234 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	while (!ptrace(PTRACE_SYSCALL, pid, NULL, NULL) && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		ptrace(PTRACE_GETREGS, pid, NULL, &r);
		if (r.orig_rax != SYS_openat)
			continue;
		if (stops++ % 2)
			r.rax = 1234;
		else
			r.rsi = (unsigned long)given;
		ptrace(PTRACE_SETREGS, pid, NULL, &r);
	}
	count = WIFEXITED(status) && !WEXITSTATUS(status);
}

static pthread_barrier_t together;

static void *execer(void *arg)
{
	char number[16];
	char *argv[] = { "pathraces", "ran", number, NULL };

	snprintf(number, sizeof(number), "%ld", (long)arg);
	pthread_barrier_wait(&together);
	execv("/proc/self/exe", argv);
	return (void *)1;
}

static void race_execs(void)
{
	for (long i = 0; i < count; i++) {
		pid_t pid = i % 2 ? fork() : vfork();

		if (!pid && i % 2 == 0) {
			char *argv[] = { "pathraces", "ran", "vfork", NULL };

			execv("/proc/self/exe", argv);
			_exit(1);
		}
		if (!pid) {
			pthread_barrier_init(&together, NULL, 4);
			_exit((int)work_threads(4, execer));
		}
		if (work_wait(pid))
			die("a child");
	}
}

static void bomb(long n)
{
	close(open("bomb", O_RDONLY));
	for (int i = 0; i < 2 && n > 1; i++)
		if (!fork()) {
			bomb((n - 1) / 2);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
}

static void race_bomb(void)
{
	bomb(count);
}

static const struct {
	const char *name;
	void (*run)(void);
} races[] = {
	{ "dup", race_dup }, { "close", race_close }, { "rename", race_rename }, { "mount", race_mount },
	{ "swap", race_swap }, { "ptrace", race_ptrace }, { "execs", race_execs }, { "bomb", race_bomb },
};

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "ran"))
		return printf("ran %d %s\n", getpid(), argv[2]) < 0;
	if (argc != 4 || chdir(argv[2]))
		usage("pathraces RACE DIR COUNT");
	count = atol(argv[3]);
	for (unsigned i = 0; i < sizeof(races) / sizeof(races[0]); i++)
		if (!strcmp(argv[1], races[i].name)) {
			races[i].run();
			printf("done %ld\n", count);
			return 0;
		}
	usage("pathraces RACE DIR COUNT: no such race");
}

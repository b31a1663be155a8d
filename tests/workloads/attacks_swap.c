// SPDX-License-Identifier: Apache-2.0
/*
 * attacks_swap HOW VICTIM DIR COUNT: makes COUNT calls whose argument another process changes while the kernel copies it.
 *
 * The argument lies across two pages of memory that both processes share; its first part says "realpart" or "fakepart". HOW:
 *     fault  the second page is missing, and userfaultfd tells the other process when the kernel comes to it: that one
 *            changes the first page, which the kernel has copied, before it gives the second
 *     race   the other process exchanges the first part all the time
 * VICTIM: open, nofollow, missing, truncate, unlink, mkdir, rename, sqpoll (an open by a ring's kernel thread), connect, refused,
 * sendto, argv, noexec, program, empty (fchownat of a folder, or of a name in it), how (openat2's flags), xattr (its name), target (of a symlink), clone (clone3's flags). The truth is a letter a call, from what the kernel did: r (real), f (fake), e (it failed, or nobody can tell).
 * Ends with 77 where the kernel lacks what the attack needs.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "attacks.h"
#include "uring.h"

#define PAGE 4096
#define FLAGS (O_RDWR | O_CLOEXEC)	/* tells the attack's opens from others */
#define PORT 9				/* nobody listens there */
#define SPLIT 8				/* bytes of the first part: a word, which the kernel reads at once */

static char *area;			/* two pages, and one for this: */
static atomic_int *started;
static char second[PAGE] __attribute__((aligned(PAGE)));
static char real[SPLIT] = "realpart", fake[SPLIT] = "fakepart";
static long made;
static int folder;
static struct uring ring;

static char *bait(void)
{
	return area + PAGE - SPLIT;
}

/* Whole, in one store: what the kernel copies is one or the other. */
static void put_first(const char *from)
{
	uint64_t word;

	memcpy(&word, from, SPLIT);
	*(volatile uint64_t *)bait() = word;
}

/* ---- the other process ---- */

static void race(int unused)
{
	work_pin(1);
	*started = 1;
	for (;;) {
		put_first(real);
		put_first(fake);
	}
}

static void answer_faults(int faults)
{
	struct uffdio_copy copy = { .dst = (unsigned long)area + PAGE, .src = (unsigned long)second, .len = PAGE };
	struct uffd_msg msg;

	while (read(faults, &msg, sizeof(msg)) == sizeof(msg)) {
		put_first(fake);
		copy.copy = 0;
		ioctl(faults, UFFDIO_COPY, &copy);
	}
	_exit(1);
}

static int watch_faults(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = {
		.range = { (unsigned long)area + PAGE, PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &r)) {
		perror("userfaultfd");
		exit(77);
	}
	return fd;
}

static pid_t begin(void (*attack)(int), int fd)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		did("clone");
	if (!pid)
		attack(fd);
	return pid;
}

/* ---- victims: each makes its call and says what it was about ---- */

static void copy_of(const char *from, const char *name)
{
	int in = open(from, O_RDONLY), out = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0755);

	while (sendfile(out, in, NULL, 1 << 20) > 0)
		;
	close(in);
	close(out);
}

static char which(dev_t dev, ino_t ino)
{
	struct stat st;

	if (!stat("realpart-file", &st) && st.st_dev == dev && st.st_ino == ino)
		return 'r';
	if (!stat("fakepart-file", &st) && st.st_dev == dev && st.st_ino == ino)
		return 'f';
	return 'e';
}

static char opened(int fd)
{
	struct stat st;
	char c = 'e';

	if (fd >= 0 && !fstat(fd, &st))
		c = which(st.st_dev, st.st_ino);
	close(fd);
	return c;
}

static char do_open(void)
{
	did("openat");
	return opened((int)syscall(SYS_openat, AT_FDCWD, bait(), FLAGS, 0));
}

static char do_nofollow(void)
{
	did("openat");
	return opened((int)syscall(SYS_openat, AT_FDCWD, bait(), FLAGS | O_NOFOLLOW, 0));
}

static char do_sqpoll(void)
{
	struct io_uring_sqe e = { .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (unsigned long)bait(), .open_flags = FLAGS };

	did("uring_openat");
	uring_queue(&ring, &e);
	uring_submit(&ring, 0);
	return opened(uring_reap(&ring).res);
}

/* Which file has the new length tells whose name the kernel took. */
static char do_truncate(void)
{
	struct stat st;

	did("truncate");
	if (truncate(bait(), ++made))
		return 'e';
	return !stat("realpart-file", &st) && st.st_size == made ? 'r' : 'f';
}

/* Which of the two files is gone. */
static char do_unlink(void)
{
	struct stat st;
	char c;

	did("unlink");
	if (unlink(bait()))
		return 'e';
	c = stat("realpart-file", &st) ? 'r' : 'f';
	copy_of("/dev/null", c == 'r' ? "realpart-file" : "fakepart-file");
	return c;
}

/* The new directory is removed again by a name that nobody exchanges. */
static char do_mkdir(void)
{
	did("mkdir");
	if (mkdir(bait(), 0700))
		return 'e';
	if (!rmdir("realpart-none"))
		return 'r';
	return rmdir("fakepart-none") ? 'e' : 'f';
}

static char do_rename(void)
{
	char c;

	did("rename");
	if (rename(bait(), "renamed"))
		return 'e';
	c = access("realpart-file", F_OK) ? 'r' : 'f';
	if (rename("renamed", c == 'r' ? "realpart-file" : "fakepart-file"))
		die("rename");
	return c;
}

/* Who has the new group tells whether the kernel took a name or none. */
static char do_empty(void)
{
	struct stat st;

	did("fchownat");
	if (fchownat(folder, bait(), (uid_t)-1, (gid_t)++made, AT_EMPTY_PATH))
		return 'e';
	return !stat("realpart-file", &st) && st.st_gid == (gid_t)made ? 'r' : 'f';
}

static int sock(int type)
{
	int s = socket(AF_INET, type, 0);

	did("socket");
	if (s < 0)
		die("socket");
	return s;
}

static char do_connect(void)
{
	int s = sock(SOCK_DGRAM);
	struct sockaddr_in to = { 0 };
	socklen_t n = sizeof(to);
	char c = 'e';

	did("connect");
	if (!connect(s, (struct sockaddr *)bait(), sizeof(to)) && !getpeername(s, (struct sockaddr *)&to, &n))
		c = !memcmp(&to, real, SPLIT) ? 'r' : !memcmp(&to, fake, SPLIT) ? 'f' : 'e';
	close(s);
	return c;
}

static char do_refused(void)
{
	int s = sock(SOCK_STREAM);

	did("connect");
	connect(s, (struct sockaddr *)bait(), sizeof(struct sockaddr_in));
	close(s);
	return 'e';
}

static char do_sendto(void)
{
	int s = sock(SOCK_DGRAM);

	did("sendto");
	sendto(s, "x", 1, 0, (struct sockaddr *)bait(), sizeof(struct sockaddr_in));
	close(s);
	return 'e';
}

/* A child that shares this memory executes; the new program's exit status says what it was and was given. */
static char executed(const char *path, char *argument)
{
	char *argv[] = { "attacks_swap", "said", argument, NULL }, *none[] = { NULL };
	pid_t pid = vfork();
	int status;

	if (!pid) {
		execve(path, argv, none);
		_exit(1);
	}
	did("vfork");
	did("execve");
	did("exit_group");
	status = work_wait(pid);
	return status == 'r' || status == 'f' ? (char)status : 'e';
}

static char do_argv(void)
{
	return executed("/proc/self/exe", bait());
}

static char do_program(void)
{
	return executed(bait(), "");
}

static char do_noexec(void)
{
	char *argv[] = { "attacks_swap", "said", bait(), NULL }, *none[] = { NULL };

	did("execve");
	execve("garbage", argv, none);
	return 'e';
}

static char do_how(void)
{
	int fd;
	char c;

	did("openat2");
	fd = (int)syscall(SYS_openat2, AT_FDCWD, "realpart-file", bait(), sizeof(struct open_how));
	c = fd < 0 ? 'e' : (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR ? 'r' : 'f';
	close(fd);
	return c;
}

static char do_xattr(void)
{
	did("setxattr");
	if (setxattr("realpart-file", bait(), "v", 1, 0))
		return 'e';
	did("removexattr");
	if (!removexattr("realpart-file", "trusted.-file"))
		return 'r';
	did("removexattr");
	return removexattr("realpart-file", "user.abc-file") ? 'e' : 'f';
}

static char do_target(void)
{
	char to[64] = "";
	ssize_t n;

	did("symlink");
	if (symlink(bait(), "link"))
		return 'e';
	n = readlink("link", to, sizeof(to) - 1);
	unlink("link");
	return n > 0 && !strcmp(to, "realpart-file") ? 'r' : 'f';
}

/* The child says whether it has a namespace of its own. */
static char do_clone(void)
{
	char mine[64] = "", its[64] = "";
	pid_t pid;
	int status;

	if (readlink("/proc/self/ns/uts", mine, sizeof(mine) - 1) < 0)
		exit(77);
	did("clone3");
	pid = (pid_t)syscall(SYS_clone3, bait(), sizeof(struct clone_args));
	if (!pid)
		_exit(readlink("/proc/self/ns/uts", its, sizeof(its) - 1) > 0 && strcmp(mine, its) ? 'r' : 'f');
	if (pid < 0)
		return 'e';
	did("exit_group");
	status = work_wait(pid);
	return status == 'r' || status == 'f' ? (char)status : 'e';
}

static int said(const char *argument)
{
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (*argument)
		return !strcmp(argument, "realpart-file") ? 'r' : !strcmp(argument, "fakepart-file") ? 'f' : 1;
	exe[n < 0 ? 0 : n] = 0;
	return strstr(exe, "/realpart-file") ? 'r' : strstr(exe, "/fakepart-file") ? 'f' : 1;
}

/* ---- what they need ---- */

static void files(void)
{
	copy_of("/proc/self/exe", "realpart-file");
	copy_of("/proc/self/exe", "fakepart-file");
	copy_of("/dev/null", "garbage");
	strcpy(second, "-file");
}

static void file_or_folder(void)
{
	files();
	memset(fake, 0, SPLIT);
	folder = open(".", O_PATH | O_DIRECTORY);
}

static void no_file(void)
{
	strcpy(second, "-none");
}

static void ring_and_files(void)
{
	files();
	uring_setup(&ring, 4, 0, IORING_SETUP_SQPOLL);
}

static void addresses(void)
{
	struct sockaddr_in to[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		to[i].sin_family = AF_INET;
		to[i].sin_port = htons(PORT);
		to[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)i);
	}
	memcpy(real, &to[0], SPLIT);
	memcpy(fake, &to[1], SPLIT);
}

static void words(uint64_t first, uint64_t other)
{
	files();
	memcpy(real, &first, SPLIT);
	memcpy(fake, &other, SPLIT);
	memset(second, 0, sizeof(second));
}

static void hows(void)
{
	words(O_RDWR | O_CLOEXEC, O_RDONLY | O_CLOEXEC);
}

static void names(void)
{
	files();
	memcpy(real, "trusted.", SPLIT);
	memcpy(fake, "user.abc", SPLIT);
}

static void clones(void)
{
	uint64_t signal = SIGCHLD;

	words(0x04000000, 0);	/* CLONE_NEWUTS */
	memcpy(second + offsetof(struct clone_args, exit_signal) - SPLIT, &signal, sizeof(signal));
}

static const struct {
	const char *name;
	void (*prepare)(void);
	char (*once)(void);
} victims[] = {
	{ "open", files, do_open },		{ "nofollow", files, do_nofollow },	{ "missing", no_file, do_open },
	{ "truncate", files, do_truncate },	{ "unlink", files, do_unlink },		{ "mkdir", no_file, do_mkdir },
	{ "rename", files, do_rename },		{ "sqpoll", ring_and_files, do_sqpoll }, { "connect", addresses, do_connect },
	{ "refused", addresses, do_refused },	{ "sendto", addresses, do_sendto },	{ "argv", files, do_argv },
	{ "noexec", files, do_noexec },		{ "empty", file_or_folder, do_empty },		{ "program", files, do_program },
	{ "how", hows, do_how },		{ "xattr", names, do_xattr },		{ "target", files, do_target },
	{ "clone", clones, do_clone },
};

static void attack(bool faults, char (*once)(void), long count)
{
	pid_t pid;

	memcpy(area + PAGE, second, PAGE);
	put_first(real);
	pid = faults ? begin(answer_faults, watch_faults()) : begin(race, -1);
	work_pin(0);
	while (!faults && !*started)
		sched_yield();
	for (long i = 0; i < count; i++) {
		if (faults) {
			put_first(real);
			if (madvise(area + PAGE, PAGE, MADV_REMOVE))
				die("madvise");
		}
		truth(once());
	}
	kill(pid, SIGKILL);
	work_wait(pid);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "clone", "openat", "uring_openat", "truncate", "unlink", "mkdir", "rename", "socket", "connect", "sendto", "vfork", "execve",
					     "exit_group", "fchownat", "openat2", "setxattr", "removexattr", "symlink", "clone3", NULL };
	long count;

	if (argc == 3 && !strcmp(argv[1], "said"))
		return said(argv[2]);
	if (argc != 5 || chdir(argv[3]))
		usage("attacks_swap fault|race VICTIM DIR COUNT");
	count = atol(argv[4]);
	attacks_begin(names, count);
	area = shared_pages(3 * PAGE);
	started = (void *)(area + 2 * PAGE);
	for (unsigned i = 0; i < sizeof(victims) / sizeof(victims[0]); i++)
		if (!strcmp(argv[2], victims[i].name)) {
			victims[i].prepare();
			attack(!strcmp(argv[1], "fault"), victims[i].once, count);
			attacks_end();
			return 0;
		}
	usage("attacks_swap: no such victim");
}

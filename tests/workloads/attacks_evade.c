// SPDX-License-Identifier: Apache-2.0
/* attacks_evade HOW DIR COUNT: calls that would leave no record, or one that is not true.
 *   jump, exit, exec   a connect that a signal interrupts, whose handler (SA_RESTART) leaves it by longjmp, exit or exec; the kernel goes on
 *   peers      sends to addresses of which a digest may be equal, or that differ in length alone, or that failed once
 *   messages   a sendmmsg of which only the second message names a new address
 *   payload    a send whose address is a known one again when it ends: the kernel is held up at its bytes, by userfaultfd
 *   thread, process, stays    the descriptor of a waiting connect is exchanged by a thread, or a process with the same table, that ends before it; or
 *              by a thread that sleeps when it ends
 *   filled     fallocates of a memfd, during which a thread exchanges the descriptor
 *   idle       connects of a program with threads, none of which runs
 *   disarmed   an open is interrupted by a handler on a stack that the kernel forgets meanwhile (SS_AUTODISARM), above its own
 *   zero       a seccomp filter answers unlink with success, and mkdir with an error
 *   quiet      an exit whose arguments are chosen by the last call that looks unanswered
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "attacks.h"

static const char *how;
static sigjmp_buf away;
static struct sockaddr_in address, decoy_address;
static int victim, decoy;

static struct sockaddr_in at(const char *ip, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}

static int tcp(int flags)
{
	int fd = socket(AF_INET, SOCK_STREAM | flags, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static void reach(int fd, const struct sockaddr_in *a)
{
	did("connect");
	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) && errno != EINPROGRESS)
		die("connect");
}

/* A listening socket; with a full queue, so that who connects waits until somebody is accepted. */
static int listener(struct sockaddr_in *ret_a, int fill)
{
	socklen_t n = sizeof(*ret_a);
	int fd = tcp(0);

	*ret_a = at("127.0.0.1", 0);
	if (bind(fd, (struct sockaddr *)ret_a, n) || listen(fd, 0) || getsockname(fd, (struct sockaddr *)ret_a, &n))
		die("listen");
	for (int i = 0; i < fill; i++)
		reach(tcp(SOCK_NONBLOCK), ret_a);
	return fd;
}

/* Accepts who waits, for some milliseconds. */
static void accept_for(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, ms) == 1)
		close(accept(fd, NULL, NULL));
}

/* ---- connects that are left */

static void leave(int sig)
{
	char *args[] = { "true", "left", NULL };

	if (!strcmp(how, "jump"))
		siglongjmp(away, 1);
	if (!strcmp(how, "exec"))
		execv("/bin/true", args);
	_exit(0);
}

static void left(void)
{
	struct sigaction sa = { .sa_handler = leave, .sa_flags = SA_RESTART };
	struct pollfd p;

	sigaction(SIGALRM, &sa, NULL);
	victim = tcp(0);
	if (!sigsetjmp(away, 1)) {
		ualarm(200000, 0);
		reach(victim, &address);
		die("not interrupted");
	}
	p = (struct pollfd){ .fd = victim, .events = POLLOUT };
	if (poll(&p, 1, 20000) != 1 || write(victim, "x", 1) != 1)
		die("not connected in the end");
	_exit(0);
}

static void interrupted(void)
{
	int l = listener(&address, 2), status;
	pid_t pid = fork();

	if (!pid)
		left();
	did("exit_group");
	usleep(500000);
	while (!waitpid(pid, &status, WNOHANG))
		accept_for(l, 100);
	if (status)
		die("child");
	printf("left %d %d\n", pid, ntohs(address.sin_port));
}

/* ---- a handler on a stack of its own, which lies above that of the call */

static char fifo[4096];

static void on_own_stack(int sig)
{
	close(open("/dev/null", O_RDONLY));
}

static int interrupted_open(void *stack)
{
	stack_t alt = { .ss_sp = stack, .ss_size = 65536, .ss_flags = (int)(1u << 31) };	/* SS_AUTODISARM */
	struct sigaction sa = { .sa_handler = on_own_stack, .sa_flags = SA_RESTART | SA_ONSTACK };

	if (sigaltstack(&alt, NULL) || sigaction(SIGALRM, &sa, NULL))
		_exit(77);
	ualarm(200000, 0);
	return open(fifo, O_RDONLY) < 0;
}

static void disarmed(const char *dir)
{
	static char stacks[2][65536] __attribute__((aligned(16)));
	pid_t other, pid;
	int status;

	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	if (mkfifo(fifo, 0600))
		die("mkfifo");
	other = fork();
	if (!other) {
		usleep(500000);
		_exit(open(fifo, O_WRONLY) < 0);
	}
	pid = clone(interrupted_open, stacks[1], CLONE_VM | SIGCHLD, stacks[1]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status || waitpid(other, &status, 0) != other || status)
		die("children");
	printf("opened %d\n", pid);
}

/* ---- sends */

static void send_to(int fd, const void *a, size_t n, const char *name)
{
	did("sendto");
	if (sendto(fd, name, 1, 0, a, (socklen_t)n) < 0 && errno != ENOTSOCK)
		die("sendto");
}

static void peers(const char *dir)
{
	struct sockaddr_un u = { .sun_family = AF_UNIX }, *long_name = &u;
	struct sockaddr_in a = at("127.0.0.1", 9), b = at("127.0.0.129", 9);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), un = socket(AF_UNIX, SOCK_DGRAM, 0), s[2], file;
	uint64_t behind = 1ull << 63 | 1ull << 30;
	char path[4096];

	memcpy(&b.sin_zero, &behind, sizeof(behind));	/* the kernel does not look there */
	send_to(fd, &a, sizeof(a), "a");
	send_to(fd, &b, sizeof(b), "b");
	snprintf(u.sun_path + 1, sizeof(u.sun_path) - 1, "ht-evade-%d", getpid());
	for (int i = 0; i < 2; i++) {	/* an abstract name, and the same with a NUL behind it */
		s[i] = socket(AF_UNIX, SOCK_DGRAM, 0);
		if (bind(s[i], (struct sockaddr *)long_name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(u.sun_path + 1) + (size_t)i)))
			die("bind");
		send_to(un, &u, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(u.sun_path + 1) + (size_t)i, "u");
	}
	for (int i = 0; i < 2; i++) {	/* a relative name, and the same in another directory */
		snprintf(path, sizeof(path), "%s/%d", dir, i);
		if (mkdir(path, 0700) || chdir(path))
			die(path);
		strcpy(u.sun_path, "s");
		if (bind(socket(AF_UNIX, SOCK_DGRAM, 0), (struct sockaddr *)&u, sizeof(u)))
			die("bind");
		send_to(un, &u, sizeof(u), "u");
	}
	snprintf(path, sizeof(path), "%s/no-socket", dir);
	file = open(path, O_CREAT | O_RDWR, 0600);
	send_to(file, &a, sizeof(a), "f");
	send_to(file, &a, sizeof(a), "f");
	printf("sends 127.0.0.1 127.0.0.129 unix unix unix unix 127.0.0.1 127.0.0.1\n");
}

static void messages(void)
{
	struct sockaddr_in a = at("127.0.0.1", 9), b = at("127.0.0.2", 9);
	struct iovec v = { "x", 1 };
	struct mmsghdr m[2] = { { .msg_hdr = { &a, sizeof(a), &v, 1, NULL, 0, 0 } }, { .msg_hdr = { &b, sizeof(b), &v, 1, NULL, 0, 0 } } };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	send_to(fd, &a, sizeof(a), "a");
	did("sendmmsg");
	if (sendmmsg(fd, m, 2, 0) != 2)
		die("sendmmsg");
}

static int uffd;
static char *page;

static void *held_up(void *arg)
{
	static char bytes[4096] = "x";
	struct uffdio_copy c = { .dst = (uintptr_t)page, .src = (uintptr_t)bytes, .len = sizeof(bytes) };
	struct uffd_msg m;

	if (read(uffd, &m, sizeof(m)) != sizeof(m))
		die("userfaultfd");
	address = at("127.0.0.1", 9);
	if (ioctl(uffd, UFFDIO_COPY, &c))
		die("UFFDIO_COPY");
	return NULL;
}

static void payload(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = { .range = { .len = 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	pthread_t t;

	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0)
		exit(77);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r.range.start = (uintptr_t)page;
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &r) || pthread_create(&t, NULL, held_up, NULL))
		die("userfaultfd");
	address = at("127.0.0.1", 9);
	send_to(fd, &address, sizeof(address), "k");
	address = at("127.0.0.2", 9);
	send_to(fd, &address, sizeof(address), page);
	pthread_join(t, NULL);
}

/* ---- descriptors */

static int exchange(void *arg)
{
	usleep(200000);
	dup2(decoy, victim);
	address = decoy_address;
	return 0;
}

static void *exchange_thread(void *arg)
{
	exchange(NULL);
	if (arg)
		pause();
	return NULL;
}

static void *asleep(void *arg)
{
	pause();
	return NULL;
}

static void idle(void)
{
	int l = listener(&address, 0);
	pthread_t t;

	for (int i = 0; i < 3; i++)
		if (pthread_create(&t, NULL, asleep, NULL))
			die("pthread_create");
	usleep(100000);
	for (int i = 0; i < 3; i++) {
		reach(tcp(0), &address);
		close(accept(l, NULL, NULL));
	}
}

static void exchanged(bool process, bool stays)
{
	int l = listener(&address, 2), decoys = listener(&decoy_address, 0), real = ntohs(address.sin_port);
	static char stack[65536] __attribute__((aligned(16)));
	pthread_t t;
	pid_t later;

	decoy = tcp(0);
	reach(decoy, &decoy_address);
	victim = tcp(0);
	later = fork();
	if (!later) {
		usleep(600000);
		for (;;)
			accept_for(l, 1000);
	}
	if (process ? clone(exchange, stack + sizeof(stack), CLONE_VM | CLONE_FILES | SIGCHLD, NULL) < 0 : pthread_create(&t, NULL, exchange_thread, stays ? &t : NULL))
		die("clone");
	reach(victim, &address);
	if (!process && !stays)
		pthread_join(t, NULL);
	kill(later, SIGKILL);
	while (wait(NULL) > 0)
		;
	close(decoys);
	printf("victim %d\nreal %d decoy %d\n", victim, real, ntohs(decoy_address.sin_port));
}

static int real_file;

static void fill(int fd, off_t n)
{
	did("fallocate");
	if (fallocate(fd, 0, 0, n))
		die("fallocate");
}

/* As soon as the kernel is about it. */
static void *exchange_filled(void *arg)
{
	struct stat st;

	do
		if (fstat(real_file, &st))
			die("fstat");
	while (!st.st_blocks);
	dup2(decoy, victim);
	return NULL;
}

static void filled(void)
{
	pthread_t t;

	real_file = memfd_create("real", 0);
	decoy = memfd_create("decoy", 0);
	for (int i = 0; i < 4; i++) {
		if (ftruncate(real_file, 0))
			die("ftruncate");
		victim = dup(real_file);
		if (i && pthread_create(&t, NULL, exchange_filled, NULL))
			die("pthread_create");
		fill(victim, i ? 32 << 20 : 4096);
		if (i)
			pthread_join(t, NULL);
	}
}

/* ---- calls that were never made, exits that would be silent */

#define ANSWER(nr, e) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (e))

static void zero(const char *dir)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ANSWER(SYS_unlink, 0), ANSWER(SYS_mkdir, EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_filter before[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog harmless = { 1, before }, prog = { sizeof(code) / sizeof(code[0]), code };
	char path[4096];

	snprintf(path, sizeof(path), "%s/kept", dir);
	close(open(path, O_CREAT | O_RDWR, 0600));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &harmless))
		exit(77);
	if (syscall(SYS_rmdir, path) != -1 || syscall(SYS_chmod, path, 0600))
		die("calls that are made");
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		exit(77);
	if (syscall(SYS_mkdir, path, 0700) != -1 || syscall(SYS_unlink, path) || access(path, F_OK))
		die("answered");
	printf("kept\n");
}

/* The same instruction, the same stack: what a digest of both calls is made of stands in the arguments, which are free to be chosen. */
static __attribute__((noinline)) long made(const long *w, uint64_t *ret_ip, uint64_t *ret_sp)
{
	long r;

	__asm__ volatile("mov %%rsp, (%[sp])\n lea 1f(%%rip), %%rcx\n mov %%rcx, (%[ip])\n syscall\n1:"
			 : "=a"(r) : "a"(w[0]), "D"(w[1]), "S"(w[2]), "d"(w[3]), [sp] "r"(ret_sp), [ip] "r"(ret_ip) : "rcx", "r11", "memory");
	return r;
}

static uint64_t stirred(const uint64_t *w, int n)
{
	uint64_t h = 0x9e3779b97f4a7c15ull;

	for (int i = 0; i < n; i++) {
		h = (h ^ w[i]) * 0xff51afd7ed558ccdull;
		h ^= h >> 33;
	}
	return h;
}

static void quiet(void)
{
	static long calls[2][4] = { { SYS_open, 0, O_RDONLY, 0 }, { SYS_exit_group, 7, 0, 0 } };
	uint64_t ip = 0, sp = 0, h;
	int status;
	pid_t pid = fork();

	if (!pid) {
		calls[0][1] = (long)"/dev/null";
		close(2);	/* so that open answers with its own number */
		for (int i = 0; i < 2; i++) {
			if (i) {
				h = stirred((uint64_t[]){ ip, sp, SYS_open, (uint64_t)calls[0][1], 0, 0 }, 6);
				h = (h ^ h >> 33) * 0x4f74430c22a54005ull;
				calls[1][3] = (long)(h ^ stirred((uint64_t[]){ ip, sp, SYS_exit_group, 7, 0 }, 5));
			}
			made(calls[i], &ip, &sp);
		}
	}
	did("exit_group");
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
		die("child");
	printf("quiet %d\n", pid);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "connect", "sendto", "sendmmsg", "fallocate", "exit_group", NULL };

	if (argc != 4)
		usage("attacks_evade jump|exit|exec|peers|messages|payload|thread|process|stays|filled|idle|disarmed|zero|quiet DIR COUNT");
	how = argv[1];
	setvbuf(stdout, NULL, _IONBF, 0);
	attacks_begin(names, 0);
	if (!strcmp(how, "peers"))
		peers(argv[2]);
	else if (!strcmp(how, "messages"))
		messages();
	else if (!strcmp(how, "payload"))
		payload();
	else if (!strcmp(how, "thread") || !strcmp(how, "process") || !strcmp(how, "stays"))
		exchanged(how[0] == 'p', how[0] == 's');
	else if (!strcmp(how, "filled"))
		filled();
	else if (!strcmp(how, "idle"))
		idle();
	else if (!strcmp(how, "disarmed"))
		disarmed(argv[2]);
	else if (!strcmp(how, "zero"))
		zero(argv[2]);
	else if (!strcmp(how, "quiet"))
		quiet();
	else
		interrupted();
	attacks_end();
	return 0;
}

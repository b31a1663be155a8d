// SPDX-License-Identifier: Apache-2.0
// ht-test: san-long first
/* What the probes tell of one call: path, identity, arguments; and that they count what they lose. */
#include <signal.h>
#include <arpa/inet.h>
#include <grp.h>
#include <linux/unistd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "tests/unit/probes_lab.h"
#include "tests/workloads/uring.h"

static void open_one(void *dir)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/a/b", (char *)dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/./a//b/../file", (char *)dir);
	if (chdir(dir) || mkdir("a", 0700) || mkdir("a/b", 0755))
		_exit(1);
	if (open(path, O_CREAT | O_WRONLY, 0640) < 0)
		_exit(2);
}

static void paths_are_the_kernels(void)
{
	_cleanup_lab_ struct lab l = {};
	const struct ht_call *c;
	struct ht_walk w = {};
	struct stat st;
	char want[128];

	if (!lab_open(&l))
		return;
	ok_int(lab_run(&l, 0, open_one, l.dir), 0);
	c = lab_call(&l, "openat", 0);
	must(c);
	snprintf(want, sizeof(want), "%s/a/file", l.dir);
	ok_str(lab_path(c, HT_ARG_RET, HT_WALK_RET, &w), want);
	snprintf(want, sizeof(want), "%s/./a//b/../file", l.dir);
	ok_str(lab_string(c, HT_FIELD_STR, 1), want);
	ok_int(w.flags, 0);
	ok_int(w.mode, S_IFREG | 0640);
	snprintf(want, sizeof(want), "%s/a/file", l.dir);
	ok_int(stat(want, &st), 0);
	ok_int(w.ino, st.st_ino);
	c = lab_call(&l, "mkdir", 2);
	must(c);
	ok_str(lab_path(c, 0, HT_WALK_BASE, NULL), l.dir);
	ok_str(lab_string(c, HT_FIELD_STR, 0), "a/b");
	ok(!lab_string(c, HT_FIELD_STR_ENTER, 0));
	ok_int(c->h.flags, 0);
}

static void become_other(void *file)
{
	gid_t groups[] = { 7, 8, 9 };

	close(open(file, O_RDONLY));
	if (setgroups(3, groups) || setresgid(1001, 1002, 1003) || setresuid(2001, 2002, 0))
		_exit(1);
	close(open(file, O_RDONLY));
	close(open(file, O_RDONLY));
}

static void identity_follows_credentials(void)
{
	_cleanup_lab_ struct lab l = {};
	const struct ht_call *a, *b, *c;
	const struct ht_ident *d;
	struct ht_exe exe;

	if (!lab_open(&l))
		return;
	ok_int(lab_run(&l, 0, become_other, "/etc/passwd"), 0);
	a = lab_call(&l, "openat", 0);
	b = lab_call(&l, "openat", 1);
	c = lab_call(&l, "openat", 2);
	must(a && b && c);
	ok(a->h.gen != b->h.gen);
	ok_int(b->h.gen, c->h.gen);
	ok_int(b->task_calls + 1, c->task_calls);
	d = lab_ident(&l, a);
	must(d);
	ok_int(d->euid, 0);
	ok_int(d->ppid, getpid());
	ok_int(d->tgid_ns, d->h.tgid);
	d = lab_ident(&l, b);
	must(d);
	ok_int(d->uid, 2001);
	ok_int(d->euid, 2002);
	ok_int(d->suid, 0);
	ok_int(d->fsuid, 2002);
	ok_int(d->gid, 1001);
	ok_int(d->sgid, 1003);
	ok_int(d->ngroups, 3);
	ok_int(d->groups[2], 9);
	ok_int(d->cap_effective, 0);
	ok(d->cap_permitted);
	int self = open("/proc/self/exe", O_RDONLY);
	ok_int(probes_exe_of_fd(l.probes, self, &exe), 0);
	close(self);
	ok(!memcmp(&exe, &d->exe, sizeof(exe)));
	ok_int(probes_exe_of_fd(l.probes, 987, &exe), -EBADF);
}

static void many_opens(void *n)
{
	for (long i = 0; i < (long)n; i++)
		close((int)syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY));
}

static void distinct_opens(void *n)
{
	char name[64];

	for (long i = 0; i < (long)n; i++) {
		snprintf(name, sizeof(name), "/etc/no-%ld", i);
		syscall(SYS_openat, AT_FDCWD, name, O_RDONLY);
	}
}

static struct probes_config small_rings = { .ring_bytes = { 4096, 65536, 4096, 4096 } };

static void losses_are_counted(void)
{
	_cleanup_lab_ struct lab l = {};
	uint64_t seq, in, lost;

	if (!lab_open_with(&l, &small_rings))
		return;
	ok_int(lab_run(&l, 0, distinct_opens, (void *)2000), 0);
	lab_counts(&l, HT_CLASS_DATA, &seq, &in, &lost);
	ok_int(seq + rings_merged(l.rings, HT_CLASS_DATA), 2000);
	ok(lost > 1500);	/* but those that found a place among the merged ones */
	ok_int(seq, in + lost);
	ok_int(in, lab_count(&l, "openat"));
	lab_counts(&l, HT_CLASS_PROCESS, &seq, &in, &lost);
	ok_int(seq, in);
}

static void repeats_are_merged(void)
{
	_cleanup_lab_ struct lab l = {};
	uint64_t seq, in, lost, merged, count;

	if (!lab_open_with(&l, &small_rings))
		return;
	ok_int(lab_run(&l, 0, many_opens, (void *)1000), 0);
	lab_counts(&l, HT_CLASS_DATA, &seq, &in, &lost);
	merged = rings_merged(l.rings, HT_CLASS_DATA);
	ok_int(seq + merged, 1000);
	ok(merged > 900);
	ok_int(seq, in + lost);
	ok_int(rings_merged_waiting(l.rings), merged);
	count = seq;
	ok_int(probes_flush(l.probes, 0), merged);		/* none has waited since before that */
	ok_int(probes_flush(l.probes, UINT64_MAX), 0);
	lab_counts(&l, HT_CLASS_DATA, &seq, &in, &lost);
	ok(seq > count && seq <= count + 4);	/* a number for each CPU that it ran on */
	ok_int(seq, in + lost);
}

static void *thread_opens(void *n)
{
	many_opens(n);
	return NULL;
}

static void threads_open(void *n)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, thread_opens, n);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

static void numbers_have_no_holes(void)
{
	_cleanup_lab_ struct lab l = {};
	struct probes_config fresh = {};	/* numbers that begin with 0 */
	uint64_t seq, in, lost, next[256] = {};

	if (!lab_open_with(&l, &fresh))
		return;
	ok_int(lab_run(&l, 0, threads_open, (void *)2000), 0);
	lab_counts(&l, HT_CLASS_DATA, &seq, &in, &lost);
	ok_int(seq, 8000);
	ok_int(lost, 0);
	for (unsigned i = 0; i < l.n; i++) {
		const struct ht_call *c = (const struct ht_call *)l.ev[i];

		if (c->h.kind != HT_EV_CALL || c->h.class != HT_CLASS_DATA)
			continue;
		ok_int(c->h.seq, next[c->h.cpu & 255]);
		next[c->h.cpu & 255]++;
		ok(lab_ident(&l, c));
		ok(c->h.flags & HT_EV_F_SHARED_FILES || c->ret < 0);
		if (tap_failed)
			return;
	}
}

static void entries_across_the_end_are_whole(void)
{
	struct probes_config c = { .ring_bytes = { [HT_CLASS_DATA] = 16384 } };
	_cleanup_lab_ struct lab l = {};
	const struct ht_call *k;
	uint64_t seq, in, lost;

	if (!lab_open_with(&l, &c))
		return;
	for (int i = 0; i < 40; i++)
		ok_int(lab_run(&l, 0, many_opens, (void *)30), 0);
	lab_counts(&l, HT_CLASS_DATA, &seq, &in, &lost);
	ok_int(seq, 1200);
	ok_int(lost, 0);
	ok_int(lab_count(&l, "openat"), 1200);
	for (unsigned i = 0; (k = lab_call(&l, "openat", i)); i++) {
		ok_str(lab_path(k, HT_ARG_RET, HT_WALK_RET, NULL), "/etc/passwd");
		ok_str(lab_string(k, HT_FIELD_STR, 1), "/etc/passwd");
	}
}

static void odd_files(void *dir)
{
	int p[2], m = (int)syscall(SYS_memfd_create, "secret", 0);
	char path[128];
	int fd;

	if (pipe2(p, 0) || m < 0 || chdir(dir))
		_exit(1);
	fd = open("gone", O_CREAT | O_RDWR, 0600);
	unlink("gone");
	if (fchmod(fd, 0644) || fchmod(m, 0600) || fchmod(p[0], 0600))
		_exit(2);
	mkdir("jail", 0755);
	mkdir("jail/in", 0755);
	snprintf(path, sizeof(path), "%s/jail", (char *)dir);
	if (chroot(path) || chdir("/in"))
		_exit(3);
	open("/in/x", O_CREAT | O_WRONLY, 0600);
	mkdir("/in/y", 0700);
	fchmod(1013, 0);
}

static void pseudo_deleted_chroot(void)
{
	_cleanup_lab_ struct lab l = {};
	struct ht_walk w = {};
	char want[128];

	if (!lab_open(&l))
		return;
	ok_int(lab_run(&l, 0, odd_files, l.dir), 0);
	must(lab_count(&l, "fchmod") == 4);
	snprintf(want, sizeof(want), "%s/gone", l.dir);
	ok_str(lab_path(lab_call(&l, "fchmod", 0), 0, HT_WALK_FD, &w), want);
	ok_int(w.flags, HT_WALK_F_DELETED);
	ok_str(lab_path(lab_call(&l, "fchmod", 1), 0, HT_WALK_FD, &w), "/memfd:secret");
	ok(w.flags & HT_WALK_F_PSEUDO);
	lab_path(lab_call(&l, "fchmod", 2), 0, HT_WALK_FD, &w);
	ok(w.flags & HT_WALK_F_PSEUDO);
	ok_int(w.s_magic, 0x50495045);
	lab_path(lab_call(&l, "fchmod", 3), 0, HT_WALK_FD, &w);
	ok_int(w.flags, HT_WALK_F_NO_FILE);
	snprintf(want, sizeof(want), "%s/jail/in/x", l.dir);
	must(lab_call(&l, "openat", 1));
	ok_str(lab_path(lab_call(&l, "openat", 1), HT_ARG_RET, HT_WALK_RET, &w), want);
	ok_int(w.flags, HT_WALK_F_IN_ROOT);
	ok_int(w.root_at, 2);
	snprintf(want, sizeof(want), "%s/jail", l.dir);
	ok_str(lab_path(lab_call(&l, "mkdir", 2), 0, HT_WALK_ROOT, &w), want);
}

static void deep(void *dir)
{
	char name[201];

	memset(name, 'x', 200);
	name[200] = 0;
	if (chdir(dir))
		_exit(1);
	for (int i = 0; i < 30; i++)
		if (mkdir(name, 0700) || chdir(name))
			_exit(2);
	open("leaf", O_CREAT | O_WRONLY, 0600);
}

static void long_paths_say_that_they_are_cut(void)
{
	_cleanup_lab_ struct lab l = {};
	const struct ht_call *c;
	struct ht_walk w = {};
	unsigned whole = 0, cut = 0;

	if (!lab_open(&l))
		return;
	ok_int(lab_run(&l, 0, deep, l.dir), 0);
	for (unsigned i = 0; (c = lab_call(&l, "mkdir", i)); i++) {
		size_t n = strlen(lab_path(c, 0, HT_WALK_BASE, &w));

		if (!(w.flags & HT_WALK_F_TRUNCATED))
			ok_int(n, strlen(l.dir) + i * 201);
		whole += !(w.flags & HT_WALK_F_TRUNCATED);
		cut += !!(w.flags & HT_WALK_F_TRUNCATED);
	}
	ok(whole >= 4096 / 201);
	ok_int(whole + cut, 30);
	c = lab_call(&l, "openat", 0);
	must(c);
	ok(!strncmp(lab_path(c, HT_ARG_RET, HT_WALK_RET, &w), "/", 1));
}

static void send_to_peers(void *unused)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct iovec v = { "x", 1 };
	struct msghdr m = { .msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = &v, .msg_iovlen = 1 };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	for (int i = 0; i < 5; i++)
		sendto(s, "x", 1, 0, (void *)&a, sizeof(a));
	a.sin_port = htons(10);
	sendto(s, "x", 1, 0, (void *)&a, sizeof(a));
	sendmsg(s, &m, 0);
	a.sin_port = htons(11);
	sendmsg(s, &m, 0);
	connect(s, (void *)&a, sizeof(a));
	send(s, "x", 1, 0);
}

static void only_new_peers_are_recorded(void)
{
	_cleanup_lab_ struct lab l = {};
	const struct ht_call *c;
	const struct sockaddr_in *a;
	const struct ht_sock *s;
	struct ht_field f;

	if (!lab_open(&l))
		return;
	ok_int(lab_run(&l, 0, send_to_peers, NULL), 0);
	ok_int(lab_count(&l, "sendto"), 2);
	ok_int(lab_count(&l, "sendmsg"), 1);
	c = lab_call(&l, "sendmsg", 0);
	must(c);
	a = (const struct sockaddr_in *)lab_field(c, HT_FIELD_SOCKADDR, 1, 0, &f);
	must(a);
	ok_int(ntohs(a->sin_port), 11);
	c = lab_call(&l, "connect", 0);
	must(c);
	s = (const struct ht_sock *)lab_field(c, HT_FIELD_SOCK, 0, 0, &f);
	must(s);
	ok_int(s->family, AF_INET);
	ok_int(s->type, SOCK_DGRAM);
	ok_int(s->dport, 11);
	ok_int(s->daddr[0], 127);
}

static void own_and_other(void *dir)
{
	int d = open(dir, O_RDONLY | O_DIRECTORY), e = open("/tmp", O_RDONLY | O_DIRECTORY);

	close(openat(d, "mine", O_CREAT | O_WRONLY, 0600));
	close(openat(d, "missing", O_RDONLY));
	mkdirat(d, "sub", 0700);
	unlinkat(d, "mine", 0);
	close(openat(e, "no-such-file", O_RDONLY));
	close(openat(d, "/etc/passwd", O_RDONLY));
	close(openat(d, "../../etc/passwd", O_RDONLY));
}

static void own_files_are_not_recorded(void)
{
	_cleanup_lab_ struct lab l = {};
	char dir[] = "/tmp/ht-own-XXXXXX";
	const char *own[] = { mkdtemp(dir), NULL };
	struct probes_config c = { .own_dirs = own };

	if (!lab_open_with(&l, &c))
		return;
	ok_int(lab_run(&l, HT_TASK_SELF, own_and_other, dir), 0);
	ok_int(lab_count(&l, "mkdirat") + lab_count(&l, "unlinkat"), 0);
	ok_int(lab_count(&l, "openat"), 4);	/* /tmp, no-such-file, and /etc/passwd however it was named */
	if (system("rm -rf /tmp/ht-own-??????"))
		ok(0);
}

static void open_and_make(void *dir)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/made", (char *)dir);
	mkdir(name, 0700);
	close(open(name, O_RDONLY));
}

static void reads_and_makes(void *dir)
{
	char name[256], to[16];
	int fd = open("/etc/passwd", O_RDONLY);
	struct io_uring_sqe e = { .opcode = IORING_OP_READ, .fd = fd, .addr = (unsigned long)to, .len = 5 };
	struct uring u;

	if (read(fd, to, sizeof(to)) != sizeof(to))
		_exit(1);
	snprintf(name, sizeof(name), "%s/wide", (char *)dir);
	mkdir(name, 0700);
	uring_setup(&u, 4, 0, 0);
	uring_queue(&u, &e);
	uring_submit(&u, 1);
	uring_reap(&u);
}

static void only_chosen_calls_are_captured(void)
{
	_cleanup_lab_ struct lab l = {};
	struct probes_calls calls = {};
	struct probes_config c = { .calls = &calls };
	unsigned mkdir_row = calls_lookup("mkdir");

	calls.captured[mkdir_row / 64] |= 1ull << mkdir_row % 64;
	if (!lab_open_with(&l, &c))
		return;
	lab_run(&l, 0, open_and_make, l.dir);
	for (unsigned i = 0; i < l.n; i++)
		if (l.ev[i]->kind == HT_EV_CALL)
			ok_int(((const struct ht_call *)l.ev[i])->call, mkdir_row);
	ok(lab_call(&l, "mkdir", 0));
}

/* New calls, and those before: also of what TLS capture looks at anyway. */
static void widened_calls_are_captured(void)
{
	_cleanup_lab_ struct lab l = {};
	struct probes_calls before = {}, now = {};
	struct probes_config c = { .calls = &before, .tls = true };

	probes_calls_add(before.captured, calls_lookup("read"));
	probes_calls_add(before.captured, calls_lookup("pread64"));
	probes_calls_add(now.captured, calls_lookup("mkdir"));
	if (!lab_open_with(&l, &c))
		return;
	ok_int(probes_capture(l.probes, &now, true), 0);
	lab_run(&l, 0, reads_and_makes, l.dir);
	ok(lab_call(&l, "read", 0));
	ok(lab_call(&l, "mkdir", 0));
	ok(lab_call(&l, "pread64", 0));
	lab_forget(&l);
	ok_int(probes_capture(l.probes, &now, false), 0);
	lab_run(&l, 0, reads_and_makes, l.dir);
	ok(!lab_call(&l, "read", 0));
}

static void ring_reads(void *dir)
{
	static char to[16];
	struct uring u;
	int fd = open("/etc/passwd", O_RDONLY);
	struct io_uring_sqe e = { .opcode = IORING_OP_READ, .fd = fd, .addr = (unsigned long)to, .len = 5, .off = 3, .user_data = 1 };

	uring_setup(&u, 4, 0, 0);
	uring_queue(&u, &e);
	e = (struct io_uring_sqe){ .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (unsigned long)"/etc/passwd", .user_data = 2 };
	uring_queue(&u, &e);
	e = (struct io_uring_sqe){ .opcode = IORING_OP_SHUTDOWN, .fd = fd, .len = 2, .user_data = 3 };
	uring_queue(&u, &e);
	uring_submit(&u, 3);
	for (int i = 0; i < 3; i++)
		uring_reap(&u);
}

/* High-rate operations are recorded like their calls: when they are chosen, and then with their arguments. */
static void chosen_operations_of_a_ring(void)
{
	_cleanup_lab_ struct lab l = {};
	struct probes_calls calls = {};
	struct probes_config c = { .calls = &calls };
	const struct ht_call *r;
	int status;

	for (unsigned i = 0; i < 2; i++) {
		unsigned row = calls_lookup(i ? "shutdown" : "pread64");

		calls.captured[row / 64] |= 1ull << row % 64;
	}
	if (!lab_open_with(&l, &c))
		return;
	status = lab_run(&l, 0, ring_reads, l.dir);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		skip("no io_uring");
	}
	ok(!lab_call(&l, "openat", 0));
	r = lab_call(&l, "pread64", 0);
	must(r);
	ok_int(r->ret, 5);
	ok_int(r->args[2], 5);
	ok_int(r->args[3], 3);
	ok(r->h.flags & HT_EV_F_URING);
	r = lab_call(&l, "shutdown", 0);
	must(r);
	ok_int(r->ret, -ENOTSOCK);
	ok_int(r->args[1], 2);
}

static void old_abi(void *unused)
{
	static char path[] = "/etc/passwd";
	char *low = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	long r;

	signal(SIGSEGV, SIG_DFL);	/* a sanitizer's handler would turn the kernel's answer into an exit */
	memcpy(low, path, sizeof(path));
	asm volatile("int $0x80" : "=a"(r) : "a"(5), "b"(low), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
	if (r < 0)
		_exit(1);
	syscall(5000);
}

static void int80_is_another_abi(void)
{
#ifdef __x86_64__
	_cleanup_lab_ struct lab l = {};
	const struct ht_call *c;
	int status;

	if (!lab_open(&l))
		return;
	status = lab_run(&l, 0, old_abi, NULL);
	if (WIFSIGNALED(status))
		skip("this kernel has no 32-bit calls");
	c = lab_call(&l, "open", 0);
	must(c);
	ok_int(c->h.abi, HT_ABI_COMPAT);
	ok_int(c->nr, 5);
	ok_str(lab_string(c, HT_FIELD_STR, 0), "/etc/passwd");
	ok_str(lab_path(c, HT_ARG_RET, HT_WALK_RET, NULL), "/etc/passwd");
	ok_int(lab_count(&l, "unknown_syscall"), 1);
#else
	skip("not x86-64");
#endif
}

static char shared_path[128];

static void *truncate_shared(void *unused)
{
	syscall(SYS_truncate, shared_path, 0);
	return NULL;
}

/* truncate() waits for the holder of a lease, after it has looked the path up: time to change the path under it. */
static void change_the_argument(void *dir)
{
	pthread_t t;
	int fd;

	signal(SIGIO, SIG_IGN);
	snprintf(shared_path, sizeof(shared_path), "%s/file", (char *)dir);
	close(open(shared_path, O_CREAT | O_WRONLY, 0600));
	syscall(SYS_truncate, shared_path, 0);
	fd = open(shared_path, O_RDONLY);
	if (fd < 0 || fcntl(fd, F_SETLEASE, F_RDLCK))
		_exit(1);
	pthread_create(&t, NULL, truncate_shared, NULL);
	usleep(300000);
	strcpy(strrchr(shared_path, '/'), "/else-where");
	fcntl(fd, F_SETLEASE, F_UNLCK);
	pthread_join(t, NULL);
}

static void changed_strings_are_seen(void)
{
	_cleanup_lab_ struct lab l = {};
	const struct ht_call *a, *b;
	char want[128];

	if (!lab_open(&l))
		return;
	ok_int(lab_run(&l, 0, change_the_argument, l.dir), 0);
	ok_int(lab_count(&l, "truncate"), 2);
	a = lab_call(&l, "truncate", 0);
	b = lab_call(&l, "truncate", 1);
	must(a && b);
	snprintf(want, sizeof(want), "%s/file", l.dir);
	ok_str(lab_string(a, HT_FIELD_STR, 0), want);
	ok(!lab_string(a, HT_FIELD_STR_ENTER, 0));
	ok_str(lab_string(b, HT_FIELD_STR_ENTER, 0), want);
	snprintf(want, sizeof(want), "%s/else-where", l.dir);
	ok_str(lab_string(b, HT_FIELD_STR, 0), want);
	ok_int(b->ret, 0);
	ok(!((a->h.flags | b->h.flags) & HT_EV_F_ENTER_MISSED));
}

/* A program that the verifier refuses with direct reads is loaded with slow ones: works, but is not meant. */
static void kernel_memory_is_read_directly(void)
{
	_cleanup_lab_ struct lab l = {};
	const struct probes_feature *f;
	unsigned n;

	if (!lab_open(&l))
		return;
	f = probes_features(l.probes, &n);
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(f[i].name, "bpf_rdonly_cast"))
			ok(f[i].on || strstr(f[i].why, "6.2"));
}

static const struct tap_case cases[] = {
	CASE(kernel_memory_is_read_directly), CASE(paths_are_the_kernels),
	CASE(identity_follows_credentials),
	CASE(losses_are_counted),
	CASE(repeats_are_merged),
	CASE(numbers_have_no_holes),
	CASE(entries_across_the_end_are_whole),
	CASE(pseudo_deleted_chroot),
	CASE(long_paths_say_that_they_are_cut),
	CASE(only_new_peers_are_recorded),
	CASE(own_files_are_not_recorded),
	CASE(only_chosen_calls_are_captured),
	CASE(widened_calls_are_captured),
	CASE(chosen_operations_of_a_ring),
	CASE(int80_is_another_abi),
	CASE(changed_strings_are_seen),
};
TAP_MAIN(cases)

// SPDX-License-Identifier: Apache-2.0
// ht-test: san-long first
/* What the probes tell of a task's life: exec, fork, death, restarted calls, marks; and of their own: pins. */
#include <linux/io_uring.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/probes_lab.h"

/* ---- exec ------------------------------------------------------------------- */

static void *exec_thread(void *unused)
{
	execl("/bin/true", "true", "one", "two words", NULL);
	return NULL;
}

static void exec_from_thread(void *unused)
{
	char x[] = "x", y[] = "y", *argv[] = { x, y, NULL };	/* in memory that is there: the probes fault nothing in */
	pthread_t t;

	execv("/no/such/program", argv);
	pthread_create(&t, NULL, exec_thread, NULL);
	for (;;)
		pause();
}

static void exec_by_a_thread_is_the_leaders(void)
{
	_cleanup_lab_ struct lab l = {};
	const struct ht_call *bad, *good;
	const struct ht_ident *before, *after;
	const uint8_t *argv;
	struct ht_field f;
	char real[4096];

	if (!lab_open(&l))
		return;
	ok_int(lab_run(&l, 0, exec_from_thread, NULL), 0);
	ok_int(lab_count(&l, "execve"), 2);
	bad = lab_call(&l, "execve", 0);
	good = lab_call(&l, "execve", 1);
	must(bad && good);
	ok_int(bad->ret, -ENOENT);
	ok_int(bad->h.flags & ~HT_EV_F_SHARED_FILES, 0);
	ok_str(lab_string(bad, HT_FIELD_STR, 0), "/no/such/program");
	argv = lab_field(bad, HT_FIELD_ARGV, 1, 0, &f);
	must(argv);
	ok_int(f.len, 8 + 4);
	ok(!memcmp(argv + 8, "x\0y", 4));
	ok_int(good->ret, 0);
	ok_int(good->nr, SYS_execve);
	ok(good->args[0] && good->args[1]);
	ok_int(good->h.flags, HT_EV_F_EXEC);
	ok_int(good->h.tid, good->h.tgid);
	ok_int(good->h.start, bad->h.start);
	ok_str(lab_string(good, HT_FIELD_KSTR, 0), "/bin/true");
	ok(realpath("/bin/true", real));
	ok_str(lab_path(good, HT_ARG_TASK, HT_WALK_EXE, NULL), real);
	ok(*lab_path(good, HT_ARG_TASK, HT_WALK_CWD, NULL));
	argv = lab_field(good, HT_FIELD_ARGV, HT_ARG_TASK, 0, &f);
	must(argv && f.len == 8 + 19);
	ok(!memcmp(argv + 8, "true\0one\0two words", 19));
	before = lab_ident(&l, bad);
	after = lab_ident(&l, good);
	must(before && after);
	ok(before->h.gen != after->h.gen);
	ok(before->exe.ino != after->exe.ino);
	ok(!strcmp(after->comm, "true"));
}

static void exec_deep(void *program)
{
	execl(program, "deep", NULL);
}

/* The exec takes its executable's path over from the identity, if there is room between the two entries' beginnings. */
static void a_program_lies_as_deep_as_it_likes(void)
{
	_cleanup_lab_ struct lab l = {};
	char program[2048], command[2 * sizeof(program) + 32];
	const struct ht_ident *id;
	const struct ht_call *c;

	if (!lab_open(&l))
		return;
	snprintf(program, sizeof(program), "%s", l.dir);
	for (unsigned i = 0; i < 8; i++) {
		size_t n = strlen(program);

		snprintf(program + n, sizeof(program) - n, "/%0*u", 40 + (int)i * 15, i);
		snprintf(command, sizeof(command), "mkdir %s && cp /bin/true %s/x", program, program);
		ok_int(system(command), 0);
		n = strlen(program);
		snprintf(program + n, sizeof(program) - n, "/x");
		ok_int(lab_run(&l, 0, exec_deep, program), 0);
		c = lab_call(&l, "execve", i);
		must(c);
		ok_str(lab_path(c, HT_ARG_TASK, HT_WALK_EXE, NULL), program);
		ok_str(lab_string(c, HT_FIELD_KSTR, 0), program);
		ok(*lab_path(c, HT_ARG_TASK, HT_WALK_CWD, NULL));
		id = lab_ident(&l, c);
		must(id);
		ok_str(id->comm, "x");
		program[n] = 0;
	}
}

static void exec_long(void *unused)
{
	static char big[100000];
	char *argv[] = { "true", big, NULL };

	memset(big, 'a', sizeof(big) - 1);
	execv("/bin/true", argv);
}

static void long_argv_tells_its_length(void)
{
	_cleanup_lab_ struct lab l = {};
	const struct ht_call *c;
	const uint8_t *argv;
	struct ht_field f;
	uint64_t total;

	if (!lab_open(&l))
		return;
	ok_int(lab_run(&l, 0, exec_long, NULL), 0);
	c = lab_call(&l, "execve", 0);
	must(c);
	argv = lab_field(c, HT_FIELD_ARGV, HT_ARG_TASK, 0, &f);
	must(argv);
	memcpy(&total, argv, 8);
	ok_int(total, 100005);
	ok_int(f.flags, HT_FIELD_F_CUT);
	ok_int(f.len, 8 + HT_ARGV_MAX);
	ok(!memcmp(argv + 8, "true\0aaa", 8));
	ok(!memcmp(argv + f.len - 4, "aaa", 4));	/* the end, with its NUL */
}

/* ---- fork, exit, death ---------------------------------------------------------- */

static void fork_twice(void *unused)
{
	for (int i = 0; i < 2; i++) {
		pid_t pid = (pid_t)syscall(SYS_fork);

		if (!pid)
			syscall(SYS_exit_group, 3);
		waitpid(pid, NULL, 0);
	}
}

static void a_forks_child_made_no_call(void)
{
	_cleanup_lab_ struct lab l = {};
	const struct ht_call *c;
	unsigned gone = 0;

	if (!lab_open(&l))
		return;
	ok_int(lab_run(&l, 0, fork_twice, NULL), 0);
	ok_int(lab_count(&l, "fork"), 2);
	ok(lab_call(&l, "fork", 0)->ret > 0);
	ok_int(lab_count(&l, "exit_group"), 3);
	c = lab_call(&l, "exit_group", 0);
	ok_int(c->args[0], 3);
	ok_int(c->h.flags, HT_EV_F_GROUP_DEAD);
	ok_int(c->h.tid, lab_call(&l, "fork", 0)->ret);
	for (unsigned i = 0; i < l.n; i++)	/* once for each process: the exit says so itself */
		gone += l.ev[i]->kind == HT_EV_EXIT || (l.ev[i]->kind == HT_EV_CALL && l.ev[i]->flags & HT_EV_F_GROUP_DEAD);
	ok_int(gone, 3);
	ok_int(rings_marked_tasks(l.rings), 0);
}

static void accept_forever(void *dir)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", (char *)dir);
	if (bind(s, (void *)&a, sizeof(a)) || listen(s, 1))
		_exit(1);
	accept(s, NULL, NULL);
}

/* Waits until the child sleeps in a call, as /proc says. */
static void until_asleep(pid_t pid, const char *call_nr)
{
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	for (int i = 0; i < 500; i++) {
		FILE *f = fopen(path, "re");

		if (f && fgets(line, sizeof(line), f) && !strncmp(line, call_nr, strlen(call_nr))) {
			fclose(f);
			usleep(20000);
			return;
		}
		if (f)
			fclose(f);
		usleep(10000);
	}
}

static void killed_in_a_call(void)
{
	_cleanup_lab_ struct lab l = {};
	const struct ht_call *c;
	pid_t pid;

	if (!lab_open(&l))
		return;
	pid = lab_start(&l, 0, accept_forever, l.dir);
	until_asleep(pid, "43 ");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	lab_collect(&l);
	ok_int(lab_count(&l, "accept"), 1);
	c = lab_call(&l, "accept", 0);
	must(c);
	ok(c->h.flags & HT_EV_F_IN_CALL);
	ok(c->args[0] > 2);
}

/* ---- restarted calls ---------------------------------------------------------------- */

static void on_signal(int sig)
{
	int error = errno;

	syscall(SYS_openat, AT_FDCWD, "/from-the-handler", 0);
	errno = error;
}

static void accept_with(int flags, char *dir)
{
	struct sigaction a = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGUSR1, &a, NULL);
	accept_forever(dir);
}

static void accept_restarted(void *dir)
{
	accept_with(SA_RESTART, dir);
}

static void accept_interrupted(void *dir)
{
	accept_with(0, dir);
}

static void connect_to(const char *dir)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	_cleanup_close_ int s = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", dir);
	ok_int(connect(s, (void *)&a, sizeof(a)), 0);
}

static void a_restarted_call_is_one_record(void)
{
	_cleanup_lab_ struct lab l = {};
	const struct ht_call *c;
	pid_t pid;

	if (!lab_open(&l))
		return;
	pid = lab_start(&l, 0, accept_restarted, l.dir);
	for (int i = 0; i < 2; i++) {
		until_asleep(pid, "43 ");
		kill(pid, SIGUSR1);
	}
	until_asleep(pid, "43 ");
	connect_to(l.dir);
	waitpid(pid, NULL, 0);
	lab_collect(&l);
	ok_int(lab_count(&l, "openat"), 2);
	ok_int(lab_count(&l, "accept"), 1);
	c = lab_call(&l, "accept", 0);
	must(c);
	ok_int(c->ret, c->args[0] + 1);
	ok_int(c->restarts, 2);
	ok_int(c->h.flags, 0);
}

static void an_interrupted_call_ends_with_eintr(void)
{
	_cleanup_lab_ struct lab l = {};
	const struct ht_call *c, *o;
	pid_t pid;

	if (!lab_open(&l))
		return;
	pid = lab_start(&l, 0, accept_interrupted, l.dir);
	until_asleep(pid, "43 ");
	kill(pid, SIGUSR1);
	waitpid(pid, NULL, 0);
	lab_collect(&l);
	ok_int(lab_count(&l, "accept"), 1);
	c = lab_call(&l, "accept", 0);
	o = lab_call(&l, "openat", 0);
	must(c && o);
	ok_int(c->ret, -EINTR);
	ok(c->h.flags & HT_EV_F_INTERRUPTED);
	ok_int(c->restarts, 0);
	ok(c->h.time < o->h.time);
}

static void send_to_a_full_peer(void *unused)
{
	struct sigaction a = { .sa_handler = on_signal };
	static char b[4096];
	int s[2];

	sigaction(SIGUSR1, &a, NULL);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, s))
		_exit(1);
	while (send(s[0], b, sizeof(b), 0) > 0)
		;
}

static void an_interrupted_send_to_a_known_peer_is_none(void)
{
	_cleanup_lab_ struct lab l = {};
	pid_t pid;

	if (!lab_open(&l))
		return;
	pid = lab_start(&l, 0, send_to_a_full_peer, NULL);
	until_asleep(pid, "44 ");
	kill(pid, SIGUSR1);
	waitpid(pid, NULL, 0);
	lab_collect(&l);
	ok_int(lab_count(&l, "openat"), 1);
	ok_int(lab_count(&l, "sendto"), 0);
}

/* ---- marks ------------------------------------------------------------------------------ */

static void sqpoll_thread(void *unused)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQPOLL };
	long fd = syscall(SYS_io_uring_setup, 4, &p);

	if (fd < 0)
		_exit(9);
	pause();
}

static void io_uring_threads_are_marked(void)
{
	_cleanup_lab_ struct lab l = {};
	int status;
	pid_t pid;

	if (!lab_open(&l))
		return;
	pid = lab_start(&l, 0, sqpoll_thread, NULL);
	until_asleep(pid, "34 ");
	if (waitpid(pid, &status, WNOHANG) == pid)
		skip("no io_uring here");
	ok_int(rings_marked_tasks(l.rings), 2);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 100 && rings_marked_tasks(l.rings); i++)
		usleep(10000);
	ok_int(rings_marked_tasks(l.rings), 0);
}

static void orphan(void *unused)
{
	if (fork())
		_exit(0);
	setsid();
	if (fork())
		_exit(0);
	usleep(100000);
	close(open("/from-the-orphan", O_RDONLY));
}

static void marks_outlive_parents(void)
{
	_cleanup_lab_ struct lab l = {};

	if (!lab_open(&l))
		return;
	lab_run(&l, 0, orphan, NULL);
	ok(rings_marked_tasks(l.rings) > 0);
	for (int i = 0; i < 200 && rings_marked_tasks(l.rings); i++)
		usleep(10000);
	lab_collect(&l);
	ok_int(lab_count(&l, "openat"), 1);
	/* An unmarked process is not recorded at all. */
	close(open("/not-in-the-tree", O_RDONLY));
	lab_collect(&l);
	ok_int(lab_count(&l, "openat"), 1);
}

/* ---- wake-ups --------------------------------------------------------------------------------- */

static void open_late(void *unused)
{
	usleep(200000);
	close(open("/etc/passwd", O_RDONLY));
}

static void an_armed_reader_is_woken(void)
{
	_cleanup_lab_ struct lab l = {};
	struct epoll_event e;
	pid_t pid;
	int fd;

	if (!lab_open(&l))
		return;
	fd = rings_epoll_fd(l.rings);
	while (epoll_wait(fd, &e, 1, 0) > 0)
		;
	ok(rings_arm(l.rings));
	pid = lab_start(&l, 0, open_late, NULL);
	ok_int(epoll_wait(fd, &e, 1, 5000), 1);
	ok(!rings_arm(l.rings));	/* there is something to read */
	waitpid(pid, NULL, 0);
	lab_collect(&l);
	ok_int(lab_count(&l, "openat"), 1);
	ok(rings_arm(l.rings));
	ok_int(epoll_wait(fd, &e, 1, 50), 0);
}

/* ---- scope by cgroup ------------------------------------------------------------------------------ */

static bool write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static void a_cgroup_is_a_scope(void)
{
	static const char *const roots[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };
	struct probes_config c = { .scope = HT_SCOPE_CGROUP, .scope_cgroup = "/ht-unit" };
	_cleanup_lab_ struct lab l = {};
	const char *root = access("/sys/fs/cgroup/cgroup.procs", F_OK) ? roots[0] : roots[1];
	char in[64], below[128], procs[192], why[256];
	pid_t pid;

	if (geteuid())
		skip("needs root");
	snprintf(in, sizeof(in), "%s/ht-unit", root);
	snprintf(below, sizeof(below), "%s/deeper", in);
	if (mkdir(in, 0755) || mkdir(below, 0755))
		skip("no cgroup version 2 here");
	must(!probes_open(&c, &l.probes, why) && !rings_open(probes_fds(l.probes), &l.rings));
	pid = fork();
	if (!pid) {
		close(open("/outside", O_RDONLY));
		snprintf(procs, sizeof(procs), "%s/cgroup.procs", below);
		if (!write_text(procs, "0"))
			_exit(1);
		close(open("/inside", O_RDONLY));
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	lab_collect(&l);
	ok_int(rmdir(below) | rmdir(in), 0);
	ok_int(lab_count(&l, "openat"), 1);
	must(lab_call(&l, "openat", 0));
	ok_str(lab_string(lab_call(&l, "openat", 0), HT_FIELD_STR, 1), "/inside");
}

/* ---- pins and readers ---------------------------------------------------------------------- */

static void slow_opens(void *unused)
{
	close(open("/before", O_RDONLY));
	usleep(700000);
	close(open("/meanwhile", O_RDONLY));
	usleep(100000);
}

static void pinned_probes_go_on_alone(void)
{
	struct probes_config c = { .instance = "unit-test-pins" };
	_cleanup_lab_ struct lab l = {};
	uint8_t stream[16];
	char why[256];
	pid_t pid;

	if (!lab_open_with(&l, &c))
		return;
	ok(!probes_fds(l.probes)->adopted);
	memcpy(stream, probes_fds(l.probes)->stream, 16);
	pid = lab_start(&l, 0, slow_opens, NULL);
	rings_free(&l.rings);
	probes_close(&l.probes, false);
	waitpid(pid, NULL, 0);
	must(!probes_open(&c, &l.probes, why));
	ok(probes_fds(l.probes)->adopted);
	ok(!memcmp(stream, probes_fds(l.probes)->stream, 16));
	must(!rings_open(probes_fds(l.probes), &l.rings));
	lab_collect(&l);
	ok_int(lab_count(&l, "openat"), 2);
	rings_free(&l.rings);
	probes_close(&l.probes, false);
	/* What was committed is gone for the next reader. */
	must(!probes_open(&c, &l.probes, why) && !rings_open(probes_fds(l.probes), &l.rings));
	lab_collect(&l);
	ok_int(lab_count(&l, "openat"), 2);
	rings_free(&l.rings);
	probes_close(&l.probes, false);
	c.ring_bytes[HT_CLASS_DATA] = 65536;
	must(!probes_open(&c, &l.probes, why));
	ok(!probes_fds(l.probes)->adopted);
	ok_str(probes_fds(l.probes)->replaced, "other ring sizes");
	ok(memcmp(stream, probes_fds(l.probes)->stream, 16));
	probes_close(&l.probes, true);
	ok(access("/sys/fs/bpf/hosttrail/unit-test-pins", F_OK));
}

static void open_passwd(void *unused)
{
	close(open("/etc/passwd", O_RDONLY));
}

static void readers_need_no_privilege(void)
{
	_cleanup_lab_ struct lab l = {};
	int status = -1;
	pid_t pid;

	if (!lab_open(&l))
		return;
	rings_free(&l.rings);
	pid = lab_start(&l, 0, open_passwd, NULL);
	waitpid(pid, NULL, 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (setresgid(64101, 64101, 64101) || setresuid(64101, 64101, 64101) ||
		    rings_open(probes_fds(l.probes), &l.rings))
			_exit(1);
		lab_collect(&l);
		_exit(tap_failed || lab_count(&l, "openat") != 1);
	}
	waitpid(pid, &status, 0);
	ok_int(status, 0);
}

static const struct tap_case cases[] = {
	CASE(exec_by_a_thread_is_the_leaders),
	CASE(a_program_lies_as_deep_as_it_likes),
	CASE(long_argv_tells_its_length),
	CASE(a_forks_child_made_no_call),
	CASE(killed_in_a_call),
	CASE(a_restarted_call_is_one_record),
	CASE(an_interrupted_call_ends_with_eintr),
	CASE(an_interrupted_send_to_a_known_peer_is_none),
	CASE(io_uring_threads_are_marked),
	CASE(marks_outlive_parents),
	CASE(an_armed_reader_is_woken),
	CASE(a_cgroup_is_a_scope),
	CASE(pinned_probes_go_on_alone),
	CASE(readers_need_no_privilege),
};
TAP_MAIN(cases)

// SPDX-License-Identifier: Apache-2.0
// ht-test: san-long
/* What the probes go by when the end of a call was missed, as it is where the program of sys_exit runs on that CPU already. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "agent/probes_internal.h"
#include "tests/unit/probes_lab.h"

struct missed {		/* shared with the child: a read or write of its own would be an end that is seen */
	int sock;
	volatile int tid, done, go;
};

/* A TCP connection. False: there is none. */
static bool connected(int ret_fds[2])
{
	_cleanup_close_ int at = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	ret_fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(at, (struct sockaddr *)&a, n) || listen(at, 1) || getsockname(at, (struct sockaddr *)&a, &n) ||
	    connect(ret_fds[0], (struct sockaddr *)&a, n))
		return false;
	ret_fds[1] = accept(at, NULL, NULL);
	return ret_fds[1] >= 0;
}

/* Reads a byte, of which the end is not seen, and then becomes another program under the leader's number, which reads on. */
static void *read_and_exec(void *arg)
{
	struct missed *m = arg;
	char c;

	if (dup2(m->sock, 0) < 0)
		_exit(1);
	m->tid = gettid();
	m->done = read(0, &c, 1) == 1 ? 1 : -1;
	while (!m->go)
		usleep(1000);
	execl("/bin/dd", "dd", "bs=64", "count=1", "of=/dev/null", "status=none", NULL);
	_exit(1);
}

static void read_in_a_thread(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, read_and_exec, arg);
	for (;;)
		pause();
}

/* Whether the ends of read(2) are looked at. */
static void see_reads(const struct lab *l, bool on)
{
	__u32 zero = 0;
	captured_map now;

	ok_int(bpf_map_lookup_elem(l->probes->captured, &zero, &now), 0);
	now.ht_index[SYS_read] = on ? l->probes->capture.ht_index[SYS_read] : 0;
	ok_int(bpf_map_update_elem(l->probes->captured, &zero, &now, BPF_ANY), 0);
}

static bool asleep(pid_t pid, int tid)
{
	char path[64], text[256] = "";
	_cleanup_close_ int fd = -1;
	const char *end;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return false;
	end = strrchr(text, ')');
	return end && end[1] == ' ' && end[2] == 'S';
}

static bool comes(volatile int *word)
{
	for (int i = 0; i < 10000 && !*word; i++)
		usleep(1000);
	return *word > 0;
}

/* The thread sleeps in its read; that ends unseen; then it goes on. */
static void miss_the_end(const struct lab *l, struct missed *m, pid_t pid, int peer)
{
	must(comes(&m->tid));
	for (int i = 0; i < 10000 && !asleep(pid, m->tid); i++)
		usleep(1000);
	must(m->tid != pid && asleep(pid, m->tid));
	see_reads(l, false);
	ok_int(write(peer, "x", 1), 1);
	ok(comes(&m->done));
	see_reads(l, true);
	m->go = 1;
}

static unsigned hellos(const struct lab *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->n; i++)
		n += l->ev[i]->kind == HT_EV_TLS && ((const struct ht_tls *)l->ev[i])->what == HT_TLS_HELLO;
	return n;
}

static void handshake_behind_an_end_that_was_missed(void)
{
	static const uint8_t handshake[] = { 0x16, 3, 1, 0, 4, 1, 0, 0, 0 };
	struct probes_config c = { .tls = true };
	_cleanup_lab_ struct lab l = {};
	int conn[2] = { -1, -1 }, status = -1;
	struct missed *m;
	pid_t pid;

	if (!lab_open_with(&l, &c))
		return;
	m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(m != MAP_FAILED && connected(conn));
	m->sock = conn[0];
	pid = lab_start(&l, 0, read_in_a_thread, m);
	miss_the_end(&l, m, pid, conn[1]);
	if (tap_failed)
		kill(pid, SIGKILL);
	ok_int(write(conn[1], handshake, sizeof(handshake)), sizeof(handshake));
	ok_int(waitpid(pid, &status, 0), pid);
	ok_int(status, 0);
	lab_collect(&l);
	ok_int(hellos(&l), 1);
	close(conn[0]);
	close(conn[1]);
	munmap(m, sizeof(*m));
}

static const struct tap_case cases[] = {
	CASE(handshake_behind_an_end_that_was_missed),
};
TAP_MAIN(cases)

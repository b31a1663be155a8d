// SPDX-License-Identifier: Apache-2.0
/* replay record FILE CMD ARG...: runs CMD in a recorded tree and keeps the rings' bytes as they lie in the kernel.
 * replay run FILE RECORDS SPOOL: puts copies of that image (later in time, with sequence numbers of their own) through the real
 * reader, decoder, framer and spool until RECORDS records are on disk; prints records per CPU second and bytes per record. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/hostinfo.h"
#include "agent/probes.h"
#include "agent/spawn.h"
#include "agent/writer.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "proto/keys.h"

#define RING (64u << 20)
#define CPUS_MAX 4096

struct image {
	uint64_t n[HT_CLASS__MAX];	/* bytes */
	uint8_t *p[HT_CLASS__MAX];
};

static int fail(const char *what, int r)
{
	fprintf(stderr, "replay: %s: %s\n", what, strerror(r < 0 ? -r : r));
	return 1;
}

/* ---- entries: u32 length with flags, u32 of the kernel, bytes, rounded up to 8 */

static uint64_t entry_size(const uint8_t *p)
{
	uint32_t len;

	memcpy(&len, p, 4);
	return (8 + (len & ~(3u << 30)) + 7) & ~7ull;
}

static bool discarded(const uint8_t *p)
{
	uint32_t len;

	memcpy(&len, p, 4);
	return len & (1u << 30);
}

/* ---- record */

/* Copies what the probes put into one ring; -EOVERFLOW if it wrapped. */
static int copy_ring(int fd, uint64_t bytes, uint8_t **ret_p, uint64_t *ret_n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *q = mmap(NULL, page + 2 * bytes, PROT_READ, MAP_SHARED, fd, (off_t)page);
	uint64_t n;

	if (q == MAP_FAILED)
		return -errno;
	n = __atomic_load_n((uint64_t *)q, __ATOMIC_ACQUIRE);
	*ret_p = n <= bytes ? malloc(n + 1) : NULL;
	if (*ret_p)
		memcpy(*ret_p, q + page, n);
	*ret_n = n;
	munmap(q, page + 2 * bytes);
	return *ret_p ? 0 : n > bytes ? -EOVERFLOW : -ENOMEM;
}

static int save(const char *path, const struct image *m)
{
	_cleanup_close_ int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fsx_write_all(fd, m->n, sizeof(m->n));

	for (unsigned c = 0; c < HT_CLASS__MAX && !r; c++)
		r = fsx_write_all(fd, m->p[c], m->n[c]);
	return r;
}

static uint64_t count_calls(const struct image *m)
{
	uint64_t n = 0;

	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		for (uint64_t at = 0; at + sizeof(struct ht_event) < m->n[c]; at += entry_size(m->p[c] + at))
			n += ((struct ht_event *)(m->p[c] + at + 8))->kind == HT_EV_CALL && !discarded(m->p[c] + at);
	return n;
}

static int run_command(struct probes *p, char **argv)
{
	struct spawn s = { 0, -1, -1 };
	sigset_t mask;
	int r, status;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	r = spawn_stopped(argv, &mask, &s);
	if (!r)
		r = probes_mark(p, s.pidfd, HT_TASK_MARKED);
	if (!r)
		r = spawn_go(&s);
	if (!r)
		waitpid(s.pid, &status, 0);
	spawn_close(&s);
	return r;
}

static int record(const char *path, char **argv)
{
	struct probes_config pc = { .scope = HT_SCOPE_TREE, .ring_bytes = { RING, RING, RING, 0 } };
	struct probes *p = NULL;
	struct image m = { 0 };
	char why[256] = "";
	int r = probes_open(&pc, &p, why);

	if (r < 0) {
		fprintf(stderr, "replay: %s\n", why);
		return 1;
	}
	r = run_command(p, argv);
	for (unsigned c = 0; c < HT_CLASS_TLS && !r; c++)
		r = copy_ring(probes_fds(p)->ring[c][0], probes_fds(p)->ring_bytes[c], &m.p[c], &m.n[c]);
	if (!r)
		r = save(path, &m);
	probes_close(&p, true);
	if (r < 0)
		return fail("record", r);
	printf("%llu records, %llu KiB (control %llu, process %llu, data %llu)\n", (unsigned long long)count_calls(&m),
	       (unsigned long long)(m.n[0] + m.n[1] + m.n[2]) >> 10, (unsigned long long)m.n[0] >> 10,
	       (unsigned long long)m.n[1] >> 10, (unsigned long long)m.n[2] >> 10);
	return 0;
}

/* ---- run */

static int load(const char *path, struct image *m)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t at = sizeof(m->n);
	int r = fd < 0 ? -errno : fsx_pread_all(fd, m->n, sizeof(m->n), 0);

	for (unsigned c = 0; c < HT_CLASS__MAX && !r; c++) {
		m->p[c] = malloc(m->n[c] + 1);
		r = m->p[c] ? fsx_pread_all(fd, m->p[c], m->n[c], at) : -ENOMEM;
		at += (off_t)m->n[c];
	}
	return r;
}

/* How many numbers each CPU took, and how long the image lasts: what the next copy starts behind. */
struct span {
	uint64_t seqs[CPUS_MAX];
	uint64_t first, last;
};

static void span_of(const uint8_t *p, uint64_t n, struct span *s)
{
	for (uint64_t at = 0; at + sizeof(struct ht_event) < n; at += entry_size(p + at)) {
		const struct ht_event *e = (const void *)(p + at + 8);

		if (discarded(p + at))
			continue;
		if (e->kind == HT_EV_CALL && e->cpu < CPUS_MAX && e->seq >= s->seqs[e->cpu])
			s->seqs[e->cpu] = e->seq + 1;
		s->first = !s->first || e->time < s->first ? e->time : s->first;
		s->last = e->time > s->last ? e->time : s->last;
	}
}

static void shift(uint8_t *p, uint64_t n, const struct span *s, uint64_t copy, uint64_t time)
{
	for (uint64_t at = 0; at + sizeof(struct ht_event) < n; at += entry_size(p + at)) {
		struct ht_event *e = (void *)(p + at + 8);

		if (e->kind == HT_EV_CALL && e->cpu < CPUS_MAX)
			e->seq += copy * s->seqs[e->cpu];
		e->time += time * copy;
	}
}

static int multiply(struct image *m, uint64_t copies)
{
	struct span all = { { 0 }, 0, 0 };

	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		span_of(m->p[c], m->n[c], &all);
	for (unsigned c = 0; c < HT_CLASS__MAX; c++) {
		struct span s = { { 0 }, 0, 0 };
		uint8_t *big = malloc(m->n[c] * copies + 1);

		if (!big)
			return -ENOMEM;
		span_of(m->p[c], m->n[c], &s);
		for (uint64_t i = 0; i < copies; i++) {
			memcpy(big + i * m->n[c], m->p[c], m->n[c]);
			shift(big + i * m->n[c], m->n[c], &s, i, all.last - all.first + 1000);
		}
		free(m->p[c]);
		m->p[c] = big;
		m->n[c] *= copies;
	}
	return 0;
}

struct run {
	struct settle *settle;
	struct writer *writer;
	struct pipeline *pipeline;
	struct rings *rings;
	struct sign_key *key;
	struct idlog *ids;
	struct hostinfo info;
	struct record_host host;
};

static int close_frame(void *ctx, unsigned chain)
{
	struct run *r = ctx;

	return writer_close(r->writer, chain);
}

static void ask_name(void *ctx, uint32_t uid)
{
	struct run *r = ctx;

	pipeline_name(r->pipeline, uid, uid ? "user" : "root");
}

static void keep_identity(void *ctx, const void *event, uint32_t n)
{
	struct run *r = ctx;

	idlog_add(r->ids, event, n);
}

static void found_identity(void *ctx, const void *event, uint32_t n) { }
static void ask_exe(void *ctx, const struct exe_ref *ref) { }
static void ask_login(void *ctx, uint32_t session, uint32_t pid, uint64_t start) { }

static int open_run(struct run *x, const struct image *m, const char *dir)
{
	_cleanup_free_ char *key = NULL, *cursor = NULL;
	struct writer_config wc = { .spool_dir = dir, .host = &x->host, .sign = sign_key_sign, .made = clock_boot(),
				    .limits.bytes = { 64ull << 30, 64ull << 30, 1 << 20 } };
	struct pipeline_ops ops = { .ctx = x, .close = close_frame, .ask_name = ask_name, .ask_exe = ask_exe, .ask_login = ask_login,
				    .keep_identity = keep_identity };
	struct pipeline_config pc = { .host = &x->host, .program = "replay" };
	int r;

	if (asprintf(&key, "%s/key", dir) < 0 || asprintf(&cursor, "%s/cursor", dir) < 0)
		return -ENOMEM;
	unlink(key);
	r = fsx_mkdirs(dir, 0700) ?: sign_key_make(key) ?: sign_key_load(key, &x->key) ?: random_bytes(wc.stream, sizeof(wc.stream));
	hostinfo_read(&x->info, NULL, NULL);
	hostinfo_record(&x->info, &x->host);
	wc.cursor = cursor;
	wc.sign_ctx = x->key;
	r = r ?: rings_open_image((const void *const *)m->p, m->n, &x->rings);
	r = r ?: settle_new(CPUS_MAX, &x->settle) ?: writer_open(&wc, x->settle, &x->writer);
	r = r ?: pipeline_new(&pc, &ops, x->rings, x->settle, &x->pipeline);
	r = r ?: idlog_open(dir, wc.stream, found_identity, x, &x->ids);
	return r ?: writer_start(x->writer, x->pipeline, x->rings, x->ids);
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int run(const char *path, uint64_t records, const char *dir)
{
	struct image m = { 0 };
	struct run x = { 0 };
	struct writer_stats ws;
	const struct pipeline_stats *ps;
	uint64_t done = 0, each;
	double begin;
	int r = load(path, &m);

	if (r < 0)
		return fail(path, r);
	each = count_calls(&m);
	r = each ? multiply(&m, (records + each - 1) / each) : -ENODATA;
	r = r ?: open_run(&x, &m, dir);
	if (r < 0)
		return fail("set-up", r);
	begin = cpu_seconds();
	do {
		r = pipeline_drain(x.pipeline, clock_boot());
		if (r >= 0)
			r = writer_tick(x.writer, clock_boot()) ?: r;
	} while (r == 1);
	for (unsigned c = 0; c < CHAIN__MAX && r >= 0; c++)
		r = writer_close(x.writer, c);
	if (r >= 0)
		r = writer_sync(x.writer);
	if (r < 0)
		return fail("run", r);
	begin = cpu_seconds() - begin;
	writer_stats(x.writer, &ws);
	ps = pipeline_stats(x.pipeline);
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		done += ps->records[c];
	printf("%.0f %.2f %llu\n", (double)done / begin, (double)ws.bytes / (double)done, (unsigned long long)done);
	return done < records ? fail("not every record came through", -ENODATA) : 0;
}

int main(int argc, char **argv)
{
	if (argc > 3 && !strcmp(argv[1], "record"))
		return record(argv[2], argv + 3);
	if (argc == 5 && !strcmp(argv[1], "run"))
		return run(argv[2], strtoull(argv[3], NULL, 10), argv[4]);
	fprintf(stderr, "usage: replay record FILE CMD ARG... | replay run FILE RECORDS SPOOL\n");
	return 2;
}

// SPDX-License-Identifier: Apache-2.0
/* replay record FILE CMD ARG...: runs CMD in a recorded tree and keeps the rings' bytes as they lie in the kernel.
 * replay run FILE RECORDS SPOOL: puts copies of that image (later in time, with sequence numbers of their own) through the real
 * reader, decoder, framer and spool until RECORDS records are on disk; prints records per CPU second and bytes per record. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "agent/probes.h"
#include "agent/spawn.h"
#include "tests/bench/spooled.h"

#define RING (64u << 20)

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
	uint64_t seqs[SPOOLED_CPUS];
	uint64_t first, last;
};

static void span_of(const uint8_t *p, uint64_t n, struct span *s)
{
	for (uint64_t at = 0; at + sizeof(struct ht_event) < n; at += entry_size(p + at)) {
		const struct ht_event *e = (const void *)(p + at + 8);

		if (discarded(p + at))
			continue;
		if (e->kind == HT_EV_CALL && e->cpu < SPOOLED_CPUS && e->seq >= s->seqs[e->cpu])
			s->seqs[e->cpu] = e->seq + 1;
		s->first = !s->first || e->time < s->first ? e->time : s->first;
		s->last = e->time > s->last ? e->time : s->last;
	}
}

static void shift(uint8_t *p, uint64_t n, const struct span *s, uint64_t copy, uint64_t time)
{
	for (uint64_t at = 0; at + sizeof(struct ht_event) < n; at += entry_size(p + at)) {
		struct ht_event *e = (void *)(p + at + 8);

		if (e->kind == HT_EV_CALL && e->cpu < SPOOLED_CPUS)
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

static int run(const char *path, uint64_t records, const char *dir)
{
	struct image m = { 0 };
	struct spooled x = { 0 };
	uint64_t done, each, bytes;
	double seconds;
	int r = load(path, &m);

	if (r < 0)
		return fail(path, r);
	each = count_calls(&m);
	r = each ? multiply(&m, (records + each - 1) / each) : -ENODATA;
	r = r ?: spooled_open(&x, &m, dir, false);
	if (r < 0)
		return fail("set-up", r);
	r = spooled_run(&x, &seconds);
	if (r < 0)
		return fail("run", r);
	done = spooled_records(&x, &bytes);
	printf("%.0f %.2f %llu\n", (double)done / seconds, (double)bytes / (double)done, (unsigned long long)done);
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

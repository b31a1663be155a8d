/* SPDX-License-Identifier: Apache-2.0 */
/* spooled.h - bytes of rings through the real reader, decoder, framer and spool, as the worker does it. For programs that measure. */
#ifndef HOSTTRAIL_TESTS_SPOOLED_H
#define HOSTTRAIL_TESTS_SPOOLED_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/hostinfo.h"
#include "agent/writer.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "proto/keys.h"

#define SPOOLED_CPUS 1024

struct image {
	uint64_t n[HT_CLASS__MAX];	/* bytes */
	uint8_t *p[HT_CLASS__MAX];
};

struct spooled {
	struct settle *settle;
	struct writer *writer;
	struct pipeline *pipeline;
	struct rings *rings;
	struct sign_key *key;
	struct idlog *ids;
	struct hostinfo info;
	struct record_host host;
	void (*closing)(struct spooled *x, unsigned chain);	/* looks at a batch before it becomes a frame; NULL: nobody does */
};

static int spooled_close(void *ctx, unsigned chain)
{
	struct spooled *x = ctx;

	if (x->closing)
		x->closing(x, chain);
	return writer_close(x->writer, chain);
}

static void spooled_name(void *ctx, uint32_t uid)
{
	struct spooled *x = ctx;

	pipeline_name(x->pipeline, uid, uid ? "user" : "root");
}

static void spooled_identity(void *ctx, const void *event, uint32_t n)
{
	struct spooled *x = ctx;

	idlog_add(x->ids, event, n);
}

static void spooled_found(void *ctx, const void *event, uint32_t n) { }
static void spooled_exe(void *ctx, const struct exe_ref *ref) { }
static void spooled_login(void *ctx, uint32_t session, uint32_t pid, uint64_t start) { }

/* Into a spool at dir. 0 or -errno. */
static int spooled_open(struct spooled *x, const struct image *m, const char *dir, bool tls)
{
	_cleanup_free_ char *key = NULL, *cursor = NULL;
	struct writer_config wc = { .spool_dir = dir, .host = &x->host, .sign = sign_key_sign, .made = clock_boot(),
				    .limits.bytes = { 64ull << 30, 64ull << 30, 64ull << 30 } };
	struct pipeline_ops ops = { .ctx = x, .close = spooled_close, .ask_name = spooled_name, .ask_exe = spooled_exe,
				    .ask_login = spooled_login, .keep_identity = spooled_identity };
	struct pipeline_config pc = { .host = &x->host, .program = "bench", .tls = tls };
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
	r = r ?: settle_new(SPOOLED_CPUS, &x->settle) ?: writer_open(&wc, x->settle, &x->writer);
	r = r ?: pipeline_new(&pc, &ops, x->rings, x->settle, &x->pipeline);
	r = r ?: idlog_open(dir, wc.stream, spooled_found, x, &x->ids);
	return r ?: writer_start(x->writer, x->pipeline, x->rings, x->ids);
}

static double spooled_cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* All of it, until it is on disk. CPU seconds; 0 or -errno. */
static int spooled_run(struct spooled *x, double *ret_seconds)
{
	double begin = spooled_cpu();
	int r;

	do {
		r = pipeline_drain(x->pipeline, clock_boot());
		if (r >= 0)
			r = writer_tick(x->writer, clock_boot()) ?: r;
	} while (r == 1);
	if (r >= 0)
		r = pipeline_tls_end(x->pipeline);
	for (unsigned c = 0; c < CHAIN__MAX && r >= 0; c++)
		r = spooled_close(x, c);
	if (r >= 0)
		r = writer_sync(x->writer);
	*ret_seconds = spooled_cpu() - begin;
	return r;
}

/* Records and bytes on disk so far. */
static uint64_t spooled_records(const struct spooled *x, uint64_t *ret_bytes)
{
	const struct pipeline_stats *ps = pipeline_stats(x->pipeline);
	struct writer_stats ws;
	uint64_t n = 0;

	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		n += ps->records[c];
	writer_stats(x->writer, &ws);
	*ret_bytes = ws.bytes;
	return n;
}

#endif

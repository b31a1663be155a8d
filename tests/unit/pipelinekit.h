/* SPDX-License-Identifier: Apache-2.0 */
/* pipelinekit.h - a pipeline over ring images that a test makes: put() events, open_all(), drain, look at its batches, close_all(). */
#ifndef HOSTTRAIL_TESTS_PIPELINEKIT_H
#define HOSTTRAIL_TESTS_PIPELINEKIT_H

#include "agent/pipeline.h"
#include "agent/pipeline_internal.h"
#include "lib/buf.h"
#include "proto/recordread.h"
#include "tests/tap.h"

static struct buf image[HT_CLASS__MAX];
static struct rings *rings;
static struct settle *settle;
static struct pipeline *pipeline;
static unsigned names_asked, closes, kept;
static const struct record_host host = { .host_id = "h", .machine_id = "", .boot_id = "", .hostname = "n",
					 .kernel_release = "6", .agent_version = "1", .region = "local", .account = "0" };

static inline int on_close(void *ctx, unsigned chain)
{
	closes++;
	settle_frame_done(settle, chain);
	return pipeline_restart(pipeline, chain);
}

static inline void on_name(void *ctx, uint32_t uid)
{
	names_asked++;
}

static inline void on_exe(void *ctx, const struct exe_ref *ref)
{
}

static inline void on_login(void *ctx, uint32_t session, uint32_t pid, uint64_t start)
{
}

static inline void on_identity(void *ctx, const void *event, uint32_t n)
{
	kept++;
}

/* An entry of the class's ring. */
static inline void put(unsigned class, const void *event, uint32_t n)
{
	static const uint8_t zeros[8];
	uint32_t head[2] = { n, 0 };

	buf_add(&image[class], head, sizeof(head));
	buf_add(&image[class], event, n);
	buf_add(&image[class], zeros, (8 - n % 8) % 8);
}

/* Over what was put. */
static inline void open_all(bool tls)
{
	struct pipeline_ops ops = { .close = on_close, .ask_name = on_name, .ask_exe = on_exe, .ask_login = on_login,
				    .keep_identity = on_identity };
	struct pipeline_config pc = { .host = &host, .program = "test", .tls = tls };
	const void *images[HT_CLASS__MAX];
	uint64_t bytes[HT_CLASS__MAX];

	for (unsigned c = 0; c < HT_CLASS__MAX; c++) {
		images[c] = image[c].p;
		bytes[c] = image[c].n;
	}
	ok_int(rings_open_image(images, bytes, &rings), 0);
	ok_int(settle_new(2, &settle), 0);
	ok_int(pipeline_new(&pc, &ops, rings, settle, &pipeline), 0);
	names_asked = closes = kept = 0;
}

static inline void close_all(void)
{
	pipeline_free(&pipeline);
	settle_free(&settle);
	rings_free(&rings);
	for (unsigned c = 0; c < HT_CLASS__MAX; c++)
		buf_free(&image[c]);
}

/* The chain's batch as JSON lines. */
static inline const char *json_of(unsigned chain)
{
	static struct buf out;
	struct record_frame f = { .wall_offset = 0 };
	struct reader *r = NULL;
	const uint8_t *raw;
	const char *why;
	size_t n;

	buf_reset(&out);
	f.first_time = batch_first_time(pipeline_batch(pipeline, chain));
	ok_int(batch_finish(pipeline_batch(pipeline, chain), &raw, &n), 0);
	ok_int(reader_open(raw, n, &f, &r, &why), 0);
	for (unsigned i = 0; r && i < reader_count(r); i++) {
		ok_int(reader_json(r, i, &out), 0);
		buf_addc(&out, '\n');
	}
	reader_free(&r);
	return buf_text(&out);
}

static inline bool has(const char *text, const char *part)
{
	if (strstr(text, part))
		return true;
	printf("# %s\n# is not in\n# %s\n", part, text);
	return false;
}

#endif

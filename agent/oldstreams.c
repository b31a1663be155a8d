// SPDX-License-Identifier: Apache-2.0
/* oldstreams.c - spools of streams that have ended: what is acknowledged goes, and in the end their folders. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "proto/keys.h"
#include "writer_internal.h"

#define STREAMS_MAX 64

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Segments only: what was set aside (.bad) stays, and with it the folder. */
static void remove_segments(const char *path)
{
	_cleanup_(close_dir) DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (n > 4 && !strcmp(e->d_name + n - 4, ".seg"))
			unlinkat(dirfd(d), e->d_name, 0);
	}
}

static void remove_stream(const struct writer *w, const uint8_t stream[16])
{
	_cleanup_buf_ struct buf path = { 0 };
	char name[33];

	hex_text(stream, 16, name);
	for (unsigned c = 0; c < CHAIN__MAX; c++) {
		buf_reset(&path);
		buf_addf(&path, "%s/%s/%s", w->config.spool_dir, name, chain_name(c));
		remove_segments(buf_text(&path));
		rmdir(buf_text(&path));
	}
	buf_reset(&path);
	buf_addf(&path, "%s/%s", w->config.spool_dir, name);
	rmdir(buf_text(&path));
}

/* True: every frame of the stream is acknowledged. */
static bool trim_stream(struct writer *w, const uint8_t stream[16])
{
	struct spool_limits limits = w->config.limits;
	_cleanup_(spool_free) struct spool *s = NULL;
	bool all = true;

	if (spool_open(w->config.spool_dir, stream, &limits, NULL, NULL, NULL, &s) < 0)
		return false;
	for (unsigned c = 0; c < CHAIN__MAX; c++) {
		uint64_t number, next = 0;
		uint8_t hash[32];

		spool_head(s, c, &number, hash);
		if (cursor_get(w->cursor, stream, c, &next))
			spool_trim(s, c, next);
		all = all && next >= number;
	}
	return all;
}

/* Opening a spool reads all of it: only when the forwarder has got further. */
static bool acknowledged_more(struct writer *w, uint8_t (*streams)[16], int n)
{
	uint64_t sum = 1, next;

	for (int i = 0; i < n; i++)
		for (unsigned c = 0; c < CHAIN__MAX; c++)
			if (memcmp(streams[i], w->config.stream, 16) && cursor_get(w->cursor, streams[i], c, &next))
				sum += next;
	if (sum == w->old_acknowledged)
		return false;
	w->old_acknowledged = sum;
	return true;
}

void trim_old_streams(struct writer *w)
{
	uint8_t streams[STREAMS_MAX][16];
	int n = spool_streams(w->config.spool_dir, streams, STREAMS_MAX);

	if (!acknowledged_more(w, streams, n))
		return;
	for (int i = 0; i < n; i++)
		if (memcmp(streams[i], w->config.stream, 16) && trim_stream(w, streams[i]))
			remove_stream(w, streams[i]);
}

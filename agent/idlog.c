// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "idlog.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"

#define LOG_MAGIC "HTI1"
#define LOG_HEAD (4 + 16)
#define LOG_MAX (256u << 20)		/* larger: not ours */
#define REWRITE_FROM (4u << 20)		/* bytes; and at least thrice what the cache holds */

struct idlog {
	int fd;
	char *path;
	uint8_t stream[16];
	uint64_t bytes;			/* of the file */
	struct buf waiting;
};

static int start_file(struct idlog *l)
{
	uint8_t head[LOG_HEAD];
	int r;

	memcpy(head, LOG_MAGIC, 4);
	memcpy(head + 4, l->stream, 16);
	if (ftruncate(l->fd, 0) < 0)
		return -errno;
	r = fsx_pwrite_all(l->fd, head, sizeof(head), 0);
	l->bytes = sizeof(head);
	return r;
}

/* Whole events from the front; what a killed writer left half written is cut. Each is copied to where it is aligned. */
static int read_events(struct idlog *l, const struct buf *b, idlog_found_fn found, void *ctx)
{
	_cleanup_buf_ struct buf event = { 0 };
	size_t at = LOG_HEAD;
	struct ht_event h;

	while (b->n - at >= sizeof(h)) {
		memcpy(&h, b->p + at, sizeof(h));
		if (h.kind != HT_EV_IDENT || h.len < sizeof(struct ht_ident) || h.len > b->n - at)
			break;
		buf_reset(&event);
		if (buf_add(&event, b->p + at, h.len) < 0)
			return -ENOMEM;
		found(ctx, event.p, h.len);
		at += h.len;
	}
	l->bytes = at;
	return at < b->n && ftruncate(l->fd, (off_t)at) < 0 ? -errno : 0;
}

static int load(struct idlog *l, idlog_found_fn found, void *ctx)
{
	_cleanup_buf_ struct buf b = { 0 };
	int r = fsx_read(l->path, LOG_MAX, &b);

	if (r < 0 && r != -E2BIG)
		return r;
	if (r < 0 || b.n < LOG_HEAD || memcmp(b.p, LOG_MAGIC, 4) || memcmp(b.p + 4, l->stream, 16))
		return start_file(l);
	return read_events(l, &b, found, ctx);
}

int idlog_open(const char *dir, const uint8_t stream[16], idlog_found_fn found, void *ctx, struct idlog **ret_l)
{
	_cleanup_(idlog_free) struct idlog *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->fd = -1;
	memcpy(l->stream, stream, sizeof(l->stream));
	if (asprintf(&l->path, "%s/identities", dir) < 0) {
		l->path = NULL;
		return -ENOMEM;
	}
	l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->fd < 0)
		return -errno;
	r = load(l, found, ctx);
	if (r < 0)
		return r;
	*ret_l = TAKE_PTR(l);
	return 0;
}

void idlog_free(struct idlog **l)
{
	if (!*l)
		return;
	if ((*l)->fd >= 0)
		close((*l)->fd);
	free((*l)->path);
	buf_free(&(*l)->waiting);
	free(*l);
	*l = NULL;
}

void idlog_add(struct idlog *l, const void *event, uint32_t n)
{
	buf_add(&l->waiting, event, n);
}

static int add_to_buf(void *ctx, const void *event, uint32_t n)
{
	return buf_add(ctx, event, n);
}

/* The cache's identities into a new file that takes the place of this one. */
static int rewrite(struct idlog *l, const struct idcache *c)
{
	_cleanup_buf_ struct buf b = { 0 };
	int fd, r;

	r = buf_add(&b, LOG_MAGIC, 4) ?: buf_add(&b, l->stream, 16) ?: idcache_each(c, add_to_buf, &b);
	if (!r)
		r = fsx_replace(l->path, b.p, b.n, 0600);
	if (r < 0)
		return r;
	fd = open(l->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	close(l->fd);
	l->fd = fd;
	l->bytes = b.n;
	buf_reset(&l->waiting);
	return 0;
}

int idlog_flush(struct idlog *l, const struct idcache *c)
{
	struct idcache_stats s;
	int r;

	if (!l->waiting.n)
		return 0;
	idcache_stats(c, &s);
	if (l->bytes > REWRITE_FROM && l->bytes > 3 * s.bytes)
		return rewrite(l, c);
	r = fsx_pwrite_all(l->fd, l->waiting.p, l->waiting.n, (off_t)l->bytes);
	if (r < 0)
		return r;
	l->bytes += l->waiting.n;
	buf_reset(&l->waiting);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "spoolstate.h"

#define STATE_MAGIC 0x31535448u		/* "HTS1" */
#define SLOT_BYTES (1u << 20)

struct slot_head {
	uint32_t magic, crc;		/* of everything behind it */
	uint64_t turn;
	uint32_t n, pad;		/* bytes of settled numbers that follow */
	struct spoolstate_head head;
};

struct spoolstate {
	int fd;
	uint64_t turn;
	struct buf b;
};

static uint32_t crc_of(const struct slot_head *h, const void *rest)
{
	const size_t skip = offsetof(struct slot_head, turn);

	return crc32c(crc32c(0, (const uint8_t *)h + skip, sizeof(*h) - skip), rest, h->n);
}

/* A whole slot into b (head first), or -EBADMSG. */
static int read_slot(int fd, unsigned slot, struct buf *b)
{
	struct slot_head h;
	int r;

	buf_reset(b);
	if (fsx_pread_all(fd, &h, sizeof(h), (off_t)slot * SLOT_BYTES) < 0)
		return -EBADMSG;
	if (h.magic != STATE_MAGIC || h.n > SLOT_BYTES - sizeof(h))
		return -EBADMSG;
	r = buf_add(b, &h, sizeof(h)) ?: buf_reserve(b, h.n);
	if (r < 0)
		return r;
	if (fsx_pread_all(fd, b->p + b->n, h.n, (off_t)slot * SLOT_BYTES + (off_t)sizeof(h)) < 0)
		return -EBADMSG;
	b->n += h.n;
	return crc_of(&h, b->p + sizeof(h)) == h.crc ? 0 : -EBADMSG;
}

static void read_newest(struct spoolstate *s, struct spoolstate_head *ret_head, struct buf *settled)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct slot_head h;
	bool any = false;

	for (unsigned slot = 0; slot < 2; slot++) {
		if (read_slot(s->fd, slot, &b) < 0)
			continue;
		memcpy(&h, b.p, sizeof(h));
		if (any && (int64_t)(h.turn - s->turn) < 0)	/* whatever they are: what is written next must be the newest */
			continue;
		any = true;
		s->turn = h.turn;
		*ret_head = h.head;
		buf_reset(settled);
		buf_add(settled, b.p + sizeof(h), b.n - sizeof(h));
	}
}

int spoolstate_open(const char *dir, struct spoolstate **ret_s, struct spoolstate_head *ret_head, struct buf *settled)
{
	_cleanup_(spoolstate_free) struct spoolstate *s = calloc(1, sizeof(*s));
	_cleanup_buf_ struct buf path = { 0 };

	if (!s)
		return -ENOMEM;
	s->fd = -1;
	buf_addf(&path, "%s/agent.state", dir);
	s->fd = open(buf_text(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0)
		return -errno;
	memset(ret_head, 0, sizeof(*ret_head));
	read_newest(s, ret_head, settled);
	*ret_s = TAKE_PTR(s);
	return 0;
}

void spoolstate_free(struct spoolstate **s)
{
	if (!*s)
		return;
	if ((*s)->fd >= 0)
		close((*s)->fd);
	buf_free(&(*s)->b);
	free(*s);
	*s = NULL;
}

int spoolstate_write(struct spoolstate *s, const struct spoolstate_head *head, const struct settle *settle)
{
	struct slot_head h = { .magic = STATE_MAGIC, .turn = s->turn + 1, .head = *head };
	int r;

	buf_reset(&s->b);
	r = buf_add(&s->b, &h, sizeof(h)) ?: settle_save(settle, &s->b);
	if (r < 0)
		return r;
	if (s->b.n > SLOT_BYTES)
		return -E2BIG;
	h.n = (uint32_t)(s->b.n - sizeof(h));
	h.crc = crc_of(&h, s->b.p + sizeof(h));
	memcpy(s->b.p, &h, sizeof(h));
	r = fsx_pwrite_all(s->fd, s->b.p, s->b.n, (off_t)(h.turn & 1) * SLOT_BYTES);
	if (!r)
		s->turn = h.turn;
	return r;
}

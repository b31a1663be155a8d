/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cursor.c - how far each chain is acknowledged.
 *
 * Two slots of one size in one file; the slot with the good checksum and the higher generation
 * holds. Writing fills the other slot in place and syncs: a torn write leaves the older slot whole.
 *
 * slot: 0 magic "HTC1" | 4 entries u32 | 8 generation u64 | 16 entries: stream 16, chain u8, 7 zero, next u64 |
 *       then CRC32C u32 over everything before it; little-endian; a slot is SLOT bytes apart from the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "lib/le.h"
#include "spool.h"

#define HEAD 16
#define ENTRY 32
#define SLOT 12288
#define MAGIC "HTC1"

_Static_assert(HEAD + CURSOR_ENTRIES_MAX * ENTRY + 4 <= SLOT, "slot");

struct cursor {
	int fd;				/* -1: no file yet (readers only) */
	bool write, changed;
	char *path;
	uint64_t generation;
	unsigned slot;			/* that holds */
	unsigned n;
	struct cursor_entry v[CURSOR_ENTRIES_MAX];
};

/* Entries of a slot, or -1: it is not whole. */
static int slot_entries(const uint8_t *p)
{
	uint64_t n = get32(p + 4);
	size_t len = HEAD + n * ENTRY;

	if (memcmp(p, MAGIC, 4) || n > CURSOR_ENTRIES_MAX || crc32c(0, p, len) != get32(p + len))
		return -1;
	for (uint64_t i = 0; i < n; i++)
		if (p[HEAD + i * ENTRY + 16] >= CHAIN__MAX)
			return -1;
	return (int)n;
}

static void slot_take(struct cursor *c, const uint8_t *p, unsigned slot, unsigned n)
{
	c->generation = get64(p + 8);
	c->slot = slot;
	c->n = n;
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *e = p + HEAD + i * ENTRY;

		memcpy(c->v[i].stream, e, 16);
		c->v[i].chain = e[16];
		c->v[i].next = get64(e + 24);
	}
}

/* -EBADMSG: there is a file, and neither slot is good. */
static int load(struct cursor *c)
{
	_cleanup_free_ uint8_t *b = calloc(2, SLOT);
	int n[2];
	ssize_t len;

	if (!b)
		return -ENOMEM;
	len = pread(c->fd, b, 2 * SLOT, 0);
	if (len < 0)
		return -errno;
	if (len == 0)
		return 0;
	for (unsigned i = 0; i < 2; i++)
		n[i] = slot_entries(b + i * SLOT);
	if (n[0] < 0 && n[1] < 0)
		return -EBADMSG;
	if (n[1] < 0 || (n[0] >= 0 && get64(b + 8) > get64(b + SLOT + 8)))
		slot_take(c, b, 0, (unsigned)n[0]);
	else
		slot_take(c, b + SLOT, 1, (unsigned)n[1]);
	return 0;
}

static int open_file(struct cursor *c)
{
	int flags = c->write ? O_RDWR | O_CREAT : O_RDONLY;

	c->fd = open(c->path, flags | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (c->fd < 0)
		return errno == ENOENT && !c->write ? 0 : -errno;
	return load(c);
}

int cursor_open(const char *path, bool write, struct cursor **ret_c)
{
	_cleanup_(cursor_free) struct cursor *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->fd = -1;
	c->write = write;
	c->slot = 1;
	c->path = strdup(path);
	if (!c->path)
		return -ENOMEM;
	r = open_file(c);
	if (r < 0)
		return r;
	*ret_c = TAKE_PTR(c);
	return 0;
}

void cursor_free(struct cursor **pc)
{
	struct cursor *c = *pc;

	if (!c)
		return;
	cleanup_close(&c->fd);
	free(c->path);
	free(c);
	*pc = NULL;
}

int cursor_reload(struct cursor *c)
{
	return c->fd < 0 ? open_file(c) : load(c);
}

static struct cursor_entry *find(const struct cursor *c, const uint8_t stream[16], unsigned chain)
{
	for (unsigned i = 0; i < c->n; i++)
		if (c->v[i].chain == chain && !memcmp(c->v[i].stream, stream, 16))
			return (struct cursor_entry *)&c->v[i];
	return NULL;
}

bool cursor_get(const struct cursor *c, const uint8_t stream[16], unsigned chain, uint64_t *ret_next)
{
	const struct cursor_entry *e = find(c, stream, chain);

	if (e)
		*ret_next = e->next;
	return e;
}

int cursor_set(struct cursor *c, const uint8_t stream[16], unsigned chain, uint64_t next)
{
	struct cursor_entry *e = find(c, stream, chain);

	if (chain >= CHAIN__MAX)
		return -EINVAL;
	if (!e) {
		if (c->n == CURSOR_ENTRIES_MAX)
			return -ENOSPC;
		e = &c->v[c->n++];
		memcpy(e->stream, stream, 16);
		e->chain = (uint8_t)chain;
	} else if (e->next == next) {
		return 0;
	}
	e->next = next;
	c->changed = true;
	return 0;
}

int cursor_forget(struct cursor *c, const uint8_t stream[16])
{
	unsigned kept = 0;

	for (unsigned i = 0; i < c->n; i++)
		if (memcmp(c->v[i].stream, stream, 16))
			c->v[kept++] = c->v[i];
	if (kept == c->n)
		return -ENOENT;
	c->n = kept;
	c->changed = true;
	return 0;
}

int cursor_sync(struct cursor *c)
{
	uint8_t b[SLOT] = MAGIC;
	size_t len = HEAD + c->n * ENTRY;
	unsigned slot = !c->slot;
	int r;

	if (!c->write)
		return -EBADF;
	if (!c->changed)
		return 0;
	put32(b + 4, c->n);
	put64(b + 8, c->generation + 1);
	for (unsigned i = 0; i < c->n; i++) {
		uint8_t *e = b + HEAD + i * ENTRY;

		memcpy(e, c->v[i].stream, 16);
		e[16] = c->v[i].chain;
		put64(e + 24, c->v[i].next);
	}
	put32(b + len, crc32c(0, b, len));
	r = fsx_pwrite_all(c->fd, b, len + 4, (off_t)slot * SLOT);
	if (!r && fdatasync(c->fd) < 0)
		r = -errno;
	if (r < 0)
		return r;
	c->slot = slot;
	c->generation++;
	c->changed = false;
	return 0;
}

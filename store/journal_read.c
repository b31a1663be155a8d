/* SPDX-License-Identifier: Apache-2.0 */
/* journal_read.c - segments read back: entries, damage, and where reading goes on behind it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "journal_format.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "lib/le.h"

static bool header_is_whole(const uint8_t *p, size_t n, const uint8_t tag[8])
{
	size_t len;

	if (n < ENTRY_FIXED || memcmp(p, "HTJ1", 4) || memcmp(p + 4, tag, 8))
		return false;
	len = get16(p + 12);
	if (len != ENTRY_FIXED + (size_t)p[60] + p[61] + p[62] || len > n)
		return false;
	return get32(p + 68) == crc32c(crc32c(0, p, 68), p + ENTRY_FIXED, len - ENTRY_FIXED);
}

/* A segment whose header is damaged tells its tag by its first entry, if that is whole. */
static int find_tag(const uint8_t *p, size_t n, uint32_t number, uint8_t ret_tag[8])
{
	if (n < SEGMENT_HEADER)
		return -EBADMSG;
	if (!memcmp(p, "HTJS", 4) && get16(p + 4) == 1 && get32(p + 8) == number && get32(p + 24) == crc32c(0, p, 24)) {
		memcpy(ret_tag, p + 16, 8);
		return 0;
	}
	if (n < SEGMENT_HEADER + ENTRY_FIXED || !header_is_whole(p + SEGMENT_HEADER, n - SEGMENT_HEADER, p + SEGMENT_HEADER + 4))
		return -EBADMSG;
	memcpy(ret_tag, p + SEGMENT_HEADER + 4, 8);
	return 0;
}

int segment_map_open(struct journal *j, uint32_t number, uint64_t limit, struct segment_map *ret_m)
{
	_cleanup_close_ int fd = -1;
	struct segment_map m = { .number = number };
	char name[SEGMENT_NAME];
	struct stat st;
	int r;

	journal_segment_name(number, name);
	fd = openat(j->dirfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	m.n = (size_t)st.st_size;
	if (limit && limit < m.n)
		m.n = limit;
	if (m.n == 0)
		return -EBADMSG;
	m.p = mmap(NULL, m.n, PROT_READ, MAP_SHARED, fd, 0);
	if (m.p == MAP_FAILED)
		return -errno;
	r = find_tag(m.p, m.n, number, m.tag);
	if (r < 0) {
		segment_map_close(&m);
		return r;
	}
	*ret_m = m;
	return 0;
}

void segment_map_close(struct segment_map *m)
{
	if (m->p)
		munmap((void *)m->p, m->n);
	m->p = NULL;
}

static void copy_text(char *to, size_t room, const uint8_t *from, size_t n)
{
	if (n >= room)
		n = room - 1;
	memcpy(to, from, n);
	to[n] = '\0';
}

static void entry_fill(const uint8_t *p, struct journal_entry *ret_e)
{
	const uint8_t *text = p + ENTRY_FIXED;

	ret_e->flags = get16(p + 14);
	ret_e->frame_len = get32(p + 16);
	ret_e->received = (int64_t)get64(p + 20);
	memcpy(ret_e->origin.key, p + 28, 32);
	copy_text(ret_e->origin.host_id, sizeof(ret_e->origin.host_id), text, p[60]);
	copy_text(ret_e->origin.account, sizeof(ret_e->origin.account), text + p[60], p[61]);
	copy_text(ret_e->origin.region, sizeof(ret_e->origin.region), text + p[60] + p[61], p[62]);
	ret_e->frame = p + get16(p + 12);
	ret_e->header = NULL;
}

enum entry_state segment_entry(const struct segment_map *m, uint64_t offset, bool bodies, struct journal_entry *ret_e,
			       size_t *ret_total)
{
	const uint8_t *p = m->p + offset;
	size_t room = m->n - offset, header;

	if (room < ENTRY_FIXED || (get16(p + 12) > room && !memcmp(p, "HTJ1", 4) && !memcmp(p + 4, m->tag, 8)))
		return ENTRY_SHORT;
	if (!header_is_whole(p, room, m->tag))
		return ENTRY_BAD_HEADER;
	header = get16(p + 12);
	entry_fill(p, ret_e);
	if (ret_e->frame_len > ENTRY_FRAME_MAX)
		return ENTRY_BAD_HEADER;
	if (ret_e->frame_len > room - header)
		return ENTRY_SHORT;
	*ret_total = header + ret_e->frame_len;
	ret_e->pos = make_pos(m->number, offset);
	ret_e->next = ret_e->pos + *ret_total;
	if (bodies && crc32c(0, ret_e->frame, ret_e->frame_len) != get32(p + 64))
		return ENTRY_BAD_FRAME;
	return ENTRY_OK;
}

uint64_t segment_resync(const struct segment_map *m, uint64_t offset)
{
	while (offset + ENTRY_FIXED <= m->n) {
		const uint8_t *p = memmem(m->p + offset, m->n - offset, "HTJ1", 4);

		if (!p)
			break;
		offset = (uint64_t)(p - m->p);
		if (header_is_whole(p, m->n - offset, m->tag))
			return offset;
		offset++;
	}
	return m->n;
}

int journal_keep(struct journal *j, uint32_t segment, uint64_t offset, const void *p, size_t n, char ret_path[4096])
{
	_cleanup_close_ int fd = -1;
	char name[64];
	int r;

	snprintf(name, sizeof(name), "%010u-%08llx.bad", segment, (unsigned long long)offset);
	if (snprintf(ret_path, 4096, "%s/aside/%s", j->dir, name) >= 4096)
		return -ENAMETOOLONG;
	fd = openat(j->asidefd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	r = fsx_write_all(fd, p, n);
	if (!r && (fsync(fd) < 0 || fsync(j->asidefd) < 0))
		r = -errno;
	if (r < 0)
		unlinkat(j->asidefd, name, 0);
	return r;
}

static void report_bad(struct journal *j, const struct segment_map *m, uint64_t from, uint64_t to, const char *why)
{
	char path[4096];
	int r = journal_keep(j, m->number, from, m->p + from, to - from, path);

	if (j->bad)
		j->bad(j->bad_ctx, make_pos(m->number, from), to - from, why, r < 0 ? NULL : path);
}

struct scan {
	struct journal *j;
	bool bodies;
	journal_fn fn;
	void *ctx;
	struct frame_header header;
};

static int scan_entry(struct scan *s, struct journal_entry *e)
{
	size_t total;

	if (frame_peek(e->frame, e->frame_len, &s->header, &total) < 0 || total != e->frame_len)
		return -EBADMSG;
	e->header = &s->header;
	return 0;
}

/* Entries of one mapped segment from *offset on; *offset moves along. */
static int scan_segment(struct scan *s, const struct segment_map *m, uint64_t *offset)
{
	while (*offset < m->n) {
		struct journal_entry e;
		const char *why = NULL;
		uint64_t next;
		size_t total = 0;
		int r;

		switch (segment_entry(m, *offset, s->bodies, &e, &total)) {
		case ENTRY_OK:
			if (scan_entry(s, &e) < 0)
				why = "the entry holds no frame";
			break;
		case ENTRY_BAD_FRAME:
			why = "the frame's checksum differs";
			break;
		case ENTRY_BAD_HEADER:
			why = "the entry's header is damaged";
			break;
		case ENTRY_SHORT:
			why = "the entry is longer than its segment";
			break;
		}
		next = total ? *offset + total : segment_resync(m, *offset + 1);
		if (why) {
			report_bad(s->j, m, *offset, next, why);
			*offset = next;
			continue;
		}
		r = s->fn(s->ctx, &e);
		*offset = next;
		if (r)
			return r;
	}
	return 0;
}

static int scan_one(struct scan *s, uint32_t number, journal_pos end, uint64_t *offset)
{
	struct segment_map m = { 0 };
	int r;

	r = segment_map_open(s->j, number, number == pos_segment(end) ? pos_offset(end) : 0, &m);
	if (r == -ENOENT)
		return 0;
	if (r == -EBADMSG) {
		if (s->j->bad)
			s->j->bad(s->j->bad_ctx, make_pos(number, 0), 0, "the segment's header is damaged; it is left out", NULL);
		return 0;
	}
	if (r < 0)
		return r;
	if (*offset < SEGMENT_HEADER)
		*offset = SEGMENT_HEADER;
	r = scan_segment(s, &m, offset);
	segment_map_close(&m);
	return r;
}

int journal_scan(struct journal *j, journal_pos from, bool bodies, journal_fn fn, void *ctx, journal_pos *ret_next)
{
	struct scan s = { .j = j, .bodies = bodies, .fn = fn, .ctx = ctx };
	_cleanup_free_ uint32_t *numbers = NULL;
	journal_pos end = journal_end(j), at = from;
	size_t n, i;
	int r = 0;

	if (from < end)
		r = journal_segments(j, &numbers, &n);
	if (from >= end || r < 0) {
		if (ret_next && !r)
			*ret_next = from;
		return r;
	}
	for (i = 0; i < n && !r; i++) {
		uint64_t offset = numbers[i] == pos_segment(from) ? pos_offset(from) : 0;

		if (numbers[i] < pos_segment(from) || numbers[i] > pos_segment(end))
			continue;
		r = scan_one(&s, numbers[i], end, &offset);
		at = make_pos(numbers[i], offset ? offset : SEGMENT_HEADER);
	}
	if (ret_next)
		*ret_next = at;
	return r;
}

int journal_read(struct journal *j, journal_pos pos, struct buf *buf, struct journal_entry *ret_e)
{
	_cleanup_close_ int fd = -1;
	char name[SEGMENT_NAME];
	uint8_t header[ENTRY_HEADER_MAX];
	ssize_t n;
	int r;

	if (pos >= journal_end(j) || pos_offset(pos) < SEGMENT_HEADER)
		return -ENOENT;
	journal_segment_name(pos_segment(pos), name);
	fd = openat(j->dirfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pread(fd, header, sizeof(header), pos_offset(pos));
	if (n < 0)
		return -errno;
	if (n < (ssize_t)ENTRY_FIXED || !header_is_whole(header, (size_t)n, header + 4) || get32(header + 16) > ENTRY_FRAME_MAX)
		return -EBADMSG;
	entry_fill(header, ret_e);
	buf_reset(buf);
	r = buf_reserve(buf, ret_e->frame_len);
	if (!r)
		r = fsx_pread_all(fd, buf->p, ret_e->frame_len, (off_t)pos_offset(pos) + get16(header + 12));
	if (r < 0)
		return r == -ENODATA ? -EBADMSG : r;
	buf->n = ret_e->frame_len;
	ret_e->frame = buf->p;
	ret_e->pos = pos;
	ret_e->next = pos + get16(header + 12) + ret_e->frame_len;
	return crc32c(0, buf->p, buf->n) == get32(header + 64) ? 0 : -EBADMSG;
}

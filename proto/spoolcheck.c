// SPDX-License-Identifier: Apache-2.0
/* spoolcheck.c - notices that somebody else changed a segment. That its frames are whole is proved by their hashes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "keys.h"
#include "spool_internal.h"

static uint64_t ctime_of(const struct stat *st)
{
	return (uint64_t)st->st_ctim.tv_sec * 1000000000ull + (uint64_t)st->st_ctim.tv_nsec;
}

void segment_before(const struct spool_chain *c, struct segment *seg)
{
	struct stat st;

	if (seg->known && fstat(c->fd, &st) == 0 && ctime_of(&st) != seg->ctime)
		seg->touched = true;
}

void segment_after(const struct spool_chain *c, struct segment *seg)
{
	struct stat st;

	if (fstat(c->fd, &st) < 0)
		return;
	seg->ctime = ctime_of(&st);
	seg->known = true;
}

/* NULL: as it was. What is seen now is what the next look compares with. */
static const char *look(const struct spool_chain *c, struct segment *seg)
{
	char name[SEGMENT_NAME_MAX];
	const char *what = NULL;
	struct stat st;
	int64_t off;

	segment_name(seg->first, ".seg", name);
	if (seg->gone)
		return NULL;
	if (fstatat(c->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		seg->gone = errno == ENOENT;
		return seg->gone ? "removed" : NULL;
	}
	off = (int64_t)st.st_size - (int64_t)seg->bytes;
	if (seg->known && off != seg->off)
		what = off < seg->off ? "cut" : "written to";
	else if (seg->known && (seg->touched || seg->ctime != ctime_of(&st)))
		what = "touched";
	seg->off = off;
	seg->ctime = ctime_of(&st);
	seg->touched = false;
	seg->known = true;
	return what;
}

void spool_check(struct spool *s, spool_touched_fn touched, void *ctx)
{
	char stream[33], path[33 + 16 + SEGMENT_NAME_MAX], name[SEGMENT_NAME_MAX];

	hex_text(s->stream, sizeof(s->stream), stream);
	for (unsigned i = 0; i < CHAIN__MAX; i++)
		for (size_t n = 0; n < s->chains[i].n; n++) {
			struct segment *seg = &s->chains[i].v[n];
			const char *what = look(&s->chains[i], seg);

			if (!what)
				continue;
			segment_name(seg->first, ".seg", name);
			snprintf(path, sizeof(path), "%s/%s/%s", stream, chain_name(i), name);
			touched(ctx, path, what);
		}
}

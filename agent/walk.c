// SPDX-License-Identifier: Apache-2.0
/* walk.c - path text from a dentry walk's names, and what kind of object the walk ended at. */
#include <errno.h>
#include <string.h>

#include <linux/magic.h>

#include "decode.h"
#include "fields.h"
#include "flags.h"

#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC 0x50494446
#endif
#define CUT_MARK ".../"

/* Objects without a name in any directory: prefix before what the walk says, and pathKind. */
struct pseudo {
	uint64_t magic;
	const char *prefix, *kind;
};

static const struct pseudo pseudos[] = {
	{ PIPEFS_MAGIC, "pipe:", "pipe" },
	{ SOCKFS_MAGIC, "socket:", "socket" },
	{ ANON_INODE_FS_MAGIC, "anon_inode:", "anon_inode" },
	{ NSFS_MAGIC, "ns:", "namespace" },
	{ PID_FS_MAGIC, "pidfd:", "pidfd" },
	{ TMPFS_MAGIC, "", "memfd" },
	{ HUGETLBFS_MAGIC, "", "memfd" },
};

/*
 * Names leaf first to "/a/b", written from the end of the room so that one pass does. The text starts at *ret_p.
 * With `whole` false, or when the names do not fit, it starts with ".../" instead of "/".
 */
static size_t names_text(const uint8_t *names, uint32_t n, unsigned ncomp, bool whole, char *room, size_t max, char **ret_p)
{
	char *end = room + max, *at = end;

	while (ncomp && n) {
		const uint8_t *nul = memchr(names, 0, n);
		size_t len = nul ? (size_t)(nul - names) : n;

		if ((size_t)(at - room) < len + sizeof(CUT_MARK)) {
			whole = false;
			break;
		}
		if (len) {
			at -= len;
			memcpy(at, names, len);
			*--at = '/';
		}
		names += len + 1;
		n -= nul ? (uint32_t)len + 1 : n;
		ncomp--;
	}
	if (at == end && max)
		*--at = '/';
	if (!whole && at - room >= 3) {
		at -= 3;
		memcpy(at, CUT_MARK, 3);
	}
	*ret_p = at;
	return (size_t)(end - at);
}

static const struct pseudo *pseudo_of(const struct ht_walk *w)
{
	for (unsigned i = 0; i < sizeof(pseudos) / sizeof(pseudos[0]); i++)
		if (pseudos[i].magic == w->s_magic)
			return &pseudos[i];
	return NULL;
}

static size_t add(char *out, size_t n, size_t max, const void *p, size_t len)
{
	if (len > max - n)
		len = max - n;
	memcpy(out + n, p, len);
	return n + len;
}

/* "pipe:[4711]", "anon_inode:[eventpoll]", "/memfd:name": as /proc shows them; "ns:[4711]" of any kind of namespace. */
static size_t pseudo_text(const struct ht_walk *w, const struct pseudo *p, struct str name, char *room, size_t max)
{
	size_t n = 0, plen = p ? strlen(p->prefix) : 0;
	char digits[24];

	if (p && !plen)
		n = add(room, n, max, "/", 1);
	else if (p && (name.n < plen || memcmp(name.p, p->prefix, plen)))
		n = add(room, n, max, p->prefix, plen);
	if (name.n && !(name.n == 1 && name.p[0] == '/'))	/* "/" is what the kernel calls what has no name */
		return add(room, n, max, name.p, name.n);
	digits[0] = '[';
	digits[1 + text_u64(w->ino, digits + 1)] = ']';
	return add(room, n, max, digits, (size_t)(strchr(digits, ']') - digits) + 1);
}

static const char *kind_of(const struct ht_walk *w, struct str name)
{
	const struct pseudo *p;

	if (w->flags & HT_WALK_F_PSEUDO) {
		p = pseudo_of(w);
		if (p && !p->prefix[0] && (name.n < 6 || memcmp(name.p, "memfd:", 6)))
			return "shm";	/* System V shared memory has the same filesystem */
		return p ? p->kind : "pseudo";
	}
	if (w->flags & HT_WALK_F_DELETED)
		return "deleted";
	return w->flags & HT_WALK_F_DETACHED ? "detached" : NULL;
}

int walk_read(const uint8_t *data, uint32_t len, char *room, size_t max, struct walk_view *ret_v)
{
	struct walk_view v = { 0 };
	uint32_t n;
	char *at;

	if (len < sizeof(v.w))
		return -EBADMSG;
	memcpy(&v.w, data, sizeof(v.w));
	data += sizeof(v.w);
	n = len - (uint32_t)sizeof(v.w);
	if (n) {
		const uint8_t *nul = memchr(data, 0, n);

		v.last = (struct str){ (const char *)data, nul ? (size_t)(nul - data) : n };
	}
	v.kind = kind_of(&v.w, v.last);
	if (v.w.flags & HT_WALK_F_PSEUDO) {
		v.path = (struct str){ room, pseudo_text(&v.w, pseudo_of(&v.w), v.last, room, max) };
		*ret_v = v;
		return 0;
	}
	v.path.n = names_text(data, n, v.w.ncomp, !(v.w.flags & HT_WALK_F_TRUNCATED), room, max, &at);
	v.path.p = at;
	if (v.w.flags & HT_WALK_F_IN_ROOT && v.w.root_at < v.w.ncomp && !(v.w.flags & HT_WALK_F_TRUNCATED)) {
		v.in_root.n = names_text(data, n, v.w.root_at, true, room, (size_t)(at - room), &at);
		v.in_root.p = at;
	}
	*ret_v = v;
	return 0;
}

int walk_path(const uint8_t *data, uint32_t len, char *out, size_t max)
{
	struct walk_view v;
	int r = walk_read(data, len, out, max, &v);

	if (r < 0)
		return r;
	memmove(out, v.path.p, v.path.n);
	return (int)v.path.n;
}

int cgroup_path(const uint8_t *data, uint32_t len, char *out, size_t max)
{
	char *at;
	size_t n = names_text(data, len, UINT16_MAX, true, out, max, &at);

	memmove(out, at, n);
	return (int)n;
}

size_t path_join(char *out, size_t n, size_t max, const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len;

	while (p < end) {
		const uint8_t *slash = memchr(p, '/', (size_t)(end - p));
		size_t part = slash ? (size_t)(slash - p) : (size_t)(end - p);

		if (part && !(part == 1 && *p == '.')) {
			if (n + part + 1 > max)
				return n;
			if (!n || out[n - 1] != '/')
				out[n++] = '/';
			memcpy(out + n, p, part);
			n += part;
		}
		p += part + 1;
	}
	return n;
}

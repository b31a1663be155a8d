// SPDX-License-Identifier: Apache-2.0
/*
 * decode_path.c - which path a call was about, and how sure that is.
 *
 * A descriptor's walk is the kernel's own answer, and so is one that a hook made inside the call. A user string is joined with the kernel's path of its directory:
 * "." and doubled slashes go, ".." stays as it is, because what it leads to depends on symbolic links that the probe
 * did not follow; so a joined path is what was asked for, never a claim about where it led.
 *
 * A returned descriptor contradicts the request (argumentChanged) only where the last name can be compared at all:
 * the call must have been unable to follow a link there (O_NOFOLLOW, O_EXCL with O_CREAT, RESOLVE_NO_SYMLINKS), the
 * request must end in a name ("..", "." and O_TMPFILE do not), and the object must still have one (not deleted, no pipe).
 * Case is not compared: some filesystems fold it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include <linux/openat2.h>

#include "decode_internal.h"

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

struct str device_text(struct decoder *d, uint32_t major, uint32_t minor)
{
	uint32_t dev = major << 20 | (minor & 0xfffff);
	struct device_text *t = &d->devices[(dev ^ dev >> 20) % 8];

	if (!t->n || t->dev != dev) {
		t->dev = dev;
		t->n = (uint8_t)text_u64(major, t->text);
		t->text[t->n++] = ':';
		t->n += (uint8_t)text_u64(minor, t->text + t->n);
	}
	return (struct str){ t->text, t->n };
}

static bool slot_readable(const struct slot *s)
{
	return s && !(s->flags & HT_FIELD_F_FAULT);
}

static bool walk_usable(const struct slot *s, char *room, struct walk_view *ret_w)
{
	return slot_readable(s) && walk_read(s->p, s->n, room, PATH_ROOM, ret_w) == 0 && !(ret_w->w.flags & HT_WALK_F_NO_FILE);
}

static void path_is_object(struct path_result *p, const struct walk_view *w)
{
	p->path = w->path;
	p->in_root = w->in_root;
	p->kind = w->kind;
	p->truncated = w->w.flags & HT_WALK_F_TRUNCATED;
	p->unverified = w->w.flags & HT_WALK_F_MOVED;
	p->object = true;
	p->w = w->w;
}

/* A socket has no walk: its inode number is its name, as /proc shows it. */
static bool path_is_socket(struct path_result *p, const struct slot *s, char *room)
{
	struct ht_sock k;
	size_t n = 0;

	if (!slot_readable(s) || s->n < sizeof(k))
		return false;
	memcpy(&k, s->p, sizeof(k));
	memcpy(room, "socket:[", 8);
	n = 8 + text_u64(k.ino, room + 8);
	room[n++] = ']';
	p->path = (struct str){ room, n };
	p->kind = "socket";
	return true;
}

/* ---- does the opened object contradict the request? ---- */

static uint64_t open_how_word(const struct view *v, unsigned arg, unsigned word)
{
	const struct slot *s = view_slot(v, SLOT_MEM, arg);
	uint64_t x = 0;

	if (slot_readable(s) && s->n >= (word + 1) * sizeof(x))
		memcpy(&x, s->p + word * sizeof(x), sizeof(x));
	return x;
}

static bool could_follow(const struct view *v, const struct call *row)
{
	uint64_t flags = 0, resolve = 0;

	for (const struct call_arg *a = row->args; a->name; a++) {
		if (a->kind == ARG_FLAGS && a->set == &flagset_open)
			flags = v->c.args[a->arg];
		if (a->kind == ARG_MEM && a->aux == MEM_OPEN_HOW) {
			flags = open_how_word(v, a->arg, 0);
			resolve = open_how_word(v, a->arg, 2);
		}
	}
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return true;
	if (resolve & RESOLVE_NO_SYMLINKS)
		return false;
	return !(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
}

static struct str last_name(struct str s)
{
	const char *slash;

	while (s.n && s.p[s.n - 1] == '/')
		s.n--;
	slash = s.n ? memrchr(s.p, '/', s.n) : NULL;
	if (slash) {
		s.n -= (size_t)(slash + 1 - s.p);
		s.p = slash + 1;
	}
	return s;
}

/* Only where nobody followed a link at the last name. */
static bool contradicts(const struct walk_view *w, struct str requested)
{
	struct str last = last_name(requested);

	if (w->w.flags & (HT_WALK_F_TRUNCATED | HT_WALK_F_DELETED | HT_WALK_F_DETACHED | HT_WALK_F_PSEUDO) || !w->w.ncomp)
		return false;
	if (!last.n || (last.n == 1 && last.p[0] == '.') || (last.n == 2 && !memcmp(last.p, "..", 2)))
		return false;
	return last.n != w->last.n || strncasecmp(last.p, w->last.p, last.n);
}

/* ---- a user string and the directory it starts from ---- */

/* dir and the string, normalised lexically, into room; dir may be empty for an absolute string. */
static struct str joined(char *room, struct str dir, struct str s)
{
	size_t n = dir.n < PATH_ROOM - HT_PATH_MAX ? dir.n : PATH_ROOM - HT_PATH_MAX;

	memmove(room, dir.p, n);
	while (n && room[n - 1] == '/')
		n--;
	n = path_join(room, n, PATH_ROOM, (const uint8_t *)s.p, s.n);
	if (!n)
		room[n++] = '/';
	return (struct str){ room, n };
}

static bool resolves_in_root(const struct view *v, const struct call *row)
{
	for (const struct call_arg *a = row->args; a->name; a++)
		if (a->kind == ARG_MEM && a->aux == MEM_OPEN_HOW)
			return open_how_word(v, a->arg, 2) & RESOLVE_IN_ROOT;
	return false;
}

static void path_absolute(const struct view *v, const struct call *row, const struct call_arg *a, struct str s,
			  char (*room)[PATH_ROOM], struct path_result *p)
{
	struct walk_view root;

	if (resolves_in_root(v, row))
		return;
	if (!walk_usable(view_slot(v, SLOT_WALK_ROOT, a->arg), room[0], &root)) {
		p->path = joined(room[0], (struct str){ "", 0 }, s);
		return;
	}
	if (view_ok(v) && calls_descs()[v->c.call].hook == HT_HOOK_CHROOT) {	/* it is the root by now */
		p->path = root.path;
		p->truncated = root.w.flags & HT_WALK_F_TRUNCATED;
		return;
	}
	p->in_root = joined(room[1], (struct str){ "", 0 }, s);
	p->truncated = root.w.flags & HT_WALK_F_TRUNCATED;
	if (root.kind)
		p->kind = root.kind;
	p->path = joined(room[0], root.path, s);
}

/*
 * Of an operation of io_uring the string is the kernel's copy; where it begins was read when it was submitted, which may have been another directory
 * when it was made.
 */
static bool begins_elsewhere(const struct view *v, const struct call_arg *a, struct str s)
{
	bool absolute = s.n && s.p[0] == '/', cwd = absolute || a->aux > 5 || (int32_t)v->c.args[a->aux] == AT_FDCWD;

	if (uring_flags(v) & (cwd ? HT_URING_F_CWD_LATER : HT_URING_F_DIRFD_LATER))
		return true;
	return !absolute && v->c.h.flags & HT_EV_F_SHARED_FILES;
}

static void path_relative(const struct view *v, const struct call_arg *a, struct str s, char (*room)[PATH_ROOM],
			  struct path_result *p)
{
	struct walk_view base;

	if (!walk_usable(view_slot(v, SLOT_WALK_BASE, a->arg), room[0], &base))
		return;
	if (base.in_root.n)
		p->in_root = joined(room[1], base.in_root, s);
	p->truncated = base.w.flags & HT_WALK_F_TRUNCATED;
	if (base.kind)
		p->kind = base.kind;
	p->path = joined(room[0], base.path, s);
}

/* The empty string (AT_EMPTY_PATH) or none at all: the call is about the directory descriptor's object. A string can have been another one before. */
static void path_empty(const struct view *v, const struct call_arg *a, char *room, struct path_result *p)
{
	bool string = v->c.args[a->arg] && !uring_copied(v);
	struct walk_view base;

	if (view_failed(v) && v->c.ret == -ENOENT)
		return;
	if (walk_usable(view_slot(v, SLOT_WALK_BASE, a->arg), room, &base))
		path_is_object(p, &base);
	else
		path_is_socket(p, view_slot(v, SLOT_SOCK, a->arg), room);
	p->source = string ? SOURCE_USER : SOURCE_OBJECT;
	p->unverified |= string || begins_elsewhere(v, a, (struct str){ "", 0 });
}

static void path_user(const struct view *v, const struct call *row, const struct call_arg *a, char (*room)[PATH_ROOM],
		      struct path_result *p)
{
	const struct slot *at_exit = view_slot(v, SLOT_STR, a->arg), *at_enter = view_slot(v, SLOT_STR_ENTER, a->arg);
	struct str s;

	if (!slot_readable(at_exit) && !slot_readable(at_enter)) {
		if (!v->c.args[a->arg])
			path_empty(v, a, room[0], p);
		return;
	}
	if (slot_readable(at_exit))
		p->requested = slot_str(at_exit);
	if (slot_readable(at_enter)) {
		p->at_enter = slot_str(at_enter);
		p->changed = true;
	}
	s = p->at_enter.p ? p->at_enter : p->requested;		/* nearer to when the kernel took its copy */
	if (!s.n) {
		path_empty(v, a, room[0], p);
		return;
	}
	p->source = uring_copied(v) ? SOURCE_OBJECT : SOURCE_USER;
	p->unverified = p->source == SOURCE_USER || begins_elsewhere(v, a, s);
	if (s.p[0] == '/')
		path_absolute(v, row, a, s, room, p);
	else
		path_relative(v, a, s, room, p);
}

/* ---- the other kinds of path arguments ---- */

/* Is the last name of this path itself what the call is about, so that nobody follows a link there? */
static bool names_entry(const struct view *v, const struct call *row, const struct call_arg *a)
{
	switch ((enum ht_hook)calls_descs()[v->c.call].hook) {
	case HT_HOOK_REMOVE:
	case HT_HOOK_MKDIR:
	case HT_HOOK_SYMLINK:
	case HT_HOOK_MKNOD:
	case HT_HOOK_RENAME:
		return true;
	case HT_HOOK_LINK:
		return strcmp(a->name, "path");
	default:
		return a->kind == ARG_OPENED && !could_follow(v, row);
	}
}

/* A hook in the call saw what the string led to. */
static bool path_hooked(const struct view *v, const struct call *row, const struct call_arg *a, char (*room)[PATH_ROOM],
			struct path_result *p)
{
	unsigned arg = a->arg == HT_ARG_RET ? SLOT_RET : a->arg;
	const struct slot *at_exit = view_slot(v, SLOT_STR, arg), *at_enter = view_slot(v, SLOT_STR_ENTER, arg);
	struct walk_view w;

	if (!walk_usable(view_slot(v, SLOT_WALK_OBJECT, arg), room[0], &w))
		return false;
	path_is_object(p, &w);
	if (slot_readable(at_exit)) {
		p->requested = slot_str(at_exit);
		p->changed = names_entry(v, row, a) && contradicts(&w, p->requested);
	}
	if (slot_readable(at_enter)) {
		p->at_enter = slot_str(at_enter);
		p->changed = true;
	}
	return true;
}

static bool path_opened(const struct view *v, const struct call *row, const struct call_arg *a, char (*room)[PATH_ROOM],
			struct path_result *p)
{
	const struct slot *s = view_slot(v, SLOT_STR, a->arg);
	struct walk_view w;

	if (!view_ok(v) || !walk_usable(view_slot(v, SLOT_WALK_RET, SLOT_RET), room[0], &w))
		return false;
	path_is_object(p, &w);
	p->source = SOURCE_FD;
	p->unverified |= !!(v->c.h.flags & HT_EV_F_SHARED_FILES);
	if (slot_readable(s)) {
		p->requested = slot_str(s);
		p->changed = !could_follow(v, row) && contradicts(&w, p->requested);
	}
	return true;
}

/* A relative name that was entered: where the task stands now is what it was. */
static bool path_entered(const struct view *v, const struct call_arg *a, char *room, struct path_result *p)
{
	const struct slot *s = view_slot(v, SLOT_STR, a->arg);
	struct walk_view w;

	if (!view_ok(v) || !slot_readable(s) || !walk_usable(view_slot(v, SLOT_WALK_BASE, a->arg), room, &w))
		return false;
	path_is_object(p, &w);
	p->source = SOURCE_FD;
	p->unverified |= !!(v->c.h.flags & HT_EV_F_SHARED_FILES);
	p->requested = slot_str(s);
	return true;
}

static void path_fd(const struct view *v, const struct call_arg *a, char (*room)[PATH_ROOM], struct path_result *p)
{
	bool ret = a->arg == HT_ARG_RET;
	struct walk_view w;

	if (ret && !view_ok(v))
		return;
	if (walk_usable(view_slot(v, ret ? SLOT_WALK_RET : SLOT_WALK_FD, ret ? SLOT_RET : a->arg), room[0], &w))
		path_is_object(p, &w);
	else if (!path_is_socket(p, view_slot(v, SLOT_SOCK, ret ? SLOT_RET : a->arg), room[0]))
		return;
	if (ret)
		p->source = SOURCE_FD;
	p->unverified |= !!(v->c.h.flags & HT_EV_F_SHARED_FILES);
}

static bool path_executed(const struct view *v, char (*room)[PATH_ROOM], struct path_result *p)
{
	struct walk_view w;

	if (!(v->c.h.flags & HT_EV_F_EXEC) || !walk_usable(view_slot(v, SLOT_WALK_EXE, SLOT_TASK), room[0], &w))
		return false;
	path_is_object(p, &w);
	p->requested = slot_str(view_slot(v, SLOT_KSTR, 0));
	return true;
}

void path_of_arg(const struct view *v, const struct call *row, const struct call_arg *a, char (*room)[PATH_ROOM],
		 struct path_result *ret_p)
{
	memset(ret_p, 0, sizeof(*ret_p));
	if (path_hooked(v, row, a, room, ret_p))
		return;
	if (a->kind == ARG_FDPATH)
		path_fd(v, a, room, ret_p);
	else if (path_executed(v, room, ret_p) || (a->kind == ARG_OPENED && path_opened(v, row, a, room, ret_p)) ||
		 (a->kind == ARG_ENTERED && path_entered(v, a, room[0], ret_p)))
		return;
	else
		path_user(v, row, a, room, ret_p);
}

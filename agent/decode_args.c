// SPDX-License-Identifier: Apache-2.0
/* decode_args.c - request parameters, by the kind that the table gives each argument. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "decode_internal.h"
#include "lib/cleanup.h"
#include "proto/redact.h"

void list_add(struct str *list, unsigned *n, const char *name)
{
	for (unsigned i = 0; i < *n; i++)
		if (list[i].n == strlen(name) && !memcmp(list[i].p, name, list[i].n))
			return;
	if (*n < LIST_MAX)
		list[(*n)++] = (struct str){ name, strlen(name) };
}

void put_flags(struct decoder *d, unsigned field, const struct flagset *set, uint64_t v)
{
	char rest[FLAGS_REST_MAX];

	batch_strings(d->b, field, d->list, flags_names(set, v, d->list, rest));
}

void put_name(struct decoder *d, unsigned field, const struct flagset *set, uint64_t v)
{
	char rest[FLAGS_REST_MAX];
	struct str s = flags_value(set, v, rest);

	batch_string(d->b, field, s.p, s.n);
}

static void put_text(struct decoder *d, const struct call_arg *a, unsigned first, struct str s)
{
	batch_string(d->b, first, s.p, s.n);
}

void put_doubt(struct decoder *d, const struct slot *s, const char *name)
{
	if (slot_doubted(s))
		list_add(d->unverified, &d->nunverified, name);
	d->changed |= !!(s->flags & HT_FIELD_F_CHANGED);
}

/* The string as read; NULL pointers are absent, unreadable and cut ones are listed. */
static bool string_of(struct decoder *d, const struct call_arg *a, struct str *ret_s)
{
	const struct slot *s = view_slot(&d->v, SLOT_STR, a->arg);

	if (!s)
		return false;
	if (s->flags & HT_FIELD_F_FAULT) {
		if (d->v.c.args[a->arg])
			list_add(d->unreadable, &d->nunreadable, a->name);
		return false;
	}
	if (s->flags & HT_FIELD_F_CUT)
		list_add(d->cut, &d->ncut, a->name);
	put_doubt(d, s, a->name);
	*ret_s = slot_str(s);
	return true;
}

static void put_string(struct decoder *d, const struct call_arg *a, unsigned first)
{
	struct str s;

	if (string_of(d, a, &s))
		put_text(d, a, first, s);
}

static void put_options(struct decoder *d, const struct call_arg *a, unsigned first)
{
	struct str s;

	if (!string_of(d, a, &s))
		return;
	redact_options(&s, d->argv_room, sizeof(d->argv_room));
	put_text(d, a, first, s);
}

/* fsconfig's commands: SET_FLAG has a key; SET_STRING, SET_PATH and SET_PATH_EMPTY a text value too. */
static void put_fsconfig(struct decoder *d, const struct call_arg *a, unsigned first)
{
	uint32_t command = (uint32_t)d->v.c.args[1];
	const struct slot *key = view_slot(&d->v, SLOT_STR, 2);
	struct str s;

	if (command > 5 || (a->kind == ARG_FSVALUE && command != 1 && command != 3 && command != 4))
		return;
	if (!string_of(d, a, &s))
		return;
	if (a->kind == ARG_FSVALUE && key && redact_is_secret_name((const char *)key->p, key->n))
		s = (struct str){ REDACT_HIDDEN, sizeof(REDACT_HIDDEN) - 1 };
	put_text(d, a, first, s);
}

static void put_namelen(struct decoder *d, const struct call_arg *a, unsigned first)
{
	uint64_t len = arg_uword(&d->v, a->aux);
	struct str s;

	if (!string_of(d, a, &s))
		return;
	if (s.n > len)
		s.n = (size_t)len;
	put_text(d, a, first, s);
}

static void put_dev(struct decoder *d, const struct call_arg *a, unsigned first)
{
	uint32_t dev = (uint32_t)d->v.c.args[a->arg], type = (uint32_t)d->v.c.args[a->aux] & S_IFMT;
	struct str s;

	if (type != S_IFCHR && type != S_IFBLK)
		return;
	s = device_text(d, (dev & 0xfff00) >> 8, (dev & 0xff) | (dev >> 12 & 0xfff00));
	batch_string(d->b, first, s.p, s.n);
}

static void put_create_mode(struct decoder *d, const struct call_arg *a, unsigned first)
{
	uint64_t flags = d->v.c.args[a->aux];

	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE)
		batch_int(d->b, first, (int64_t)(d->v.c.args[a->arg] & 07777));
}

static bool str_same(struct str a, struct str b)
{
	return a.n == b.n && !memcmp(a.p, b.p, a.n);
}

static void put_path(struct decoder *d, const struct call_arg *a, unsigned first)
{
	const struct slot *s = view_slot(&d->v, SLOT_STR, a->arg == HT_ARG_RET ? SLOT_RET : a->arg);
	struct path_result *p = &d->path[d->npaths];

	path_of_arg(&d->v, d->row, a, d->room[d->npaths], p);
	d->npaths++;
	if (p->path.p)
		batch_string(d->b, first + PATH_TEXT, p->path.p, p->path.n);
	if (a->kind == ARG_FDPATH)
		goto marks;
	if (p->requested.p && (!p->path.p || !str_same(p->requested, p->path)))
		batch_string(d->b, first + PATH_REQUESTED, p->requested.p, p->requested.n);
	if (p->at_enter.p)
		batch_string(d->b, first + PATH_AT_ENTER, p->at_enter.p, p->at_enter.n);
	if (s && s->flags & HT_FIELD_F_CUT)
		list_add(d->cut, &d->ncut, a->name);
	if (s && s->flags & HT_FIELD_F_FAULT && d->v.c.args[a->arg] && !p->path.p)
		list_add(d->unreadable, &d->nunreadable, a->name);
marks:
	if (p->unverified && p->path.p)
		list_add(d->unverified, &d->nunverified, a->name);
	d->changed |= p->changed;
	d->path_doubted |= p->changed || (p->object && p->unverified && !str_same(p->requested, p->path));
}

static int64_t id_value(uint64_t v)
{
	return (uint32_t)v == UINT32_MAX ? -1 : (int64_t)(uint32_t)v;
}

static uint64_t protocol_value(const struct view *v, unsigned arg)
{
	uint64_t p = (uint32_t)v->c.args[arg];

	return (uint32_t)v->c.args[0] == AF_NETLINK ? p | 1ull << 32 : p;
}

static void put_protocol(struct decoder *d, const struct call_arg *a, unsigned first)
{
	uint32_t family = (uint32_t)d->v.c.args[0];
	char rest[FLAGS_REST_MAX];
	struct str s = { 0 };

	if (family == AF_INET || family == AF_INET6 || family == AF_NETLINK)
		s = flags_known(&flagset_sockproto, protocol_value(&d->v, a->arg));
	if (!s.p)
		s = (struct str){ rest, text_u64((uint32_t)d->v.c.args[a->arg], rest) };
	batch_string(d->b, first, s.p, s.n);
}

/* Flags that share their register with a mode or another number show the bits alone. */
static uint64_t flags_mask(const struct flagset *set)
{
	return set == &flagset_ipc || set == &flagset_shm ? ~0777ull : ~0ull;
}

static uint64_t enum_value(const struct view *v, const struct call_arg *a)
{
	uint64_t x = v->c.args[a->arg];

	if (a->set == &flagset_ipcctl || a->set == &flagset_semctl)
		return x & 0xff;	/* without IPC_64 */
	if (a->set == &flagset_reboot || a->set == &flagset_family)
		return (uint32_t)x;
	return (uint64_t)(int64_t)(int32_t)x;
}

static void put_number(struct decoder *d, const struct call_arg *a, unsigned first)
{
	const struct view *v = &d->v;
	uint64_t x = v->c.args[a->arg];
	int64_t value;

	switch (a->kind) {
	case ARG_INT:
	case ARG_PID:
	case ARG_DIRFD:
		value = (int32_t)x;
		break;
	case ARG_UINT:
		value = (uint32_t)x;
		break;
	case ARG_LONG:
		value = arg_word(v, a->arg);
		break;
	case ARG_OFF64:
		value = (int64_t)((uint64_t)(uint32_t)v->c.args[a->arg + 1] << 32 | (uint32_t)x);
		break;
	case ARG_OCTAL:
		value = (int64_t)(x & 07777);
		break;
	case ARG_ID:
		value = id_value(x);
		break;
	case ARG_ID16:
		value = (uint16_t)x == UINT16_MAX ? -1 : (uint16_t)x;
		break;
	case ARG_NUMBER:
		value = v->c.nr;
		break;
	default:		/* ARG_ULONG, ARG_HEX, ARG_EXTRA */
		value = (int64_t)arg_uword(v, a->arg);
		break;
	}
	batch_int(d->b, first, value);
}

/* An option's name by its level; its number alone where this build has no name for it. */
static void put_sockopt(struct decoder *d, const struct call_arg *a, unsigned first)
{
	uint32_t option = (uint32_t)d->v.c.args[a->arg];
	struct str s = flags_known(a->set, (uint64_t)(uint32_t)d->v.c.args[a->aux] << 32 | option);
	char digits[FLAGS_REST_MAX];

	if (!s.p)
		s = (struct str){ digits, text_u64(option, digits) };
	batch_string(d->b, first, s.p, s.n);
}

/* ioctl requests are made of parts: without a name they are hexadecimal. */
static void put_request_number(struct decoder *d, const struct call_arg *a, unsigned first)
{
	uint32_t request = (uint32_t)d->v.c.args[a->arg];
	struct str s = flags_known(a->set, request);
	char digits[FLAGS_REST_MAX];

	if (!s.p)
		s = (struct str){ digits, text_hex(request, digits) };
	batch_string(d->b, first, s.p, s.n);
}

static void put_named(struct decoder *d, const struct call_arg *a, unsigned first)
{
	const struct view *v = &d->v;
	uint64_t x = v->c.args[a->arg];

	switch (a->kind) {
	case ARG_FLAGS:
		put_flags(d, first, a->set, arg_uword(v, a->arg) & flags_mask(a->set));
		break;
	case ARG_QUOTA:
		put_name(d, first, a->set, (uint32_t)x >> 8);
		break;
	case ARG_IPCCALL:
		put_name(d, first, a->set, x & 0xffff);
		break;
	case ARG_FILETYPE:
		put_name(d, first, a->set, x & S_IFMT);
		break;
	case ARG_SOCKOPT:
		put_sockopt(d, a, first);
		break;
	default:
		if (a->set == &flagset_ioctl)
			put_request_number(d, a, first);
		else
			put_name(d, first, a->set, enum_value(v, a));
		break;
	}
}

/* Is this number one that was given? A directory may be the current one, and an operation may take fewer arguments. */
static bool is_given(const struct decoder *d, const struct call_arg *a)
{
	if (a->kind == ARG_DIRFD)
		return (int32_t)d->v.c.args[a->arg] != AT_FDCWD;
	return a->kind != ARG_EXTRA || a->arg <= operation_args(d->row, (uint32_t)d->v.c.args[0]);
}

static void put_one(struct decoder *d, const struct call_arg *a, unsigned first)
{
	switch ((enum arg_kind)a->kind) {
	case ARG_PATH:
	case ARG_OPENED:
	case ARG_ENTERED:
	case ARG_FDPATH:
		put_path(d, a, first);
		break;
	case ARG_FLAGS:
	case ARG_ENUM:
	case ARG_QUOTA:
	case ARG_IPCCALL:
	case ARG_FILETYPE:
	case ARG_SOCKOPT:
		put_named(d, a, first);
		break;
	case ARG_PROTOCOL:
		put_protocol(d, a, first);
		break;
	case ARG_CREATE_MODE:
		put_create_mode(d, a, first);
		break;
	case ARG_DEV:
		put_dev(d, a, first);
		break;
	case ARG_STR:
	case ARG_XATTR:
		put_string(d, a, first);
		break;
	case ARG_OPTIONS:
		put_options(d, a, first);
		break;
	case ARG_FSKEY:
	case ARG_FSVALUE:
		put_fsconfig(d, a, first);
		break;
	case ARG_NAMELEN:
		put_namelen(d, a, first);
		break;
	case ARG_PEER:
	case ARG_BOUND:
	case ARG_LOCAL:
		put_socket_arg(d, a, first);
		break;
	case ARG_ARGV:
		put_argv(d, a, first);
		break;
	case ARG_MEM:
		put_mem(d, a, first);
		break;
	default:
		if (is_given(d, a))
			put_number(d, a, first);
		break;
	}
}

void put_request(struct decoder *d)
{
	for (unsigned i = 0; i < d->shape->nargs; i++)
		put_one(d, &d->row->args[i], d->shape->first[i]);
}

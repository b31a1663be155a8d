// SPDX-License-Identifier: Apache-2.0
/* decode.c - one call event becomes one record: row and shape, head, request, result, and what is uncertain. */
#include "decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decode_internal.h"
#include "lib/cleanup.h"

int decoder_new(struct decoder **ret_d)
{
	struct decoder *d;
	int r = call_shapes_build();

	if (r < 0)
		return r;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	*ret_d = d;
	return 0;
}

void decoder_guard(struct decoder *d, struct guard *g)
{
	d->guard = g;
}

void decoder_actor(struct decoder *d, const struct ident *who)
{
	d->who = who;
}

void decoder_free(struct decoder **d)
{
	if (!d)
		return;
	free(*d);
	*d = NULL;
}

/* A call that came through a multiplexer (i386 socketcall, ipc) has the row of the call behind it, and still its number. */
static const char *came_through(const struct ht_call *c)
{
	unsigned made = c->h.abi < HT_ABI__MAX && c->nr < HT_NR_MAX ? calls_index(c->h.abi)[c->nr] : 0;

	return made != c->call && calls_multiplexer(made) ? calls_name(made) : NULL;
}

static int row_take(struct decoder *d)
{
	d->row = calls_row(d->v.c.call);
	d->shape = call_shape(d->v.c.call);
	d->via = came_through(&d->v.c);
	return d->row && d->shape ? 0 : -EBADMSG;
}

/* ---- head ---- */

static const char *error_of(const struct view *v)
{
	int64_t ret = v->c.ret;

	if (v->c.h.flags & HT_EV_F_INTERRUPTED || (view_failed(v) && ret <= -512 && ret >= -516))
		return "EINTR";
	return view_failed(v) ? errno_name((int)-ret) : NULL;
}

/* One event for several equal calls: its time is the last one's. A count that says nothing is not believed. */
static void head_repeat(const struct view *v, struct record_head *h)
{
	const struct slot *s = view_slot(v, SLOT_REPEAT, SLOT_TASK);
	struct ht_repeat r;

	if (!s || s->flags & HT_FIELD_F_FAULT)
		return;
	memcpy(&r, s->p, sizeof(r));
	if (r.count < 2 || r.first > h->time)
		return;
	h->repeat_count = r.count;
	h->first_time = r.first;
}

static struct record_head head_of(struct decoder *d, uint32_t identity)
{
	const struct ht_call *c = &d->v.c;
	struct record_head h = {
		.ring_class = c->h.class, .cpu = c->h.cpu, .seq = c->h.seq, .time = c->h.time, .identity = identity,
		.request = c->task_calls, .error = error_of(&d->v), .restarts = c->restarts,
	};

	head_repeat(&d->v, &h);
	d->calls = h.repeat_count ? h.repeat_count : 1;

	if (d->row->ret == RET_ADDRESS && view_ok(&d->v)) {
		address_of_sock(view_slot(&d->v, SLOT_SOCK, SLOT_RET), true, &d->peer);
		if (d->peer.address.p)
			h.source_ip = d->peer.address;
	}
	return h;
}

/* One that was seen to be exchanged, or was hidden until the call ended, is taken for the more important. */
static bool xattr_management(const struct slot *s)
{
	return xattr_is_management(slot_str(s)) || (s && s->flags & (HT_FIELD_F_CHANGED | HT_FIELD_F_ONCE));
}

static bool management(const struct decoder *d)
{
	for (unsigned i = 0; i < d->shape->nargs; i++)
		if (d->row->args[i].kind == ARG_XATTR)
			return xattr_management(view_slot(&d->v, SLOT_STR, d->row->args[i].arg));
	return false;
}

/* ---- result ---- */

static void put_fds(struct decoder *d, unsigned field)
{
	const struct slot *s = view_slot(&d->v, SLOT_MEM, 3);	/* socketpair's; pipe's are in the first */
	int32_t fd[2];

	if (!s)
		s = view_slot(&d->v, SLOT_MEM, 0);

	if (!s || s->n < sizeof(fd))
		return;
	memcpy(fd, s->p, sizeof(fd));
	batch_ints(d->b, field, (int64_t[]){ fd[0], fd[1] }, 2);
}

/* Did io_uring_setup() put the ring into a slot of the task's own, and give no descriptor (IORING_SETUP_REGISTERED_FD_ONLY)? */
static bool ring_in_slot(const struct decoder *d)
{
	const struct slot *s = view_slot(&d->v, SLOT_MEM, 1);
	uint32_t flags = 0;

	if (s && !(s->flags & HT_FIELD_F_FAULT) && s->n >= 12)
		memcpy(&flags, s->p + 8, sizeof(flags));
	return flags & 1u << 15;
}

static void put_response(struct decoder *d)
{
	unsigned field = d->shape->ret;
	int64_t ret = d->v.c.ret;

	if (!view_ok(&d->v))
		return;
	switch ((enum ret_kind)d->row->ret) {
	case RET_NONE:
	case RET__MAX:
		break;
	case RET_INT:
		if (ret)
			batch_int(d->b, field, ret);
		break;
	case RET_FDS:
		put_fds(d, field);
		break;
	case RET_RING:
		batch_int(d->b, field + ring_in_slot(d), ret);
		break;
	case RET_ADDRESS:
		if (!(d->uring.flags & HT_URING_F_DIRECT))
			batch_int(d->b, field, ret);
		if (d->peer.family) {
			put_address(d, field + 1, &d->peer);
			put_exchangeable(d, "address");
		}
		break;
	default:
		if (!(d->uring.flags & HT_URING_F_DIRECT))
			batch_int(d->b, field, ret);
		break;
	}
}

/* ---- additionalEventData ---- */

static void put_source(struct decoder *d, unsigned field, enum source source)
{
	static const struct str names[] = { [SOURCE_FD] = { "fdAtExit", 8 }, [SOURCE_USER] = { "user", 4 } };

	if (source != SOURCE_OBJECT && field != FIELD_ABSENT)
		batch_string(d->b, field, names[source].p, names[source].n);
}

static void put_path_truth(struct decoder *d, const struct path_fields *f, const struct path_result *p)
{
	struct str s;

	if (!p->path.p)
		return;
	put_source(d, f->source, p->source);
	if (p->in_root.n && (p->in_root.n != p->path.n || memcmp(p->in_root.p, p->path.p, p->path.n)))
		batch_string(d->b, f->in_root, p->in_root.p, p->in_root.n);
	if (p->kind)
		batch_string(d->b, f->kind, p->kind, strlen(p->kind));
	if (p->truncated)
		batch_int(d->b, f->truncated, 1);
	if (!p->object || f->mount_id == FIELD_ABSENT)
		return;
	batch_int(d->b, f->mount_id, p->w.mnt_id);
	s = device_text(d, p->w.dev >> 20, p->w.dev & 0xfffff);
	batch_string(d->b, f->device, s.p, s.n);
	if (p->w.ino || p->w.mode)	/* what the call was about to make had none */
		batch_int(d->b, f->inode, (int64_t)p->w.ino);
}

static void put_list(struct decoder *d, enum common_field field, const struct str *v, unsigned n)
{
	if (n)
		batch_strings(d->b, d->shape->common[field], v, n);
}

static void put_word(struct decoder *d, enum common_field field, const char *s)
{
	if (s)
		batch_string(d->b, d->shape->common[field], s, strlen(s));
}

static void put_true(struct decoder *d, enum common_field field, bool v)
{
	if (v)
		batch_int(d->b, d->shape->common[field], 1);
}

static void put_own_address(struct decoder *d)
{
	if (d->shape->common[COMMON_LOCAL_ADDRESS] == FIELD_ABSENT)
		return;
	put_source(d, d->shape->common[COMMON_SOURCE_ADDRESS], d->address_source);
	if (!d->own.address.p || d->own.port <= 0)
		return;
	batch_string(d->b, d->shape->common[COMMON_LOCAL_ADDRESS], d->own.address.p, d->own.address.n);
	batch_int(d->b, d->shape->common[COMMON_LOCAL_PORT], d->own.port);
}

static void put_cwd(struct decoder *d)
{
	const struct slot *s = view_slot(&d->v, SLOT_WALK_CWD, SLOT_TASK);
	struct walk_view w;

	if (d->shape->common[COMMON_CWD] == FIELD_ABSENT || !s || s->flags & HT_FIELD_F_FAULT)
		return;
	if (walk_read(s->p, s->n, d->names[1], PATH_ROOM, &w) == 0 && !(w.w.flags & HT_WALK_F_NO_FILE))
		batch_string(d->b, d->shape->common[COMMON_CWD], w.path.p, w.path.n);
}

/* Who could have changed the call, or answered it in the kernel's place. */
static void put_supervised(struct decoder *d)
{
	struct str who[2];
	unsigned n = 0;

	if (d->v.c.h.flags & HT_EV_F_TRACED)
		list_add(who, &n, "tracer");
	if (d->v.c.h.flags & HT_EV_F_LISTENED)
		list_add(who, &n, "seccomp");
	put_list(d, COMMON_SUPERVISED, who, n);
}

#define ASKS_ONLY 0x10000	/* AT_EXECVE_CHECK, of execveat alone */

/* A fork or an exec that succeeded, and made nothing: who was not only asked has answered in the kernel's place. */
static bool answered(const struct decoder *d)
{
	const struct ht_call_desc *desc = &calls_descs()[d->v.c.call];

	if (!(desc->flags & (HT_CALL_F_FORK | HT_CALL_F_EXEC)) || d->v.c.ret || d->v.c.h.flags & (HT_EV_F_EXEC | HT_EV_F_IN_CALL))
		return false;
	return desc->nargs != 5 || !(desc->flags & HT_CALL_F_EXEC) || !(d->v.c.args[4] & ASKS_ONLY);
}

static void put_additional(struct decoder *d)
{
	uint16_t flags = d->v.c.h.flags;

	for (unsigned i = 0; i < d->npaths; i++)
		put_path_truth(d, &d->shape->path[i], &d->path[i]);
	if (flags & HT_EV_F_DOUBTED || answered(d) || (d->uring.flags & HT_URING_F_PREP))	/* what was refused lies in memory that anybody may have changed behind that */
		list_add(d->unverified, &d->nunverified, "call");
	put_list(d, COMMON_UNVERIFIED, d->unverified, d->nunverified);
	put_true(d, COMMON_CHANGED, d->changed || flags & HT_EV_F_CHANGED);
	put_supervised(d);
	put_word(d, COMMON_ABI, arch_abi_name(d->v.c.h.abi));
	put_word(d, COMMON_VIA, d->via);
	put_list(d, COMMON_UNREADABLE, d->unreadable, d->nunreadable);
	put_list(d, COMMON_CUT, d->cut, d->ncut);
	put_word(d, COMMON_NO_RESULT, flags & HT_EV_F_IN_CALL ? "the task ended inside the call" :
				      flags & HT_EV_F_REFUSED ? "seccomp refused the call" : uring_no_result(d));
	put_true(d, COMMON_TRUNCATED, flags & HT_EV_F_TRUNCATED);
	put_true(d, COMMON_ENTER_MISSED, flags & HT_EV_F_ENTER_MISSED);
	put_own_address(d);
	put_cwd(d);
	put_uring(d);
}

/* ---- the whole ---- */

static void forget(struct decoder *d)
{
	d->npaths = d->nunverified = d->nunreadable = d->ncut = 0;
	d->changed = d->path_doubted = false;
	d->address_source = SOURCE_OBJECT;
	d->peer.family = d->own.family = 0;
	d->peer.address.p = d->own.address.p = NULL;
}

static void put_noted(struct decoder *d)
{
	if (d->self_test)
		batch_int(d->b, d->shape->noted + NOTED_SELF_TEST, 1);
	if (!d->tamper.kind)
		return;
	batch_string(d->b, d->shape->noted + NOTED_TAMPER_KIND, d->tamper.kind, strlen(d->tamper.kind));
	batch_string(d->b, d->shape->noted + NOTED_TAMPER_TARGET, d->tamper.target, strlen(d->tamper.target));
}

static int begin(struct decoder *d, uint32_t identity)
{
	bool inside = d->who && d->who->id.ns_pid != FIRST_PID_NAMESPACE;
	const struct shape *shape =
		&(inside ? d->shape->inside : d->shape->v)[call_read_only(d->row, &d->v)][management(d)][d->self_test || d->tamper.kind];
	struct record_head head;
	int r;

	forget(d);
	uring_take(d);
	head = head_of(d, identity);
	r = batch_begin(d->b, shape, &head);
	if (!r)
		put_request(d);
	return r;
}

/* Only the decoded request tells whether the call was aimed at us; then the record begins anew, with the fields for it. */
static int begin_guarded(struct decoder *d, uint32_t identity)
{
	int r = begin(d, identity);

	if (r < 0 || !d->guard)
		return r;
	guard_look(d->guard, d, d->who, &d->tamper);
	if (!d->tamper.kind || d->self_test)
		return 0;
	batch_cancel(d->b);
	return begin(d, identity);
}

static int decode(struct decoder *d, const struct ht_call *ev, uint32_t n, struct batch *b, uint32_t identity)
{
	int r = view_take(&d->v, ev, n);

	if (r < 0)
		return r;
	r = row_take(d);
	if (r < 0)
		return r;
	d->b = b;
	d->tamper.kind = NULL;
	r = begin_guarded(d, identity);
	if (r < 0)
		return r;
	put_response(d);
	put_additional(d);
	put_noted(d);
	return batch_end(b);
}

int decode_call(struct decoder *d, const struct ht_call *ev, uint32_t n, struct batch *b, uint32_t identity)
{
	d->self_test = false;
	return decode(d, ev, n, b, identity);
}

uint64_t decoder_calls(const struct decoder *d)
{
	return d->calls;
}

bool decoder_aimed(const struct decoder *d)
{
	return d->tamper.kind;
}

bool decoder_path_doubted(const struct decoder *d)
{
	return d->path_doubted;
}

int decode_call_of_test(struct decoder *d, const struct ht_call *ev, uint32_t n, struct batch *b, uint32_t identity)
{
	d->self_test = true;
	return decode(d, ev, n, b, identity);
}

static struct str task_path(struct decoder *d, enum slot_kind kind, char *room)
{
	const struct slot *s = view_slot(&d->v, kind, SLOT_TASK);
	struct walk_view w;

	if (!s || s->flags & HT_FIELD_F_FAULT || walk_read(s->p, s->n, room, PATH_ROOM, &w) < 0)
		return (struct str){ 0 };
	return w.path;
}

int decode_exec(struct decoder *d, const struct ht_call *ev, uint32_t n, struct exec_view *ret_v)
{
	struct exec_view e = { 0 };
	const struct slot *s = NULL;
	int r = view_take(&d->v, ev, n);

	if (r < 0)
		return r;
	if (!(d->v.c.h.flags & HT_EV_F_EXEC))
		return -EINVAL;
	e.executable = task_path(d, SLOT_WALK_EXE, d->names[0]);
	e.cwd = task_path(d, SLOT_WALK_CWD, d->names[1]);
	for (unsigned arg = 0; arg < 8 && !s; arg++)
		s = view_slot(&d->v, SLOT_ARGV, arg);
	if (s && !(s->flags & HT_FIELD_F_FAULT)) {
		e.argv = s->p + sizeof(uint64_t);
		e.argv_len = s->n - (uint32_t)sizeof(uint64_t);
	}
	*ret_v = e;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.c - writes RecordBatch bytes directly: no protobuf-c objects, nothing
 * allocated per record. Each repeated field of the batch grows in a buffer of
 * its own, in wire form; batch_finish() only puts them one after the other.
 */
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(e) ((e)->index = UINT32_MAX)
#include <uthash.h>

#include "frame.h"
#include "intern.h"
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "wire.h"

/* Numbers of RecordBatch's fields. */
enum { BATCH_HOST = 1, BATCH_START, BATCH_STRING, BATCH_SHAPE, BATCH_PROCESS, BATCH_IDENTITY, BATCH_RING, BATCH_RECORD, BATCH_FILTERED };

#define RING_CLASSES 16
#define RING_CPUS 4096			/* eventID has twelve bits for the CPU */
#define RECORD_HEAD_MAX (19 * WIRE_FIELD_MAX)

struct shape_slot {
	UT_hash_handle hh;
	const struct shape *shape;	/* key: the pointer itself */
	uint32_t index;
};

struct identity_slot {
	UT_hash_handle hh;
	uint64_t key;
	uint32_t index;
	struct identity_slot *next_free;
};

struct ring_state {
	uint8_t ring_class;
	uint16_t cpu;
	uint64_t seq;			/* of its last record in the batch */
};

struct batch {
	struct intern strings, processes;
	struct buf host, start, shapes, identities, rings, records, out, scratch;
	struct shape_slot *shape_slots, *last_shape;
	struct identity_slot *identity_slots, *free_slots;
	uint32_t nshapes, nidentities, nrings, nrecords;
	struct ring_state *ring;	/* nrings of them; ring_max allocated */
	uint32_t ring_max;
	uint64_t first_time, last_time, previous_time, filtered;
	uint64_t text;			/* bytes that its records' fields name */
	const struct batch_tap *tap;	/* not NULL: nothing is kept */
	/* the record under construction */
	const struct shape *shape;	/* NULL: none */
	struct buf values;
	uint8_t head[RECORD_HEAD_MAX];
	size_t head_len, tail_len;	/* in head: the fields before values, and those after */
	uint64_t present, time, seq;
	size_t record_text;		/* bytes that its fields name */
	uint32_t ring_at;
	int field, error;		/* last field put; first failure */
	uint16_t ring_index[RING_CLASSES][RING_CPUS];	/* index into ring + 1; 0: not in this batch */
};

int batch_new(struct batch **ret_b)
{
	struct batch *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	r = intern_init(&b->strings, BATCH_STRING, BATCH_STRINGS_MAX);
	if (!r)
		r = intern_init(&b->processes, BATCH_PROCESS, BATCH_TABLE_MAX);
	if (!r && intern_add(&b->strings, "", 0) < 0)
		r = -ENOMEM;
	if (r < 0) {
		batch_free(&b);
		return r;
	}
	*ret_b = b;
	return 0;
}

int batch_new_tapped(const struct batch_tap *tap, struct batch **ret_b)
{
	int r = batch_new(ret_b);

	if (!r)
		(*ret_b)->tap = tap;
	return r;
}

/* Slots live as long as one batch's content. Every exec makes an identity: those slots are kept for the next batch. */
static void forget_slots(struct batch *b)
{
	struct shape_slot *s, *s_next;
	struct identity_slot *i, *i_next;

	HASH_ITER(hh, b->shape_slots, s, s_next) {
		HASH_DEL(b->shape_slots, s);
		free(s);
	}
	HASH_ITER(hh, b->identity_slots, i, i_next) {
		HASH_DEL(b->identity_slots, i);
		i->next_free = b->free_slots;
		b->free_slots = i;
	}
	b->last_shape = NULL;
}

static struct identity_slot *identity_slot_take(struct batch *b)
{
	struct identity_slot *s = b->free_slots;

	if (!s)
		return malloc(sizeof(*s));
	b->free_slots = s->next_free;
	return s;
}

void batch_free(struct batch **pb)
{
	struct batch *b = *pb;

	if (!b)
		return;
	forget_slots(b);
	while (b->free_slots)
		free(identity_slot_take(b));
	intern_free(&b->strings);
	intern_free(&b->processes);
	for (struct buf *const *v = (struct buf *const[]){ &b->host, &b->start, &b->shapes, &b->identities, &b->rings,
	     &b->records, &b->out, &b->scratch, &b->values, NULL }; *v; v++)
		buf_free(*v);
	free(b->ring);
	free(b);
	*pb = NULL;
}

static void forget_rings(struct batch *b)
{
	for (uint32_t i = 0; i < b->nrings; i++)
		b->ring_index[b->ring[i].ring_class][b->ring[i].cpu] = 0;
	b->nrings = 0;
}

static int add_message(struct buf *out, unsigned field, const void *p, size_t n)
{
	uint8_t head[WIRE_FIELD_MAX], *end = wire_varint(wire_tag(head, field, WIRE_BYTES), n);
	int r = buf_reserve(out, (size_t)(end - head) + n);

	if (r < 0)
		return r;
	buf_add(out, head, (size_t)(end - head));
	return buf_add(out, p, n);
}

static int host_write(struct batch *b, const struct record_host *h)
{
	const char *const v[] = { h->host_id, h->machine_id, h->boot_id, h->hostname, h->kernel_release, h->agent_version,
				  h->region, h->account };
	int r = 0;

	buf_reset(&b->scratch);
	for (unsigned i = 0; !r && i < ARRAY_SIZE(v); i++)
		if (v[i] && strlen(v[i]) > HOST_TEXT_MAX)
			r = -EINVAL;
		else if (v[i] && *v[i])
			r = add_message(&b->scratch, i + 1, v[i], strlen(v[i]));
	return r ? r : add_message(&b->host, BATCH_HOST, b->scratch.p, b->scratch.n);
}

int batch_reset(struct batch *b, const struct record_host *host)
{
	batch_cancel(b);
	forget_slots(b);
	forget_rings(b);
	intern_reset(&b->strings);
	intern_reset(&b->processes);
	buf_reset(&b->host);
	buf_reset(&b->start);
	buf_reset(&b->shapes);
	buf_reset(&b->identities);
	buf_reset(&b->rings);
	buf_reset(&b->records);
	b->nshapes = b->nidentities = b->nrecords = 0;
	b->first_time = b->last_time = b->previous_time = b->filtered = b->text = 0;
	if (intern_add(&b->strings, "", 0) < 0)
		return -ENOMEM;
	return host_write(b, host);
}

int batch_stream_start(struct batch *b, const uint8_t previous[16], const uint8_t previous_hash[32], uint64_t boot_time)
{
	uint8_t m[128], *p = m;

	if (previous) {
		p = wire_bytes(p, 1, previous, 16);
		p = wire_bytes(p, 2, previous_hash, 32);
	}
	p = wire_number(p, 3, boot_time);
	buf_reset(&b->start);
	return add_message(&b->start, BATCH_START, m, (size_t)(p - m));
}

static int64_t string_index(struct batch *b, const void *p, size_t n)
{
	if (!n)
		return 0;
	if (n > BATCH_STRING_MAX)
		return -E2BIG;
	return intern_add(&b->strings, p, n);
}

uint32_t batch_str(struct batch *b, const void *p, size_t n)
{
	int64_t i = string_index(b, p, n);

	return i < 0 ? 0 : (uint32_t)i;
}

/* For messages with several strings: failure is remembered in *error, checked once at the end. */
static uint32_t str_or(struct batch *b, struct str s, int *error)
{
	int64_t i = s.p ? string_index(b, s.p, s.n) : 0;

	if (i < 0) {
		*error = (int)i;
		return 0;
	}
	return (uint32_t)i;
}

static uint32_t text_or(struct batch *b, const char *s, int *error)
{
	return s ? str_or(b, (struct str){ s, strlen(s) }, error) : 0;
}

/* ---- processes and identities */

/* A packed repeated uint32; nothing when all are zero and `sparse`. */
static uint8_t *put_packed(uint8_t *p, unsigned field, const uint32_t *v, unsigned n, bool sparse)
{
	size_t len = 0;
	uint32_t any = 0;

	for (unsigned i = 0; i < n; i++) {
		len += wire_varint_len(v[i]);
		any |= v[i];
	}
	if (!n || (sparse && !any))
		return p;
	p = wire_varint(wire_tag(p, field, WIRE_BYTES), len);
	for (unsigned i = 0; i < n; i++)
		p = wire_varint(p, v[i]);
	return p;
}

static int64_t process_index(struct batch *b, const struct record_process *x)
{
	uint8_t m[16 * WIRE_FIELD_MAX + 8 * WIRE_VARINT_MAX], *p = m;
	int error = 0;

	if (x->executable.n + x->executable_id.n + x->executable_sha256.n + x->command.n + x->cgroup.n + x->container.n + x->tty.n > PROCESS_TEXT_MAX)
		return -E2BIG;
	p = wire_number(p, 1, x->pid);
	p = wire_number(p, 2, x->start);
	p = wire_number(p, 3, x->parent_pid);
	p = wire_number(p, 4, x->parent_start);
	p = wire_number(p, 5, str_or(b, x->executable, &error));
	p = wire_number(p, 6, str_or(b, x->executable_id, &error));
	p = wire_number(p, 7, str_or(b, x->executable_sha256, &error));
	p = wire_number(p, 8, str_or(b, x->command, &error));
	p = wire_number(p, 9, str_or(b, x->cgroup, &error));
	p = wire_number(p, 10, str_or(b, x->container, &error));
	p = wire_number(p, 11, str_or(b, x->tty, &error));
	p = wire_number(p, 12, x->session_id);
	p = wire_number(p, 13, x->pid_in_ns);
	p = put_packed(p, 14, x->ns, ARRAY_SIZE(x->ns), true);
	p = wire_number(p, 15, x->flags);
	p = wire_number(p, 16, x->cgroup_id);
	return error ? error : intern_add(&b->processes, m, (size_t)(p - m));
}

static uint8_t *put_identity(struct batch *b, uint8_t *p, const struct record_identity *x, int *error)
{
	unsigned ngroups = x->ngroups < ARRAY_SIZE(x->groups) ? x->ngroups : ARRAY_SIZE(x->groups);

	p = wire_number(p, 2, x->tid);
	p = wire_number(p, 3, x->tid_start);
	p = wire_number(p, 4, x->type);
	p = wire_number(p, 5, str_or(b, x->principal_id, error));
	p = wire_number(p, 6, str_or(b, x->arn_tail, error));
	p = wire_number(p, 7, str_or(b, x->user_name, error));
	p = wire_number(p, 8, str_or(b, x->invoked_by, error));
	p = wire_number(p, 9, str_or(b, x->issuer_name, error));
	p = wire_number(p, 10, x->issuer_uid);
	p = wire_number(p, 11, str_or(b, x->source_identity, error));
	p = wire_number(p, 12, str_or(b, x->via, error));
	p = wire_number(p, 13, (uint64_t)x->session_start);
	p = wire_number(p, 14, str_or(b, x->source_ip, error));
	p = wire_number(p, 15, str_or(b, x->why_unknown, error));
	p = wire_number(p, 16, x->loginuid);
	p = wire_number(p, 17, x->audit_session);
	p = put_packed(p, 18, x->uids, ARRAY_SIZE(x->uids), false);
	p = put_packed(p, 19, x->gids, ARRAY_SIZE(x->gids), false);
	p = put_packed(p, 20, x->groups, ngroups, false);
	p = wire_number(p, 21, x->uid_in_ns);
	return wire_number(p, 22, x->cap_effective);
}

int64_t batch_identity_find(const struct batch *b, uint64_t key)
{
	const struct identity_slot *s;

	HASH_FIND(hh, b->identity_slots, &key, sizeof(key), s);
	return s ? (int64_t)s->index : -1;
}

int64_t batch_identity(struct batch *b, uint64_t key, const struct record_identity *id)
{
	uint8_t m[24 * WIRE_FIELD_MAX + 40 * WIRE_VARINT_MAX], *p;
	_cleanup_free_ struct identity_slot *s = NULL;
	int64_t process, known = batch_identity_find(b, key);
	int r = 0;

	if (known >= 0)
		return known;
	if (b->nidentities >= BATCH_TABLE_MAX)
		return -E2BIG;
	process = process_index(b, &id->process);
	if (process < 0)
		return process;
	p = put_identity(b, wire_number(m, 1, (uint64_t)process), id, &r);
	s = identity_slot_take(b);
	if (r < 0 || !s)
		return r < 0 ? r : -ENOMEM;
	s->key = key;
	s->index = b->nidentities;
	HASH_ADD(hh, b->identity_slots, key, sizeof(s->key), s);
	if (s->index == UINT32_MAX)
		return -ENOMEM;
	r = add_message(&b->identities, BATCH_IDENTITY, m, (size_t)(p - m));
	if (r < 0) {
		HASH_DEL(b->identity_slots, s);
		return r;
	}
	b->nidentities++;
	return (int64_t)TAKE_PTR(s)->index;
}

/* ---- shapes and rings */

static int shape_write(struct batch *b, const struct shape *x)
{
	uint8_t m[5 * WIRE_FIELD_MAX], f[4 * WIRE_FIELD_MAX], *p = m;
	int r = 0;

	p = wire_number(p, 1, text_or(b, x->event_source, &r));
	p = wire_number(p, 2, text_or(b, x->event_name, &r));
	p = wire_number(p, 3, text_or(b, x->event_type, &r));
	p = wire_number(p, 4, x->category);
	p = wire_number(p, 5, x->read_only);
	buf_reset(&b->scratch);
	if (!r)
		r = buf_add(&b->scratch, m, (size_t)(p - m));
	for (unsigned i = 0; !r && i < x->nfields; i++) {
		p = wire_number(f, 1, x->fields[i].section);
		p = wire_number(p, 2, text_or(b, x->fields[i].name, &r));
		p = wire_number(p, 3, x->fields[i].kind);
		p = wire_number(p, 4, text_or(b, x->fields[i].resource_type, &r));
		if (!r)
			r = add_message(&b->scratch, 6, f, (size_t)(p - f));
	}
	return r ? r : add_message(&b->shapes, BATCH_SHAPE, b->scratch.p, b->scratch.n);
}

static int shape_add(struct batch *b, const struct shape *shape, struct shape_slot **ret_s)
{
	_cleanup_free_ struct shape_slot *s = NULL;
	int r = shape_check(shape, NULL);

	if (r < 0)
		return r;
	if (b->nshapes >= BATCH_SHAPES_MAX)
		return -E2BIG;
	s = malloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->shape = shape;
	s->index = b->nshapes;
	HASH_ADD_PTR(b->shape_slots, shape, s);
	if (s->index == UINT32_MAX)
		return -ENOMEM;
	r = shape_write(b, shape);
	if (r < 0) {
		HASH_DEL(b->shape_slots, s);
		return r;
	}
	b->nshapes++;
	*ret_s = TAKE_PTR(s);
	return 0;
}

static int64_t shape_index(struct batch *b, const struct shape *shape)
{
	struct shape_slot *s = b->last_shape;
	int r;

	if (s && s->shape == shape)
		return s->index;
	HASH_FIND_PTR(b->shape_slots, &shape, s);
	if (!s) {
		r = shape_add(b, shape, &s);
		if (r < 0)
			return r;
	}
	b->last_shape = s;
	return s->index;
}

static int64_t ring_add(struct batch *b, const struct record_head *h)
{
	uint8_t m[3 * WIRE_FIELD_MAX], *p = m;
	int r;

	if (b->nrings >= BATCH_TABLE_MAX - 1)
		return -E2BIG;
	if (b->nrings == b->ring_max) {
		uint32_t max = b->ring_max ? b->ring_max * 2 : 16;
		struct ring_state *v = realloc(b->ring, max * sizeof(*v));

		if (!v)
			return -ENOMEM;
		b->ring = v;
		b->ring_max = max;
	}
	p = wire_number(p, 1, h->ring_class);
	p = wire_number(p, 2, h->cpu);
	p = wire_number(p, 3, h->seq);
	r = add_message(&b->rings, BATCH_RING, m, (size_t)(p - m));
	if (r < 0)
		return r;
	b->ring[b->nrings] = (struct ring_state){ h->ring_class, h->cpu, h->seq };
	b->ring_index[h->ring_class][h->cpu] = (uint16_t)(b->nrings + 1);
	return b->nrings++;
}

static int64_t ring_of(struct batch *b, const struct record_head *h)
{
	uint32_t i;

	if (h->ring_class >= RING_CLASSES || h->cpu >= RING_CPUS)
		return -EINVAL;
	i = b->ring_index[h->ring_class][h->cpu];
	return i ? (int64_t)i - 1 : ring_add(b, h);
}

/* ---- records */

/* The fields behind values: written in order, our bytes are those of any encoder that keeps the order. */
static uint8_t *tail_put(struct batch *b, const struct record_head *h, uint8_t *p, int *error)
{
	p = wire_number(p, 10, text_or(b, h->error_message, error));
	if (h->repeat_count > 1) {
		p = wire_number(p, 11, h->repeat_count);
		p = wire_number(p, 12, wire_zigzag((int64_t)(h->first_time - h->time)));
	}
	p = wire_number(p, 13, str_or(b, h->user_agent, error));
	p = wire_number(p, 14, str_or(b, h->access_key, error));
	p = wire_number(p, 15, h->restarts);
	p = wire_number(p, 16, str_or(b, h->region, error));
	p = wire_number(p, 17, str_or(b, h->request_id, error));
	return wire_number(p, 18, str_or(b, h->api_version, error));
}

static int tapped_begin(struct batch *b, const struct shape *shape, const struct record_head *h)
{
	b->error = 0;
	b->shape = shape;
	b->tap->begin(b->tap->ctx, shape, h);
	return 0;
}

/* The field that a tap is told of; NULL: no record was begun, or it has no such field. */
static const struct shape_field *tapped(const struct batch *b, unsigned field)
{
	return b->tap && b->shape && field < b->shape->nfields ? &b->shape->fields[field] : NULL;
}

int batch_begin(struct batch *b, const struct shape *shape, const struct record_head *h)
{
	int64_t shape_at, ring_at;
	uint8_t *p = b->head;

	if (b->tap)
		return tapped_begin(b, shape, h);
	shape_at = shape_index(b, shape);
	b->error = 0;
	if (shape_at < 0)
		return (int)shape_at;
	if (h->identity >= b->nidentities)
		return -EINVAL;
	if (b->nrecords >= BATCH_RECORDS_MAX || batch_size(b) > FRAME_RAW_MAX - 2 * BATCH_STRING_MAX || b->text > BATCH_TEXT_MAX - RECORD_TEXT_MAX)
		return -E2BIG;
	ring_at = ring_of(b, h);
	if (ring_at < 0)
		return (int)ring_at;
	b->time = h->time;
	b->seq = h->seq;
	b->ring_at = (uint32_t)ring_at;
	p = wire_number(p, 1, (uint64_t)shape_at);
	p = wire_number(p, 2, h->identity);
	p = wire_number(p, 3, wire_zigzag((int64_t)(h->time - (b->nrecords ? b->previous_time : h->time))));
	p = wire_number(p, 4, (uint64_t)ring_at);
	p = wire_number(p, 5, h->seq - b->ring[ring_at].seq);
	p = wire_number(p, 6, h->request);
	p = wire_number(p, 7, text_or(b, h->error, &b->error));
	p = wire_number(p, 8, str_or(b, h->source_ip, &b->error));
	b->head_len = (size_t)(p - b->head);
	b->tail_len = (size_t)(tail_put(b, h, p, &b->error) - p);
	b->present = 0;
	b->record_text = 0;
	b->field = -1;
	buf_reset(&b->values);
	b->shape = b->error ? NULL : shape;
	return b->error;
}

static bool field_put(struct batch *b, unsigned field, unsigned kinds, size_t room)
{
	if (!b->shape || b->tap)
		return false;
	if (field >= b->shape->nfields || (int)field <= b->field || !(kinds >> b->shape->fields[field].kind & 1)) {
		b->error = b->error ? b->error : -EINVAL;
		return false;
	}
	if (buf_reserve(&b->values, room) < 0) {
		b->error = b->error ? b->error : -ENOMEM;
		return false;
	}
	b->field = (int)field;
	b->present |= 1ull << field;
	return true;
}

static void value_put(struct batch *b, int64_t v)
{
	uint8_t *p = b->values.p + b->values.n;

	b->values.n = (size_t)(wire_varint(p, wire_zigzag(v)) - b->values.p);
}

static void text_put(struct batch *b, struct str s)
{
	b->record_text += s.p ? s.n : 0;
	value_put(b, str_or(b, s, &b->error));
}

#define NUMBERS (1u << FIELD_INT | 1u << FIELD_UINT | 1u << FIELD_OCTAL | 1u << FIELD_HEX | 1u << FIELD_BOOL)

void batch_int(struct batch *b, unsigned field, int64_t value)
{
	const struct shape_field *f = tapped(b, field);

	if (b->shape && field < b->shape->nfields && b->shape->fields[field].kind == FIELD_BOOL)
		value = !!value;
	if (f)
		b->tap->number(b->tap->ctx, f, value);
	if (field_put(b, field, NUMBERS, WIRE_VARINT_MAX))
		value_put(b, value);
}

void batch_string(struct batch *b, unsigned field, const void *p, size_t n)
{
	const struct shape_field *f = tapped(b, field);

	if (f)
		b->tap->text(b->tap->ctx, f, (struct str){ p, p ? n : 0 });
	if (field_put(b, field, 1u << FIELD_STRING | 1u << FIELD_JSON, WIRE_VARINT_MAX))
		text_put(b, (struct str){ p, n });
}

void batch_strings(struct batch *b, unsigned field, const struct str *v, unsigned n)
{
	const struct shape_field *f = tapped(b, field);

	for (unsigned i = 0; f && i < n; i++)
		b->tap->text(b->tap->ctx, f, v[i]);
	if (!field_put(b, field, 1u << FIELD_STRINGS, ((size_t)n + 1) * WIRE_VARINT_MAX))
		return;
	value_put(b, n);
	for (unsigned i = 0; i < n; i++)
		text_put(b, v[i]);
}

void batch_ints(struct batch *b, unsigned field, const int64_t *v, unsigned n)
{
	if (!field_put(b, field, 1u << FIELD_INTS, ((size_t)n + 1) * WIRE_VARINT_MAX))
		return;
	value_put(b, n);
	for (unsigned i = 0; i < n; i++)
		value_put(b, v[i]);
}

static void record_write(struct batch *b, uint8_t *p, size_t body, size_t values)
{
	uint64_t mask = wire_zigzag((int64_t)b->present);

	p = wire_varint(wire_tag(p, BATCH_RECORD, WIRE_BYTES), body);
	memcpy(p, b->head, b->head_len);
	p += b->head_len;
	if (b->present) {
		p = wire_varint(wire_tag(p, 9, WIRE_BYTES), values);
		p = wire_varint(p, mask);
		memcpy(p, b->values.p, b->values.n);
		p += b->values.n;
	}
	memcpy(p, b->head + b->head_len, b->tail_len);
	p += b->tail_len;
	b->records.n = (size_t)(p - b->records.p);
}

int batch_end(struct batch *b)
{
	size_t values = b->values.n + wire_varint_len(wire_zigzag((int64_t)b->present)), body = b->head_len + b->tail_len;
	int r = b->error;

	if (!b->shape)
		return -EINVAL;
	if (b->tap) {
		b->shape = NULL;
		return 0;
	}
	if (b->present)
		body += 1 + wire_varint_len(values) + values;
	if (!r && b->record_text > RECORD_TEXT_MAX)
		r = -E2BIG;
	if (!r)
		r = buf_reserve(&b->records, body + 1 + WIRE_VARINT_MAX);
	b->shape = NULL;
	if (r < 0)
		return r;
	record_write(b, b->records.p + b->records.n, body, values);
	if (!b->nrecords++)
		b->first_time = b->last_time = b->time;
	if (b->time > b->last_time)
		b->last_time = b->time;
	b->previous_time = b->time;
	b->text += b->record_text;
	b->ring[b->ring_at].seq = b->seq;
	return 0;
}

void batch_cancel(struct batch *b)
{
	b->shape = NULL;
	b->error = 0;
}

void batch_filtered(struct batch *b, uint64_t n)
{
	b->filtered = n;
}

unsigned batch_count(const struct batch *b)
{
	return b->nrecords;
}

size_t batch_size(const struct batch *b)
{
	return b->host.n + b->start.n + b->strings.bytes + b->shapes.n + b->processes.bytes + b->identities.n + b->rings.n +
	       b->records.n;
}

uint64_t batch_first_time(const struct batch *b)
{
	return b->first_time;
}

uint64_t batch_last_time(const struct batch *b)
{
	return b->last_time;
}

int batch_finish(struct batch *b, const uint8_t **ret_p, size_t *ret_n)
{
	uint8_t filtered[WIRE_FIELD_MAX];
	int r;

	batch_cancel(b);
	buf_reset(&b->out);
	r = buf_reserve(&b->out, batch_size(b) + sizeof(filtered));
	if (r < 0)
		return r;
	buf_add(&b->out, b->host.p, b->host.n);
	buf_add(&b->out, b->start.p, b->start.n);
	intern_write(&b->strings, &b->out);
	buf_add(&b->out, b->shapes.p, b->shapes.n);
	intern_write(&b->processes, &b->out);
	buf_add(&b->out, b->identities.p, b->identities.n);
	buf_add(&b->out, b->rings.p, b->rings.n);
	buf_add(&b->out, b->records.p, b->records.n);
	buf_add(&b->out, filtered, (size_t)(wire_number(filtered, BATCH_FILTERED, b->filtered) - filtered));
	*ret_p = b->out.p;
	*ret_n = b->out.n;
	return 0;
}

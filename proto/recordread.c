/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recordread.c - opens hostile RecordBatch bytes: every table is counted before it is
 * allocated, every index checked before it is used, so that rendering need not.
 */
#include "recordread.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "lib/cleanup.h"
#include "reader.h"

enum { HOST = 1, START, STRING, SHAPE, PROCESS, IDENTITY, RING, RECORD, BATCH__MAX };

/* ---- messages by table: field number -> what and where */

enum member_kind { MEMBER_SKIP, MEMBER_U32, MEMBER_U64, MEMBER_ZIGZAG, MEMBER_STR, MEMBER_LIST, MEMBER_SPAN };

struct member {
	enum member_kind kind;
	size_t offset;
};

#define M(kind, type, name) { MEMBER_##kind, offsetof(struct type, name) }

static const struct member process_members[] = {
	[1] = M(U32, reader_process, pid),
	[2] = M(U64, reader_process, start),
	[3] = M(U32, reader_process, parent_pid),
	[4] = M(U64, reader_process, parent_start),
	[5] = M(STR, reader_process, executable),
	[6] = M(STR, reader_process, executable_id),
	[7] = M(STR, reader_process, executable_sha256),
	[8] = M(STR, reader_process, command),
	[9] = M(STR, reader_process, cgroup),
	[10] = M(STR, reader_process, container),
	[11] = M(STR, reader_process, tty),
	[12] = M(U32, reader_process, session_id),
	[13] = M(U32, reader_process, pid_in_ns),
	[14] = M(LIST, reader_process, ns),
	[15] = M(U32, reader_process, flags),
	[16] = M(U64, reader_process, cgroup_id),
};

static const struct member identity_members[] = {
	[1] = M(U32, reader_identity, process),
	[2] = M(U32, reader_identity, tid),
	[3] = M(U64, reader_identity, tid_start),
	[4] = M(U32, reader_identity, type),
	[5] = M(STR, reader_identity, principal_id),
	[6] = M(STR, reader_identity, arn_tail),
	[7] = M(STR, reader_identity, user_name),
	[8] = M(STR, reader_identity, invoked_by),
	[9] = M(STR, reader_identity, issuer_name),
	[10] = M(U32, reader_identity, issuer_uid),
	[11] = M(STR, reader_identity, source_identity),
	[12] = M(STR, reader_identity, via),
	[13] = M(U64, reader_identity, session_start),
	[14] = M(STR, reader_identity, source_ip),
	[15] = M(STR, reader_identity, why_unknown),
	[16] = M(U32, reader_identity, loginuid),
	[17] = M(U32, reader_identity, audit_session),
	[18] = M(LIST, reader_identity, uids),
	[19] = M(LIST, reader_identity, gids),
	[20] = M(SPAN, reader_identity, groups),
	[21] = M(U32, reader_identity, uid_in_ns),
	[22] = M(U64, reader_identity, cap_effective),
};

static const struct member ring_members[] = {
	[1] = M(U32, reader_ring, ring_class),
	[2] = M(U32, reader_ring, cpu),
	[3] = M(U64, reader_ring, seq),
};

static const struct member record_members[] = {
	[1] = M(U32, reader_record, shape),
	[2] = M(U32, reader_record, identity),
	[3] = M(ZIGZAG, reader_record, time_delta),
	[4] = M(U32, reader_record, ring),
	[5] = M(U64, reader_record, seq_delta),
	[6] = M(U64, reader_record, request),
	[7] = M(STR, reader_record, error),
	[8] = M(STR, reader_record, source_ip),
	[9] = M(SPAN, reader_record, values),
	[10] = M(STR, reader_record, error_message),
	[11] = M(U64, reader_record, repeat_count),
	[12] = M(ZIGZAG, reader_record, first_time_delta),
	[13] = M(STR, reader_record, user_agent),
	[14] = M(STR, reader_record, access_key),
	[15] = M(U32, reader_record, restarts),
	[16] = M(STR, reader_record, region),
	[17] = M(STR, reader_record, request_id),
	[18] = M(STR, reader_record, api_version),
};

/* A shape and a field as they lie in the batch: string indices. */
struct raw_shape {
	uint32_t source, name, type, category, read_only;
};

struct raw_field {
	uint32_t section, name, kind, resource_type;
};

static const struct member shape_members[] = {
	[1] = M(STR, raw_shape, source),   [2] = M(STR, raw_shape, name),      [3] = M(STR, raw_shape, type),
	[4] = M(U32, raw_shape, category), [5] = M(U32, raw_shape, read_only),
};

static const struct member field_members[] = {
	[1] = M(U32, raw_field, section),
	[2] = M(STR, raw_field, name),
	[3] = M(U32, raw_field, kind),
	[4] = M(STR, raw_field, resource_type),
};

static bool list_add(struct reader_list *l, uint64_t v)
{
	if (v > UINT32_MAX)
		return false;
	if (l->n < READER_NAMESPACES)
		l->v[l->n++] = (uint32_t)v;
	return true;
}

static bool list_put(struct reader_list *l, const struct wire_field *f)
{
	struct wire_span s = f->bytes;
	uint64_t v;

	if (f->type == WIRE_VARINT)
		return list_add(l, f->number);
	while (s.p < s.end)
		if (!wire_get_varint(&s, &v) || !list_add(l, v))
			return false;
	return true;
}

static bool number_put(const struct reader *r, const struct member *m, uint64_t v, void *to)
{
	int64_t z = wire_unzigzag(v);
	uint32_t u = (uint32_t)v;

	switch (m->kind) {
	case MEMBER_U64:
		memcpy(to, &v, sizeof(v));
		return true;
	case MEMBER_ZIGZAG:
		memcpy(to, &z, sizeof(z));
		return true;
	case MEMBER_STR:
		memcpy(to, &u, sizeof(u));
		return v < r->nstrings;
	default:
		memcpy(to, &u, sizeof(u));
		return v <= UINT32_MAX;
	}
}

static bool member_put(const struct reader *r, const struct member *m, const struct wire_field *f, void *dest)
{
	void *to = (char *)dest + m->offset;

	if (m->kind == MEMBER_LIST && (f->type == WIRE_BYTES || f->type == WIRE_VARINT))
		return list_put(to, f);
	if (m->kind == MEMBER_SPAN) {
		if (f->type != WIRE_BYTES)
			return false;
		memcpy(to, &f->bytes, sizeof(f->bytes));
		return true;
	}
	return f->type == WIRE_VARINT && number_put(r, m, f->number, to);
}

/* Numbers that the table does not know are newer than we are: skipped. */
static int message_read(const struct reader *r, struct wire_span s, const struct member *table, size_t n, void *dest)
{
	struct wire_field f;
	int k;

	while ((k = wire_next(&s, &f)) > 0) {
		if (f.field >= n || table[f.field].kind == MEMBER_SKIP)
			continue;
		if (!member_put(r, &table[f.field], &f, dest))
			return -EBADMSG;
	}
	return k;
}
#define READ(r, span, members, dest) message_read(r, span, members, ARRAY_SIZE(members), dest)

/* ---- tables */

struct table {
	uint32_t count;
	const uint8_t *first;	/* where the first one begins: its tag */
};

static const uint32_t table_max[BATCH__MAX] = {
	[HOST] = 1,		     [START] = 1,	       [STRING] = BATCH_STRINGS_MAX, [SHAPE] = BATCH_SHAPES_MAX,
	[PROCESS] = BATCH_TABLE_MAX, [IDENTITY] = BATCH_TABLE_MAX, [RING] = BATCH_TABLE_MAX, [RECORD] = BATCH_RECORDS_MAX,
};

static int count_tables(struct wire_span s, struct table *t)
{
	struct wire_field f;
	const uint8_t *at = s.p;
	int k;

	for (; (k = wire_next(&s, &f)) > 0; at = s.p) {
		if (f.field >= BATCH__MAX)
			continue;
		if (f.type != WIRE_BYTES || ++t[f.field].count > table_max[f.field])
			return -EBADMSG;
		if (!t[f.field].first)
			t[f.field].first = at;
	}
	return k;
}

typedef int (*entry_fn)(struct reader *r, uint32_t i, struct wire_span s, const char **ret_why);

static int each(struct reader *r, const struct table *tables, unsigned field, entry_fn fn, const char **ret_why)
{
	const struct table *t = &tables[field];
	struct wire_span s = { t->first, r->batch.end };
	struct wire_field f;
	int k;

	for (uint32_t i = 0; i < t->count;) {
		wire_next(&s, &f);
		if (f.field != field)
			continue;
		k = fn(r, i++, f.bytes, ret_why);
		if (k < 0)
			return k;
	}
	return 0;
}

static int read_host(struct reader *r, uint32_t i, struct wire_span s, const char **ret_why)
{
	const char **const v[] = { NULL, &r->host.host_id, &r->host.machine_id, &r->host.boot_id, &r->host.hostname,
				   &r->host.kernel_release, &r->host.agent_version, &r->host.region, &r->host.account };
	char *to = malloc(wire_left(&s) + ARRAY_SIZE(v));
	struct wire_field f;
	int k;

	*ret_why = "malformed host";
	r->host_text = to;
	if (!to)
		return -ENOMEM;
	while ((k = wire_next(&s, &f)) > 0) {
		if (f.field >= ARRAY_SIZE(v))
			continue;
		if (f.type != WIRE_BYTES || *v[f.field] || wire_left(&f.bytes) > HOST_TEXT_MAX || memchr(f.bytes.p, 0, wire_left(&f.bytes)))
			return -EBADMSG;
		*v[f.field] = to;
		memcpy(to, f.bytes.p, wire_left(&f.bytes));
		to += wire_left(&f.bytes);
		*to++ = '\0';
	}
	return k;
}

static int read_string(struct reader *r, uint32_t i, struct wire_span s, const char **ret_why)
{
	*ret_why = "string is too long, or the first one is not empty";
	if (wire_left(&s) > BATCH_STRING_MAX || (i == 0 && s.p != s.end))
		return -EBADMSG;
	r->strings[i] = (struct str){ (const char *)s.p, wire_left(&s) };
	return 0;
}

static int read_process(struct reader *r, uint32_t i, struct wire_span s, const char **ret_why)
{
	const struct reader_process *p = &r->processes[i];
	const uint32_t *const texts[] = { &p->executable, &p->executable_id, &p->executable_sha256, &p->command, &p->cgroup, &p->container, &p->tty };
	size_t n = 0;

	*ret_why = "malformed process";
	if (READ(r, s, process_members, &r->processes[i]) < 0)
		return -EBADMSG;
	*ret_why = "a process's texts are too long";
	for (unsigned k = 0; k < ARRAY_SIZE(texts); k++)
		n += reader_str(r, *texts[k]).n;
	return n > PROCESS_TEXT_MAX ? -EBADMSG : 0;
}

static int read_identity(struct reader *r, uint32_t i, struct wire_span s, const char **ret_why)
{
	struct reader_identity *id = &r->identities[i];
	struct wire_span groups;
	uint64_t v;

	*ret_why = "malformed identity";
	if (READ(r, s, identity_members, id) < 0 || id->process >= r->nprocesses)
		return -EBADMSG;
	for (groups = id->groups; groups.p < groups.end;)
		if (!wire_get_varint(&groups, &v) || v > UINT32_MAX)
			return -EBADMSG;
	return 0;
}

static int read_ring(struct reader *r, uint32_t i, struct wire_span s, const char **ret_why)
{
	*ret_why = "malformed ring";
	if (READ(r, s, ring_members, &r->rings[i]) < 0 || r->rings[i].ring_class > 15 || r->rings[i].cpu > 0xfff)
		return -EBADMSG;
	return 0;
}

/* ---- shapes: names become C strings, and must be as good as our own tables' */

struct shape_parts {
	struct raw_shape raw;
	struct raw_field fields[RECORD_FIELDS_MAX];
	unsigned nfields;
};

static int shape_parts(const struct reader *r, struct wire_span s, struct shape_parts *p)
{
	struct wire_span all = s;
	struct wire_field f;

	if (READ(r, s, shape_members, &p->raw) < 0)
		return -EBADMSG;
	while (wire_next(&all, &f) > 0) {
		if (f.field != 6)
			continue;
		if (f.type != WIRE_BYTES || p->nfields == RECORD_FIELDS_MAX ||
		    READ(r, f.bytes, field_members, &p->fields[p->nfields++]) < 0)
			return -EBADMSG;
	}
	return 0;
}

/* Whether it is good text is for shape_check() to say; here only NUL bytes matter. */
static int name_copy(const struct reader *r, uint32_t index, char **to, const char **ret)
{
	struct str s = reader_str(r, index);

	if (memchr(s.p, 0, s.n))
		return -EBADMSG;
	*ret = s.n ? *to : NULL;
	memcpy(*to, s.p, s.n);
	(*to)[s.n] = '\0';
	*to += s.n + 1;
	return 0;
}

static size_t names_size(const struct reader *r, const struct shape_parts *p)
{
	size_t n = reader_str(r, p->raw.source).n + reader_str(r, p->raw.name).n + reader_str(r, p->raw.type).n + 3;

	for (unsigned i = 0; i < p->nfields; i++)
		n += reader_str(r, p->fields[i].name).n + reader_str(r, p->fields[i].resource_type).n + 2;
	return n;
}

static int shape_names(const struct reader *r, const struct shape_parts *p, struct shape *shape, struct shape_field *fields,
		       char *to)
{
	int k = name_copy(r, p->raw.source, &to, &shape->event_source);

	if (!k)
		k = name_copy(r, p->raw.name, &to, &shape->event_name);
	if (!k)
		k = name_copy(r, p->raw.type, &to, &shape->event_type);
	for (unsigned i = 0; !k && i < p->nfields; i++) {
		fields[i].section = (enum field_section)p->fields[i].section;
		fields[i].kind = (enum field_kind)p->fields[i].kind;
		k = name_copy(r, p->fields[i].name, &to, &fields[i].name);
		if (!k)
			k = name_copy(r, p->fields[i].resource_type, &to, &fields[i].resource_type);
	}
	return k;
}

/* What every record of the shape would look for again. */
static void note_fields(struct reader_shape *s)
{
	for (unsigned i = 0; i < s->shape.nfields; i++) {
		const struct shape_field *f = &s->shape.fields[i];
		uint64_t bit = 1ull << i;

		s->sections[f->section] |= bit;
		if (f->section == SECTION_ADDITIONAL && !strcmp(f->name, "selfTest"))
			s->self_test = bit;
		if (f->resource_type && f->kind != FIELD_INTS)
			s->resources |= bit;
		if (strchr(f->name, '.'))
			s->dotted |= bit;
	}
}

static int read_shape(struct reader *r, uint32_t i, struct wire_span s, const char **ret_why)
{
	struct shape_parts p = { 0 };
	struct shape *shape = &r->shapes[i].shape;
	struct shape_field *fields;
	size_t names;

	*ret_why = "malformed shape";
	if (shape_parts(r, s, &p) < 0)
		return -EBADMSG;
	names = names_size(r, &p);
	if (names > (3 + 2 * RECORD_FIELDS_MAX) * (SHAPE_SOURCE_MAX + 1))
		return -EBADMSG;
	fields = calloc(1, p.nfields * sizeof(*fields) + names);
	if (!fields)
		return -ENOMEM;
	r->shapes[i].text = (char *)fields;
	if (shape_names(r, &p, shape, fields, (char *)(fields + p.nfields)) < 0)
		return -EBADMSG;
	shape->category = (enum record_category)p.raw.category;
	shape->read_only = p.raw.read_only;
	shape->nfields = p.nfields;
	shape->fields = fields;
	if (shape_check(shape, ret_why) < 0)
		return -EBADMSG;
	note_fields(&r->shapes[i]);
	return 0;
}

/* ---- records */

int64_t reader_value(struct wire_span *at)
{
	uint64_t v = 0;

	wire_get_varint(at, &v);
	return wire_unzigzag(v);
}

static bool string_skip(const struct reader *r, struct wire_span *at, uint64_t *text)
{
	uint64_t v;

	if (!wire_get_varint(at, &v) || v & 1 || v >> 1 >= r->nstrings)
		return false;
	*text += reader_str(r, (uint32_t)(v >> 1)).n;
	return true;
}

static bool value_skip(const struct reader *r, enum field_kind kind, struct wire_span *at, uint64_t *text)
{
	uint64_t v, n;

	if (kind == FIELD_STRING || kind == FIELD_JSON)
		return string_skip(r, at, text);
	if (!wire_get_varint(at, &n))
		return false;
	if (kind != FIELD_STRINGS && kind != FIELD_INTS)
		return true;
	if (n & 1 || n >> 1 > wire_left(at))
		return false;
	for (n >>= 1; n; n--)
		if (kind == FIELD_STRINGS ? !string_skip(r, at, text) : !wire_get_varint(at, &v))
			return false;
	return true;
}

int reader_values(const struct reader *r, const struct shape *s, struct wire_span list, struct reader_values *ret,
		  const char **ret_why)
{
	uint64_t mask = 0;

	*ret_why = "values do not fit the shape";
	ret->present = ret->text = 0;
	if (list.p == list.end)
		return 0;
	if (!wire_get_varint(&list, &mask))
		return -EBADMSG;
	mask = (uint64_t)wire_unzigzag(mask);
	if (s->nfields < 64 && mask >> s->nfields)
		return -EBADMSG;
	ret->present = mask;
	for (; mask; mask &= mask - 1) {
		unsigned i = (unsigned)__builtin_ctzll(mask);

		ret->at[i] = list;
		if (!value_skip(r, s->fields[i].kind, &list, &ret->text))
			return -EBADMSG;
	}
	return list.p == list.end ? 0 : -EBADMSG;
}

int reader_record_at(const struct reader *r, unsigned i, struct reader_record *ret)
{
	const uint8_t *p = r->batch.p + r->records[i].at;

	memset(ret, 0, sizeof(*ret));
	return READ(r, ((struct wire_span){ p, p + r->records[i].n }), record_members, ret);
}

static int read_record(struct reader *r, uint32_t i, struct wire_span s, const char **ret_why)
{
	struct reader_place *place = &r->records[i];
	struct reader_values values;
	struct reader_record x;

	*ret_why = "malformed record";
	place->at = (uint32_t)(s.p - r->batch.p);
	place->n = (uint32_t)wire_left(&s);
	if (reader_record_at(r, i, &x) < 0 || x.shape >= r->nshapes || x.identity >= r->nidentities || x.ring >= r->nrings)
		return -EBADMSG;
	place->time = (i ? place[-1].time : r->frame.first_time) + (uint64_t)x.time_delta;
	place->seq = r->rings[x.ring].seq += x.seq_delta;
	if (reader_values(r, &r->shapes[x.shape].shape, x.values, &values, ret_why) < 0)
		return -EBADMSG;
	*ret_why = "a record's texts, or all of them together, are too long";
	r->named += values.text;
	return values.text > RECORD_TEXT_MAX || r->named > BATCH_TEXT_MAX ? -EBADMSG : 0;
}

/* ---- opening */

static int allocate(struct reader *r, const struct table *t)
{
	r->nstrings = t[STRING].count;
	r->nshapes = t[SHAPE].count;
	r->nprocesses = t[PROCESS].count;
	r->nidentities = t[IDENTITY].count;
	r->nrings = t[RING].count;
	r->nrecords = t[RECORD].count;
	r->strings = calloc(r->nstrings + 1u, sizeof(*r->strings));
	r->shapes = calloc(r->nshapes + 1u, sizeof(*r->shapes));
	r->processes = calloc(r->nprocesses + 1u, sizeof(*r->processes));
	r->identities = calloc(r->nidentities + 1u, sizeof(*r->identities));
	r->rings = calloc(r->nrings + 1u, sizeof(*r->rings));
	r->records = calloc(r->nrecords + 1u, sizeof(*r->records));
	if (!r->strings || !r->shapes || !r->processes || !r->identities || !r->rings || !r->records)
		return -ENOMEM;
	/* Index 0 means absent, whether or not the batch has strings at all. */
	r->strings[0] = (struct str){ "", 0 };
	if (!r->nstrings)
		r->nstrings = 1;
	return 0;
}

static void host_defaults(struct record_host *h)
{
	const char **const v[] = { &h->host_id, &h->machine_id, &h->boot_id, &h->hostname, &h->kernel_release, &h->agent_version };

	for (unsigned i = 0; i < ARRAY_SIZE(v); i++)
		if (!*v[i])
			*v[i] = "";
	if (!h->region)
		h->region = "local";
	if (!h->account)
		h->account = "000000000000";
}

static int read_all(struct reader *r, const char **ret_why)
{
	static const struct {
		unsigned field;
		entry_fn fn;
	} steps[] = { { HOST, read_host },	 { STRING, read_string }, { SHAPE, read_shape },  { PROCESS, read_process },
		      { IDENTITY, read_identity }, { RING, read_ring },	  { RECORD, read_record } };
	struct table tables[BATCH__MAX] = { 0 };
	int k;

	*ret_why = "malformed batch, or a table over its limit";
	k = count_tables(r->batch, tables);
	if (!k)
		k = allocate(r, tables);
	for (unsigned i = 0; !k && i < ARRAY_SIZE(steps); i++)
		k = each(r, tables, steps[i].field, steps[i].fn, ret_why);
	return k;
}

int reader_open(const void *p, size_t n, const struct record_frame *frame, struct reader **ret_r, const char **ret_why)
{
	_cleanup_(reader_free) struct reader *r = NULL;
	int k;

	*ret_why = "batch is over the size limit";
	if (n > FRAME_RAW_MAX)
		return -EBADMSG;
	*ret_why = "out of memory";
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->batch = (struct wire_span){ p, (const uint8_t *)p + n };
	r->frame = *frame;
	k = read_all(r, ret_why);
	if (k < 0)
		return k;
	host_defaults(&r->host);
	*ret_why = NULL;
	*ret_r = TAKE_PTR(r);
	return 0;
}

void reader_free(struct reader **pr)
{
	struct reader *r = *pr;

	if (!r)
		return;
	for (uint32_t i = 0; r->shapes && i < r->nshapes; i++)
		free(r->shapes[i].text);
	free(r->host_text);
	free(r->strings);
	free(r->shapes);
	free(r->processes);
	free(r->identities);
	free(r->rings);
	free(r->records);
	buf_free(&r->scratch);
	buf_free(&r->text);
	buf_free(&r->said);
	free(r->says);
	free(r);
	*pr = NULL;
}

unsigned reader_count(const struct reader *r)
{
	return r->nrecords;
}

size_t reader_cost(const struct reader *r)
{
	return sizeof(*r) + r->nstrings * sizeof(*r->strings) + r->nshapes * sizeof(*r->shapes) + r->nprocesses * sizeof(*r->processes) +
	       r->nidentities * sizeof(*r->identities) + r->nrecords * sizeof(*r->records) + reader_said_cost(r) + 2 * wire_left(&r->batch);
}

const struct record_host *reader_host(const struct reader *r)
{
	return &r->host;
}

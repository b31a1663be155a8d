/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recordjson.c - one record as one line of CloudTrail JSON.
 *
 * Sizes are CloudTrail's. Where CloudTrail would leave an oversized object out, its longest
 * values are cut in the middle here, and three members say so: "omitted": true,
 * "originalSize" and "sha256", of the object's whole JSON text.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arn.h"
#include "json.h"
#include "keys.h"
#include "lib/clock.h"
#include "reader.h"

#define TEXT_MAX 1024			/* userAgent, errorCode, errorMessage */
#define EVENT_MAX (256 * 1024)
#define OMITTED_ROOM 160		/* the three members */
#define SECTION_MIN 8			/* shortest that a value is cut to */

/* Of the sections, by enum field_section; and of a resource's ARN. */
struct limits {
	size_t section[SECTION_TLS + 1];
	size_t arn;
};

static const struct limits cloudtrail_limits = {
	.section = { [SECTION_REQUEST] = 100 * 1024, [SECTION_RESPONSE] = 100 * 1024, [SECTION_ADDITIONAL] = 28 * 1024,
		     [SECTION_SERVICE] = 100 * 1024, [SECTION_TLS] = 4096 },
	.arn = 8192,
};

/* For the rare record that is over the limit of the whole event although its parts are not. */
static const struct limits small_limits = {
	.section = { [SECTION_REQUEST] = 48 * 1024, [SECTION_RESPONSE] = 48 * 1024, [SECTION_ADDITIONAL] = 28 * 1024,
		     [SECTION_SERVICE] = 48 * 1024, [SECTION_TLS] = 4096 },
	.arn = 1024,
};

struct render {
	struct reader *r;
	const struct limits *limits;
	const struct reader_shape *known;
	const struct shape *shape;
	const struct reader_identity *id;
	struct reader_record x;
	struct reader_values values;
	uint64_t time, seq;
	const struct reader_ring *ring;
	struct json j;
	struct record_parts parts;
	struct reader_said *saying;	/* the part that is written at the moment; NULL: no memory */
	uint64_t with;			/* and what it follows from beside that */
};

/* ---- parts that many records share */

/* true: it is there as it was before. Else it follows, and then end_part(). of: the shape or identity that it is of; with: what
 * else it follows from. */
static bool begin_part(struct render *v, enum record_part part, uint32_t of, uint64_t with)
{
	struct json *j = &v->j;

	v->saying = reader_said(v->r, part, of);
	v->with = with;
	v->parts.v[part].at = j->out->n + j->comma;
	if (!reader_say_again(v->r, v->saying, with, j))
		return false;
	v->parts.v[part].n = v->saying->n;
	v->parts.v[part].hash = v->saying->hash;
	return true;
}

static void end_part(struct render *v, enum record_part part)
{
	size_t at = v->parts.v[part].at, n = v->j.out->n;

	v->parts.v[part].n = n > at ? n - at : 0;
	v->parts.v[part].hash = n > at ? reader_keep(v->r, v->saying, v->with, &v->j, at) : 0;
}

/* ---- values */

static void octal(struct json *j, const char *key, uint64_t v)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "0%llo", (unsigned long long)v);

	json_text(j, key, text, v ? (size_t)n : 1);
}

static void hex(struct json *j, const char *key, uint64_t v)
{
	char text[32];

	json_text(j, key, text, (size_t)snprintf(text, sizeof(text), "0x%llx", (unsigned long long)v));
}

/* A long array keeps its two ends. */
static void array(struct render *v, const char *key, enum field_kind kind, struct wire_span at, size_t cap)
{
	uint64_t n = (uint64_t)reader_value(&at), keep = cap / 16 < 2 ? 2 : cap / 16;

	json_open(&v->j, key, '[');
	for (uint64_t i = 0; i < n; i++) {
		int64_t value = reader_value(&at);

		if (n > keep && i >= keep / 2 && i < n - keep / 2) {
			if (i == keep / 2)
				json_string(&v->j, NULL, "\xe2\x80\xa6");
			continue;
		}
		if (kind == FIELD_INTS)
			json_int(&v->j, NULL, value);
		else
			json_text_cut(&v->j, NULL, reader_str(v->r, (uint32_t)value).p, reader_str(v->r, (uint32_t)value).n, cap);
	}
	json_close(&v->j, ']');
}

/* JSON text as it is; what is longer than it may be is left out, and `omitted` says so. */
static void raw(struct render *v, const char *key, struct str s, size_t cap)
{
	bool whole = !strcmp(key, FIELD_WHOLE);

	if (s.n > cap)
		return;
	if (!json_sound(s.p, s.n) || (whole && s.p[0] != '{')) {
		json_text_cut(&v->j, whole ? "text" : key, s.p, s.n, cap);
	} else if (!whole) {
		json_key(&v->j, key);
		buf_add(v->j.out, s.p, s.n);
	} else if (s.n > 2) {
		if (v->j.comma)
			buf_addc(v->j.out, ',');
		buf_add(v->j.out, s.p + 1, s.n - 2);
		v->j.comma = true;
	}
}

static void value(struct render *v, const char *key, unsigned field, size_t cap)
{
	enum field_kind kind = v->shape->fields[field].kind;
	struct wire_span at = v->values.at[field];
	struct str s;

	switch (kind) {
	case FIELD_INT:
		json_int(&v->j, key, reader_value(&at));
		break;
	case FIELD_UINT:
		json_uint(&v->j, key, (uint64_t)reader_value(&at));
		break;
	case FIELD_OCTAL:
		octal(&v->j, key, (uint64_t)reader_value(&at));
		break;
	case FIELD_HEX:
		hex(&v->j, key, (uint64_t)reader_value(&at));
		break;
	case FIELD_BOOL:
		json_boolean(&v->j, key, reader_value(&at));
		break;
	case FIELD_STRING:
		s = reader_str(v->r, (uint32_t)reader_value(&at));
		json_text_cut(&v->j, key, s.p, s.n, cap);
		break;
	case FIELD_JSON:
		s = reader_str(v->r, (uint32_t)reader_value(&at));
		raw(v, key, s, cap);
		break;
	case FIELD_STRINGS:
	case FIELD_INTS:
		array(v, key, kind, at, cap);
		break;
	}
}

/* ---- sections: dotted names become objects, each written where its first member stands */

static uint64_t section_fields(const struct render *v, enum field_section section)
{
	return v->values.present & v->known->sections[section];
}

/* Does one of these fields' names begin like this? */
static bool group_begun(const struct render *v, uint64_t fields, const char *prefix, size_t n)
{
	for (; fields; fields &= fields - 1)
		if (!strncmp(v->shape->fields[__builtin_ctzll(fields)].name, prefix, n))
			return true;
	return false;
}

static void members(struct render *v, enum field_section section, const char *prefix, size_t n, size_t cap)
{
	uint64_t all = section_fields(v, section);

	for (uint64_t left = all; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		const char *name = v->shape->fields[i].name, *dot = NULL;
		char group[SHAPE_NAME_MAX + 1];

		if (n && strncmp(name, prefix, n))
			continue;
		if (v->known->dotted >> i & 1)
			dot = strchr(name + n, '.');
		if (!dot) {
			value(v, name + n, i, cap);
		} else if (!group_begun(v, all & ((1ull << i) - 1), name, (size_t)(dot + 1 - name))) {
			memcpy(group, name + n, (size_t)(dot - name) - n);
			group[(size_t)(dot - name) - n] = '\0';
			json_open(&v->j, group, '{');
			members(v, section, name, (size_t)(dot + 1 - name), cap);
			json_close(&v->j, '}');
		}
	}
}

static int64_t wall(const struct render *v, uint64_t boot)
{
	return (int64_t)(boot + (uint64_t)v->r->frame.wall_offset);
}

static void nanos(struct render *v, const char *key, int64_t ns)
{
	char text[24];

	if (ns >= 0)
		json_digits(&v->j, key, (uint64_t)ns);
	else
		json_text(&v->j, key, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)ns));
}

static void additional_head(struct render *v)
{
	nanos(v, "eventTimeNanos", wall(v, v->time));
	if (v->x.repeat_count > 1) {
		json_uint(&v->j, "repeatCount", v->x.repeat_count);
		nanos(v, "firstEventTimeNanos", wall(v, v->time + (uint64_t)v->x.first_time_delta));
	}
	if (v->x.restarts)
		json_uint(&v->j, "restarts", v->x.restarts);
}

static void additional_tail(struct render *v, size_t cap)
{
	const struct record_host *host = &v->r->host;

	if (!begin_part(v, PART_PROCESS, v->x.identity, cap)) {
		reader_process_json(v->r, v->id, cap, &v->j);
		end_part(v, PART_PROCESS);
	}
	if (begin_part(v, PART_HOST, 0, cap))
		return;
	if (*host->hostname)
		json_text_cut(&v->j, "hostname", host->hostname, strlen(host->hostname), cap);
	json_text_cut(&v->j, "hostId", host->host_id, strlen(host->host_id), cap);
	end_part(v, PART_HOST);
}

static void section_body(struct render *v, enum field_section section, size_t cap)
{
	if (section == SECTION_ADDITIONAL)
		additional_head(v);
	members(v, section, "", 0, cap);
	if (section == SECTION_ADDITIONAL)
		additional_tail(v, cap);
}

static void omitted(struct render *v, size_t size, const uint8_t hash[32])
{
	char text[65];

	hex_text(hash, 32, text);
	json_boolean(&v->j, "omitted", true);
	json_uint(&v->j, "originalSize", size);
	json_text(&v->j, "sha256", text, 64);
}

static void section(struct render *v, const char *key, enum field_section s)
{
	struct buf *out = v->j.out;
	size_t limit = v->limits->section[s], start, size;
	uint8_t hash[32];

	json_key(&v->j, key);
	start = out->n;
	v->j.comma = false;
	json_open(&v->j, NULL, '{');
	section_body(v, s, SIZE_MAX);
	json_close(&v->j, '}');
	if (out->failed || out->n - start <= limit)
		return;
	size = out->n - start;
	sha256(out->p + start, size, hash);
	for (size_t cap = limit / 2; cap >= SECTION_MIN && (cap == limit / 2 || out->n - start > limit - OMITTED_ROOM); cap /= 2) {
		out->n = start;
		v->j.comma = false;
		json_open(&v->j, NULL, '{');
		section_body(v, s, cap);
	}
	omitted(v, size, hash);
	json_close(&v->j, '}');
}

static void section_or_null(struct render *v, const char *key, enum field_section s)
{
	if (section_fields(v, s))
		section(v, key, s);
	else
		json_null(&v->j, key);
}

/* ---- resources */

static void resource(struct render *v, const char *type, struct str name)
{
	struct buf *arn = &v->r->scratch;

	buf_reset(arn);
	arn_of_resource(&v->r->host, type, name, arn);
	json_open(&v->j, NULL, '{');
	json_text_cut(&v->j, "ARN", arn->p, arn->n, v->limits->arn);
	json_string(&v->j, "type", type);
	json_string(&v->j, "accountId", v->r->host.account);
	json_close(&v->j, '}');
}

/* How many were written; `before` of other fields stand there already. */
static unsigned field_resources(struct render *v, unsigned i, unsigned before)
{
	const struct shape_field *f = &v->shape->fields[i];
	struct wire_span at = v->values.at[i];
	unsigned room = RECORD_RESOURCES_MAX - before, n = 1;
	char number[24];

	if (f->kind == FIELD_STRINGS)
		n = (unsigned)reader_value(&at);
	n = n < room ? n : room;
	if (n && !before)
		json_open(&v->j, "resources", '[');
	for (unsigned k = 0; k < n; k++) {
		int64_t x = reader_value(&at);

		if (f->kind == FIELD_STRING || f->kind == FIELD_STRINGS)
			resource(v, f->resource_type, reader_str(v->r, (uint32_t)x));
		else
			resource(v, f->resource_type,
				 (struct str){ number, (size_t)snprintf(number, sizeof(number), "%lld", (long long)x) });
	}
	return n;
}

static void resources(struct render *v)
{
	unsigned n = 0;

	for (uint64_t left = v->values.present & v->known->resources; left && n < RECORD_RESOURCES_MAX; left &= left - 1)
		n += field_resources(v, (unsigned)__builtin_ctzll(left), n);
	if (n)
		json_close(&v->j, ']');
}

/* ---- the record */

static const char *errno_text(struct str name)
{
	for (int e = 1; e < 134; e++) {
		const char *s = strerrorname_np(e);

		if (s && strlen(s) == name.n && !memcmp(s, name.p, name.n))
			return strerrordesc_np(e);
	}
	return NULL;
}

static void error(struct render *v)
{
	struct str code = reader_str(v->r, v->x.error), text = reader_str(v->r, v->x.error_message);
	const char *own = NULL;

	if (!code.n)
		return;
	json_text_cut(&v->j, "errorCode", code.p, code.n, TEXT_MAX);
	if (!text.n)
		own = errno_text(code);
	if (own)
		text = (struct str){ own, strlen(own) };
	if (text.n)
		json_text_cut(&v->j, "errorMessage", text.p, text.n, TEXT_MAX);
}

static void event_time(struct render *v)
{
	int64_t ns = wall(v, v->time), seconds = ns / (int64_t)NS_PER_SEC - (ns % (int64_t)NS_PER_SEC < 0);
	char text[21];

	if (begin_part(v, PART_TIME, 0, (uint64_t)seconds))
		return;
	clock_iso(seconds, text);
	json_string(&v->j, "eventVersion", "1.11");
	json_string(&v->j, "eventTime", text);
	end_part(v, PART_TIME);
}

static void call(struct render *v)
{
	struct str region = reader_str(v->r, v->x.region);

	if (begin_part(v, PART_CALL, v->x.shape, v->x.region))
		return;
	json_string(&v->j, "eventSource", v->shape->event_source);
	json_string(&v->j, "eventName", v->shape->event_name);
	if (region.n)
		json_text_cut(&v->j, "awsRegion", region.p, region.n, TEXT_MAX);
	else
		json_string(&v->j, "awsRegion", v->r->host.region);
	end_part(v, PART_CALL);
}

static void from(struct render *v)
{
	struct str agent = reader_str(v->r, v->x.user_agent), ip = reader_source_ip(v->r, &v->x, v->id);

	if (begin_part(v, PART_FROM, v->x.identity, (uint64_t)v->x.user_agent << 32 | v->x.source_ip))
		return;
	if (!agent.n)
		agent = reader_str(v->r, v->r->processes[v->id->process].executable);
	json_text_cut(&v->j, "sourceIPAddress", ip.p, ip.n, TEXT_MAX);
	if (agent.n)
		json_text_cut(&v->j, "userAgent", agent.p, agent.n, TEXT_MAX);
	end_part(v, PART_FROM);
}

static void who(struct render *v)
{
	if (begin_part(v, PART_WHO, v->x.identity, v->x.access_key))
		return;
	reader_identity_json(v->r, v->id, reader_str(v->r, v->x.access_key), TEXT_MAX, &v->j);
	end_part(v, PART_WHO);
}

static void kind(struct render *v)
{
	static const char *const categories[] = { "", "Management", "Data", "NetworkActivity", "Insight" };
	struct str version = reader_str(v->r, v->x.api_version);

	if (begin_part(v, PART_KIND, v->x.shape, v->x.api_version))
		return;
	json_boolean(&v->j, "readOnly", v->shape->read_only);
	json_string(&v->j, "eventType", v->shape->event_type);
	if (version.n)
		json_text_cut(&v->j, "apiVersion", version.p, version.n, TEXT_MAX);
	else if (!strcmp(v->shape->event_type, "HostApiCall") && *v->r->host.kernel_release)
		json_string(&v->j, "apiVersion", v->r->host.kernel_release);
	json_boolean(&v->j, "managementEvent", v->shape->category == CATEGORY_MANAGEMENT);
	json_string(&v->j, "eventCategory", categories[v->shape->category]);
	end_part(v, PART_KIND);
}

/* The task, its start, and the number of its call. */
static size_t request_text(const struct render *v, char ret[72])
{
	char *p = json_decimal(ret, v->id->tid);

	*p++ = '.';
	p = json_decimal(p, v->id->tid_start);
	*p++ = '-';
	return (size_t)(json_decimal(p, v->x.request) - ret);
}

static void ids(struct render *v)
{
	struct str request = reader_str(v->r, v->x.request_id);
	uint8_t id[16];
	char text[80];

	event_id_make(v->r->frame.stream, v->ring->ring_class, v->ring->cpu, v->seq, id);
	uuid_text(id, text);
	json_text(&v->j, "eventID", text, 36);
	if (request.n)
		json_text_cut(&v->j, "requestID", request.p, request.n, TEXT_MAX);
	else
		json_text(&v->j, "requestID", text, request_text(v, text));
	if (begin_part(v, PART_ACCOUNT, 0, 0))
		return;
	json_string(&v->j, "recipientAccountId", v->r->host.account);
	end_part(v, PART_ACCOUNT);
}

static void render(struct render *v)
{
	json_open(&v->j, NULL, '{');
	event_time(v);
	call(v);
	from(v);
	error(v);
	who(v);
	section_or_null(v, "requestParameters", SECTION_REQUEST);
	section_or_null(v, "responseElements", SECTION_RESPONSE);
	kind(v);
	ids(v);
	resources(v);
	section(v, "additionalEventData", SECTION_ADDITIONAL);
	if (section_fields(v, SECTION_SERVICE))
		section(v, "serviceEventDetails", SECTION_SERVICE);
	if (section_fields(v, SECTION_TLS))
		section(v, "tlsDetails", SECTION_TLS);
	json_close(&v->j, '}');
}

static int prepare(struct reader *r, unsigned i, struct render *v)
{
	const char *why;
	int k;

	if (i >= r->nrecords)
		return -EINVAL;
	k = reader_record_at(r, i, &v->x);
	if (k < 0)
		return k;
	v->r = r;
	v->known = &r->shapes[v->x.shape];
	v->shape = &v->known->shape;
	v->id = &r->identities[v->x.identity];
	v->ring = &r->rings[v->x.ring];
	v->time = r->records[i].time;
	v->seq = r->records[i].seq;
	return reader_values(r, v->shape, v->x.values, &v->values, &why);
}

int reader_json(struct reader *r, unsigned i, struct buf *out)
{
	struct record_parts parts;

	return reader_json_parts(r, i, out, &parts);
}

int reader_json_parts(struct reader *r, unsigned i, struct buf *out, struct record_parts *ret_p)
{
	static const struct limits *const tries[] = { &cloudtrail_limits, &small_limits };
	size_t start = out->n;
	struct render v;
	int k = prepare(r, i, &v);

	if (k < 0)
		return k;
	for (unsigned t = 0; t < 2 && (!t || out->n - start > EVENT_MAX); t++) {
		out->n = start;
		v.limits = tries[t];
		v.j = (struct json){ .out = out };
		render(&v);
		if (out->failed || r->scratch.failed) {
			out->n = start;
			return -ENOMEM;
		}
	}
	*ret_p = v.parts;
	return 0;
}

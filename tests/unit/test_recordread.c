/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader against an oracle that shares no code with it: protobuf-c unpacks the batch, json-c
 * builds the record, and the object that json-c parses from our text must be equal to it.
 */
#include <errno.h>
#include <json-c/json.h>
#include <locale.h>
#include <wchar.h>

#include "gen/hosttrail.pb-c.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "proto/reader.h"
#include "proto/sketch.h"
#include "tests/sizes.h"
#include "tests/tap.h"
#include "tests/unit/recordgen.h"

typedef Hosttrail__V1__RecordBatch Batch;
typedef Hosttrail__V1__Record Record;
typedef Hosttrail__V1__Identity Identity;
typedef Hosttrail__V1__Process Process;

static const struct record_frame frame = { .stream = { 1, 2, 3, 4, 5, 6, 7, 8 }, .wall_offset = 1795342000123456789 };

/* ---- the oracle */

/* The documented escape, written a second time on libc's decoder. */
static json_object *text_of(const void *bytes, size_t n)
{
	const char *p = bytes, *end = p + n;
	char *out = malloc(5 * n + 1), *to = out;
	json_object *o;

	while (p < end) {
		mbstate_t st = { 0 };
		wchar_t c = 0;
		size_t k = mbrtowc(&c, p, (size_t)(end - p), &st);

		if (k == 0 || k > 4 || c == 0xfffd || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff) {
			to += sprintf(to, "\xef\xbf\xbd%02x", (unsigned char)*p++);
			continue;
		}
		memcpy(to, p, k);
		to += k;
		p += k;
	}
	o = json_object_new_string_len(out, (int)(to - out));
	free(out);
	return o;
}

static json_object *interned(const Batch *m, uint32_t i)
{
	return text_of(m->strings[i].data ? (void *)m->strings[i].data : "", m->strings[i].len);
}

static json_object *number(int64_t v)
{
	char text[32];

	if (v >= -(1ll << 53) && v <= 1ll << 53)
		return json_object_new_int64(v);
	snprintf(text, sizeof(text), "%lld", (long long)v);
	return json_object_new_string(text);
}

static json_object *unsigned_number(uint64_t v)
{
	return v <= 1ull << 53 ? json_object_new_int64((int64_t)v) : text_of("", 0);
}

static json_object *printed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static json_object *printed(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return json_object_new_string(text);
}

static json_object *big_unsigned(uint64_t v)
{
	json_object *o = unsigned_number(v);

	if (json_object_get_type(o) != json_type_string)
		return o;
	json_object_put(o);
	return printed("%llu", (unsigned long long)v);
}

static void add(json_object *o, const char *key, json_object *v)
{
	json_object_object_add(o, key, v);
}

static void add_interned(json_object *o, const char *key, const Batch *m, uint32_t i)
{
	if (m->strings[i].len)
		add(o, key, interned(m, i));
}

/* a.b.c: objects on the way. */
static void add_dotted(json_object *o, const char *name, json_object *v)
{
	char part[64];
	const char *dot;

	while ((dot = strchr(name, '.'))) {
		json_object *in;

		snprintf(part, sizeof(part), "%.*s", (int)(dot - name), name);
		if (!json_object_object_get_ex(o, part, &in)) {
			in = json_object_new_object();
			add(o, part, in);
		}
		o = in;
		name = dot + 1;
	}
	add(o, name, v);
}

static json_object *value_of(const Batch *m, Hosttrail__V1__Kind kind, const int64_t **at)
{
	json_object *a;
	int64_t v = *(*at)++;

	switch (kind) {
	case HOSTTRAIL__V1__KIND__INT:
		return number(v);
	case HOSTTRAIL__V1__KIND__UINT:
		return big_unsigned((uint64_t)v);
	case HOSTTRAIL__V1__KIND__OCTAL:
		return v ? printed("0%llo", (unsigned long long)v) : printed("0");
	case HOSTTRAIL__V1__KIND__HEX:
		return printed("0x%llx", (unsigned long long)v);
	case HOSTTRAIL__V1__KIND__BOOL:
		return json_object_new_boolean(v != 0);
	case HOSTTRAIL__V1__KIND__STRING:
		return interned(m, (uint32_t)v);
	default:
		a = json_object_new_array();
		for (int64_t i = 0; i < v; i++) {
			int64_t e = *(*at)++;

			json_object_array_add(a, kind == HOSTTRAIL__V1__KIND__INTS ? number(e) : interned(m, (uint32_t)e));
		}
		return a;
	}
}

static const char *string_c(const Batch *m, uint32_t i)
{
	static char text[8][256];
	static unsigned next;
	char *to = text[next++ % 8];

	snprintf(to, sizeof(text[0]), "%.*s", (int)m->strings[i].len, m->strings[i].len ? (char *)m->strings[i].data : "");
	return to;
}

static json_object *arn_of(const Batch *m, const char *head, uint32_t tail)
{
	char text[1024];
	size_t n = (size_t)snprintf(text, sizeof(text), "arn:hosttrail:linux:%s:%s:host/%s/%s", m->host->region, m->host->account,
				    m->host->host_id, head);

	if (m->strings[tail].len)
		memcpy(text + n, m->strings[tail].data, m->strings[tail].len);
	return text_of(text, n + m->strings[tail].len);
}

static json_object *identity_of(const Batch *m, const Identity *id, uint32_t access_key)
{
	static const char *const types[] = { "Unknown", "Root", "IAMUser", "AssumedRole", "AWSService", "FederatedUser" };
	const Process *p = m->processes[id->process];
	json_object *o = json_object_new_object(), *s = json_object_new_object(), *i, *a;
	char iso[21];

	add(o, "type", json_object_new_string(types[id->type]));
	add_interned(o, "principalId", m, id->principal_id);
	if (m->strings[id->arn_tail].len)
		add(o, "arn", arn_of(m, "", id->arn_tail));
	else
		add(o, "arn", printed("arn:hosttrail:linux:local:000000000000:host/4c1f/process/%u.%llu", p->pid,
				      (unsigned long long)p->start));
	add(o, "accountId", json_object_new_string(m->host->account));
	add_interned(o, "accessKeyId", m, access_key);
	if (id->type != HOSTTRAIL__V1__IDENTITY_TYPE__ASSUMED_ROLE)
		add_interned(o, "userName", m, id->user_name);
	if (id->type == HOSTTRAIL__V1__IDENTITY_TYPE__ASSUMED_ROLE || m->strings[id->issuer_name].len) {
		i = json_object_new_object();
		add(i, "type", json_object_new_string("Role"));
		add(i, "principalId", printed("%s:%u", m->host->host_id, id->issuer_uid));
		add(i, "arn", arn_of(m, "user/", id->issuer_name));
		add(i, "accountId", json_object_new_string(m->host->account));
		add(i, "userName", interned(m, id->issuer_name));
		add(s, "sessionIssuer", i);
	}
	add_interned(s, "sourceIdentity", m, id->source_identity);
	if (id->session_start) {
		clock_iso(id->session_start, iso);
		a = json_object_new_object();
		add(a, "creationDate", json_object_new_string(iso));
		add(a, "mfaAuthenticated", json_object_new_string("false"));
		add(s, "attributes", a);
	}
	if (json_object_object_length(s))
		add(o, "sessionContext", s);
	else
		json_object_put(s);
	add_interned(o, "invokedBy", m, id->invoked_by);
	add_interned(o, "via", m, id->via);
	add_interned(o, "reason", m, id->why_unknown);
	return o;
}

static void add_ids(json_object *o, const char *key, const uint32_t *v, size_t n, const char *const *names, bool zeros)
{
	json_object *in = json_object_new_object();

	for (size_t i = 0; i < n; i++)
		if (v[i] || zeros)
			add(in, names[i], json_object_new_int64(v[i]));
	if (json_object_object_length(in))
		add(o, key, in);
	else
		json_object_put(in);
}

static json_object *executable_of(const Batch *m, const Process *p)
{
	json_object *o = json_object_new_object();

	add_interned(o, "path", m, p->executable);
	add_interned(o, "id", m, p->executable_id);
	add_interned(o, "sha256", m, p->executable_sha256);
	if (p->flags & 2)
		add(o, "deleted", json_object_new_boolean(true));
	return o;
}

static json_object *process_of(const Batch *m, const Identity *id)
{
	static const char *const ns[] = { "user", "mnt", "pid", "net", "uts", "ipc", "cgroup", "time" };
	static const char *const uids[] = { "uid", "suid", "euid", "fsuid" }, *const gids[] = { "gid", "sgid", "egid", "fsgid" };
	const Process *p = m->processes[id->process];
	json_object *o = json_object_new_object(), *in;

	add(o, "pid", json_object_new_int64(p->pid));
	add(o, "startTime", printed("%llu", (unsigned long long)p->start));
	if (id->tid && id->tid != p->pid) {
		add(o, "threadId", json_object_new_int64(id->tid));
		add(o, "threadStartTime", printed("%llu", (unsigned long long)id->tid_start));
	}
	if (p->parent_pid) {
		in = json_object_new_object();
		add(in, "pid", json_object_new_int64(p->parent_pid));
		add(in, "startTime", printed("%llu", (unsigned long long)p->parent_start));
		add(o, "parent", in);
	}
	if (p->executable || p->executable_id || p->executable_sha256)
		add(o, "executable", executable_of(m, p));
	add_interned(o, "command", m, p->command);
	add_interned(o, "cgroup", m, p->cgroup);
	if (p->cgroup_id)
		add(o, "cgroupId", big_unsigned(p->cgroup_id));
	add_interned(o, "container", m, p->container);
	add_ids(o, "namespaces", p->namespaces, p->n_namespaces, ns, false);
	if (p->session_id)
		add(o, "sessionId", json_object_new_int64(p->session_id));
	add_interned(o, "tty", m, p->tty);
	if (p->pid_in_ns && p->pid_in_ns != p->pid)
		add(o, "pidInNamespace", json_object_new_int64(p->pid_in_ns));
	add_ids(o, "uids", id->uids, id->n_uids, uids, true);
	add_ids(o, "gids", id->gids, id->n_gids, gids, true);
	if (id->n_groups) {
		in = json_object_new_array();
		for (size_t i = 0; i < id->n_groups; i++)
			json_object_array_add(in, json_object_new_int64(id->groups[i]));
		add(o, "groups", in);
	}
	if (id->loginuid != UINT32_MAX)
		add(o, "loginuid", json_object_new_int64(id->loginuid));
	if (id->audit_session != UINT32_MAX)
		add(o, "auditSession", json_object_new_int64(id->audit_session));
	add(o, "uidInNamespace", json_object_new_int64(id->uid_in_ns));
	add(o, "capEffective", printed("0x%llx", (unsigned long long)id->cap_effective));
	if (p->flags & 1)
		add(o, "minimalIdentity", json_object_new_boolean(true));
	return o;
}

static json_object *resource_of(const Batch *m, uint32_t type, const char *value, size_t n)
{
	static const struct {
		const char *type, *head;
	} heads[] = { { "Linux::File", "file" }, { "Linux::Process", "process" }, { "Linux::KernelModule", "module" },
		      { "AWS::S3::Object", "object" } };
	json_object *o = json_object_new_object();
	char text[1024];
	size_t k = 0;

	for (unsigned i = 0; i < 4; i++)
		if (!strcmp(string_c(m, type), heads[i].type))
			k = (size_t)snprintf(text, sizeof(text), "arn:hosttrail:linux:local:000000000000:host/4c1f/%s%s", heads[i].head,
					     n && value[0] == '/' ? "" : "/");
	if (n)
		memcpy(text + k, value, n);
	add(o, "ARN", text_of(text, k + n));
	add(o, "type", interned(m, type));
	add(o, "accountId", json_object_new_string(m->host->account));
	return o;
}

/* Values in; sections and resources out. */
static void values_of(const Batch *m, const Record *r, json_object *sections[5], json_object *resources)
{
	const Hosttrail__V1__Shape *shape = m->shapes[r->shape];
	const int64_t *at = r->values + 1;
	uint64_t mask = r->n_values ? (uint64_t)r->values[0] : 0;

	for (size_t i = 0; i < shape->n_fields; i++) {
		const Hosttrail__V1__Field *f = shape->fields[i];
		const int64_t *start = at;
		char text[32];

		if (!(mask >> i & 1))
			continue;
		add_dotted(sections[f->section], string_c(m, f->name), value_of(m, f->kind, &at));
		if (!f->resource_type || f->kind == HOSTTRAIL__V1__KIND__INTS)
			continue;
		for (int64_t k = f->kind == HOSTTRAIL__V1__KIND__STRINGS ? *start++ : 1; k; k--, start++) {
			const ProtobufCBinaryData *s = f->kind >= HOSTTRAIL__V1__KIND__STRING ? &m->strings[*start] : NULL;
			int n = snprintf(text, sizeof(text), "%lld", (long long)*start);

			if (json_object_array_length(resources) < RECORD_RESOURCES_MAX)
				json_object_array_add(resources, resource_of(m, f->resource_type, s ? (char *)s->data : text,
									     s ? s->len : (size_t)n));
		}
	}
}

static void additional_of(const Batch *m, const Record *r, uint64_t time, json_object *o)
{
	add(o, "eventTimeNanos", printed("%lld", (long long)time + frame.wall_offset));
	if (r->repeat_count > 1) {
		add(o, "repeatCount", json_object_new_int64((int64_t)r->repeat_count));
		add(o, "firstEventTimeNanos", printed("%lld", (long long)time + r->first_time_delta + frame.wall_offset));
	}
	if (r->restarts)
		add(o, "restarts", json_object_new_int64(r->restarts));
	add(o, "process", process_of(m, m->identities[r->identity]));
	add(o, "hostId", json_object_new_string(m->host->host_id));
	if (*m->host->hostname)
		add(o, "hostname", json_object_new_string(m->host->hostname));
}

static void heading_of(const Batch *m, const Record *r, uint64_t time, json_object *o)
{
	const Identity *id = m->identities[r->identity];
	const uint32_t ips[] = { r->source_ip, id->source_ip, id->invoked_by };
	uint32_t agent = r->user_agent ? r->user_agent : m->processes[id->process]->executable;
	json_object *ip = NULL;
	char iso[21];

	clock_iso(((int64_t)time + frame.wall_offset) / 1000000000, iso);
	add(o, "eventVersion", json_object_new_string("1.11"));
	add(o, "eventTime", json_object_new_string(iso));
	add(o, "awsRegion", json_object_new_string(m->host->region));
	for (unsigned i = 0; i < 3 && !ip; i++)
		if (m->strings[ips[i]].len)
			ip = interned(m, ips[i]);
	add(o, "sourceIPAddress", ip ? ip : json_object_new_string(*m->host->hostname ? m->host->hostname : m->host->host_id));
	add_interned(o, "userAgent", m, agent);
	if (r->error) {
		const char *e = string_c(m, r->error), *text = !strcmp(e, "EACCES") ? "Permission denied" :
			!strcmp(e, "ENOENT") ? "No such file or directory" : NULL;

		add(o, "errorCode", interned(m, r->error));
		if (r->error_message)
			add(o, "errorMessage", interned(m, r->error_message));
		else if (text)
			add(o, "errorMessage", json_object_new_string(text));
	}
	add(o, "userIdentity", identity_of(m, id, r->access_key));
	add(o, "requestID", printed("%u.%llu-%llu", id->tid, (unsigned long long)id->tid_start, (unsigned long long)r->request));
	add(o, "recipientAccountId", json_object_new_string(m->host->account));
}

static json_object *record_of(const Batch *m, const Record *r, uint64_t time, uint64_t seq)
{
	static const char *const categories[] = { "", "Management", "Data", "NetworkActivity", "Insight" };
	const Hosttrail__V1__Shape *shape = m->shapes[r->shape];
	const Hosttrail__V1__Ring *ring = m->rings[r->ring];
	json_object *o = json_object_new_object(), *resources = json_object_new_array(), *sections[5];
	const char *type = string_c(m, shape->event_type);

	for (unsigned i = 0; i < 5; i++)
		sections[i] = json_object_new_object();
	heading_of(m, r, time, o);
	add(o, "eventSource", interned(m, shape->event_source));
	add(o, "eventName", interned(m, shape->event_name));
	add(o, "eventType", json_object_new_string(type));
	add(o, "readOnly", json_object_new_boolean(shape->read_only));
	if (!strcmp(type, "HostApiCall"))
		add(o, "apiVersion", json_object_new_string(m->host->kernel_release));
	add(o, "managementEvent", json_object_new_boolean(shape->category == HOSTTRAIL__V1__CATEGORY__MANAGEMENT));
	add(o, "eventCategory", json_object_new_string(categories[shape->category]));
	/* stream 01020304 0506 0708...: 56 bits, then class, CPU and sequence */
	add(o, "eventID", printed("01020304-0506-8%02x%x-%04llx-%012llx", 7, ring->ring_class,
				  0x8000ull | (unsigned long long)ring->cpu << 2 | seq >> 48, (unsigned long long)seq & 0xffffffffffff));
	values_of(m, r, sections, resources);
	additional_of(m, r, time, sections[3]);
	add(o, "requestParameters", json_object_object_length(sections[1]) ? json_object_get(sections[1]) : NULL);
	add(o, "responseElements", json_object_object_length(sections[2]) ? json_object_get(sections[2]) : NULL);
	add(o, "additionalEventData", json_object_get(sections[3]));
	if (json_object_object_length(sections[4]))
		add(o, "serviceEventDetails", json_object_get(sections[4]));
	if (json_object_array_length(resources))
		add(o, "resources", json_object_get(resources));
	for (unsigned i = 0; i < 5; i++)
		json_object_put(sections[i]);
	json_object_put(resources);
	return o;
}

/* ---- cases */

static struct reader *open_batch(struct batch *b, Batch **ret_m)
{
	struct record_frame f = frame;
	struct reader *r = NULL;
	const uint8_t *p;
	const char *why;
	size_t n;

	f.first_time = batch_first_time(b);
	if (batch_finish(b, &p, &n) || reader_open(p, n, &f, &r, &why))
		return NULL;
	if (ret_m)
		*ret_m = hosttrail__v1__record_batch__unpack(NULL, n, p);
	return r;
}

/* The parts lie in order, each is whole members of the names it may have, and its hash is that of its bytes. */
static void check_parts(const struct buf *out, const struct record_parts *parts)
{
	static const char *const names[PART__MAX] = {
		[PART_TIME] = "eventVersion eventTime", [PART_CALL] = "eventSource eventName awsRegion", [PART_FROM] = "sourceIPAddress userAgent",
		[PART_WHO] = "userIdentity", [PART_KIND] = "readOnly eventType apiVersion managementEvent eventCategory",
		[PART_ACCOUNT] = "recipientAccountId", [PART_PROCESS] = "process", [PART_HOST] = "hostname hostId",
	};
	size_t end = 1;

	for (unsigned i = 0; i < PART__MAX; i++) {
		size_t at = parts->v[i].at, n = parts->v[i].n, seen = 0;
		_cleanup_buf_ struct buf one = { 0 };
		json_object *o;

		must(at >= end && n && at + n < out->n);
		end = at + n;
		ok(parts->v[i].hash == record_hash(out->p + at, n));
		buf_addf(&one, "{%.*s}", (int)n, (const char *)out->p + at);
		o = json_tokener_parse(buf_text(&one));
		must(o != NULL);
		json_object_object_foreach(o, key, value) {
			ok(strstr(names[i], key) != NULL);
			seen += value || !value;
		}
		ok(seen > 0);
		json_object_put(o);
	}
}

/* What the reader said of other records is not said of this one: a reader that has not shown any says the same. */
static void check_alone(const struct reader *r, unsigned i, const struct buf *out)
{
	struct reader *other = NULL;
	struct record_parts parts;
	struct buf text = { 0 };
	const char *why;

	must(reader_open(r->batch.p, wire_left(&r->batch), &r->frame, &other, &why) == 0);
	ok_int(reader_json_parts(other, i, &text, &parts), 0);
	ok(text.n == out->n && !memcmp(text.p, out->p, out->n));
	check_parts(&text, &parts);
	buf_free(&text);
	reader_free(&other);
}

static void compare_batch(struct batch *b, uint64_t seed)
{
	Batch *m = NULL;
	struct reader *r = open_batch(b, &m);
	uint64_t time = batch_first_time(b), seq[16] = { 0 };
	struct record_parts parts;
	struct buf out = { 0 };

	must(r && m && reader_count(r) == m->n_records);
	for (size_t i = 0; i < m->n_rings; i++)
		seq[i] = m->rings[i]->first_seq;
	for (unsigned i = 0; i < m->n_records && !tap_failed; i++) {
		const Record *x = m->records[i];
		json_object *want, *have;

		time += (uint64_t)x->time_delta;
		seq[x->ring] += x->seq_delta;
		buf_reset(&out);
		ok_int(reader_json_parts(r, i, &out, &parts), 0);
		if (i % 8 == seed % 8) {
			check_parts(&out, &parts);
			check_alone(r, i, &out);
		}
		want = record_of(m, x, time, seq[x->ring]);
		have = json_tokener_parse(buf_text(&out));
		if (!have || !json_object_equal(want, have)) {
			printf("# seed %llu record %u\n# %s\n# %s\n", (unsigned long long)seed, i, buf_text(&out),
			       json_object_to_json_string_ext(want, JSON_C_TO_STRING_PLAIN));
			ok(false);
		}
		json_object_put(want);
		json_object_put(have);
	}
	buf_free(&out);
	hosttrail__v1__record_batch__free_unpacked(m, NULL);
	reader_free(&r);
}

static void equal_to_json_c(void)
{
	static struct gen_shapes shapes;
	struct batch *b = NULL;

	must(setlocale(LC_CTYPE, "C.UTF-8") && !batch_new(&b));
	for (uint64_t seed = 1; seed <= size("recordread.batches") && !tap_failed; seed++) {
		must(gen_batch(seed, b, &shapes, 40) == 0);
		compare_batch(b, seed);
	}
	batch_free(&b);
}

static const struct shape_field fields[] = {
	{ SECTION_REQUEST, "path", FIELD_STRING, "Linux::File" },
	{ SECTION_REQUEST, "flags", FIELD_STRINGS, NULL },
	{ SECTION_RESPONSE, "fd", FIELD_INT, NULL },
	{ SECTION_ADDITIONAL, "sources.path", FIELD_STRING, NULL },
};
static const struct shape openat_shape = { "file.linux", "openat", "HostApiCall", CATEGORY_DATA, true, 4, fields };
#define S(text) { text, sizeof(text) - 1 }

static uint32_t alice_as_root(struct batch *b)
{
	const struct record_identity id = {
		.process = { .pid = 4711, .start = 77, .executable = S("/usr/bin/cat"), .command = S("cat") },
		.tid = 4711, .tid_start = 77, .type = IDENTITY_ASSUMED_ROLE, .principal_id = S("4c1f:0:alice"),
		.arn_tail = S("assumed-role/root/alice"), .issuer_name = S("root"), .source_identity = S("alice"),
		.session_start = 1795342321, .source_ip = S("203.0.113.7"), .loginuid = 1000, .audit_session = 5,
	};

	return (uint32_t)batch_identity(b, 1, &id);
}

static const struct record_host host = { .host_id = "4c1f", .region = "local", .account = "000000000000",
					 .kernel_release = "6.18.5", .hostname = "lab" };

/* The i-th of them: what it differs in from others, and the word that says so; NULL: none. */
static const char *differing_head(unsigned i, struct record_head *h)
{
	const char *word = i / 48 % 2 ? "local" : "locam";
	unsigned what = i / 4 % 12;
	struct str *const texts[] = { &h->region, &h->user_agent, &h->source_ip, &h->access_key, &h->api_version, &h->request_id };

	*h = (struct record_head){ .ring_class = 2, .seq = i, .time = NS_PER_SEC };
	if (i / 2 % 2 == 0)
		return NULL;
	h->error = what == 6 ? "EACCES" : NULL;
	h->time += what == 7 ? NS_PER_SEC : 0;
	if (what >= ARRAY_SIZE(texts))
		return NULL;
	*texts[what] = (struct str){ word, 5 };
	return word;
}

/* Records that differ in one thing that a shared part says, in turns, each twice: none says another's. */
static void what_differs_is_said(void)
{
	static const struct shape shapes[] = { { "file.linux", "openat", "HostApiCall", CATEGORY_DATA, true, 4, fields },
					       { "file.linux", "openat", "HostApiCall", CATEGORY_DATA, false, 4, fields } };
	const struct record_identity id = { .process = { .pid = 4711, .start = 77, .executable = S("/usr/bin/cat"), .command = S("cat") }, .tid = 4711,
					    .tid_start = 77, .type = IDENTITY_IAM_USER, .principal_id = S("4c1f:0:alice"), .loginuid = 1000 };
	struct record_identity ids[4] = { id, id, id, id };
	const char *words[400];
	struct batch *b = NULL;
	struct reader *r;
	struct record_parts parts;
	struct buf out = { 0 };

	ids[1].process.start = 78;
	ids[2].principal_id = (struct str)S("4c1f:0:alicf");
	ids[3].source_ip = (struct str)S("203.0.113.7");
	must(!batch_new(&b) && !batch_reset(b, &host));
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		unsigned other = i / 2 % 2 ? i / 4 % 12 : 0, which = other > 8 ? other - 8 : 0;
		struct record_head h;

		words[i] = differing_head(i, &h);
		h.identity = (uint32_t)batch_identity(b, 1 + which, &ids[which]);
		must(!batch_begin(b, &shapes[other == 8], &h));
		batch_string(b, 0, "/etc/shadow", 11);
		must(!batch_end(b));
	}
	r = open_batch(b, NULL);
	must(r != NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(words) && !tap_failed; i++) {
		buf_reset(&out);
		ok_int(reader_json_parts(r, i, &out, &parts), 0);
		check_parts(&out, &parts);
		check_alone(r, i, &out);
		ok_int(strstr(buf_text(&out), "locam") != NULL, words[i] && !strcmp(words[i], "locam"));
	}
	buf_free(&out);
	reader_free(&r);
	batch_free(&b);
}

/* The example of the design, member by member in its order. */
static void golden(void)
{
	static const char want[] =
		"{\"eventVersion\":\"1.11\",\"eventTime\":\"2026-11-22T10:06:41Z\",\"eventSource\":\"file.linux\",\"eventName\":\"openat\","
		"\"awsRegion\":\"local\",\"sourceIPAddress\":\"203.0.113.7\",\"userAgent\":\"/usr/bin/cat\",\"userIdentity\":{\"type\":"
		"\"AssumedRole\",\"principalId\":\"4c1f:0:alice\",\"arn\":\"arn:hosttrail:linux:local:000000000000:host/4c1f/assumed-role/"
		"root/alice\",\"accountId\":\"000000000000\",\"sessionContext\":{\"sessionIssuer\":{\"type\":\"Role\",\"principalId\":"
		"\"4c1f:0\",\"arn\":\"arn:hosttrail:linux:local:000000000000:host/4c1f/user/root\",\"accountId\":\"000000000000\","
		"\"userName\":\"root\"},\"sourceIdentity\":\"alice\",\"attributes\":{\"creationDate\":\"2026-11-22T10:12:01Z\","
		"\"mfaAuthenticated\":\"false\"}}},\"requestParameters\":{\"path\":\"/etc/shadow\",\"flags\":[\"O_RDONLY\"]},"
		"\"responseElements\":{\"fd\":3},\"readOnly\":true,\"eventType\":\"HostApiCall\",\"apiVersion\":\"6.18.5\","
		"\"managementEvent\":false,\"eventCategory\":\"Data\",\"eventID\":\"01020304-0506-8072-8004-0000000003e8\",\"requestID\":"
		"\"4711.77-12\",\"recipientAccountId\":\"000000000000\",\"resources\":[{\"ARN\":\"arn:hosttrail:linux:local:000000000000:"
		"host/4c1f/file/etc/shadow\",\"type\":\"Linux::File\",\"accountId\":\"000000000000\"}],\"additionalEventData\":{"
		"\"eventTimeNanos\":\"1795342001123456789\",\"sources\":{\"path\":\"fdAtExit\"},\"process\":{\"pid\":4711,\"startTime\":\"77\","
		"\"executable\":{\"path\":\"/usr/bin/cat\"},\"command\":\"cat\",\"uids\":{\"uid\":0,\"suid\":0,\"euid\":0,\"fsuid\":0},"
		"\"gids\":{\"gid\":0,\"sgid\":0,\"egid\":0,\"fsgid\":0},\"loginuid\":1000,\"auditSession\":5,\"uidInNamespace\":0,"
		"\"capEffective\":\"0x0\"},\"hostname\":\"lab\",\"hostId\":\"4c1f\"}}";
	struct record_head h = { .ring_class = 2, .cpu = 1, .seq = 1000, .time = NS_PER_SEC, .request = 12 };
	struct batch *b = NULL;
	struct reader *r;
	struct buf out = { 0 };

	must(!batch_new(&b) && !batch_reset(b, &host));
	h.identity = alice_as_root(b);
	must(!batch_begin(b, &openat_shape, &h));
	batch_string(b, 0, "/etc/shadow", 11);
	batch_strings(b, 1, &(struct str)S("O_RDONLY"), 1);
	batch_int(b, 2, 3);
	batch_string(b, 3, "fdAtExit", 8);
	must(!batch_end(b));
	r = open_batch(b, NULL);
	must(r && !reader_json(r, 0, &out));
	ok_str(buf_text(&out), want);
	ok_int(reader_json(r, 1, &out), -EINVAL);
	buf_free(&out);
	reader_free(&r);
	batch_free(&b);
}

static bool str_is(struct str s, const char *text)
{
	return s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

static void summary(void)
{
	struct record_head h = { .ring_class = 2, .cpu = 1, .seq = 1000, .time = NS_PER_SEC, .error = "EACCES" };
	struct record_summary s;
	struct batch *b = NULL;
	struct reader *r;
	uint8_t id[16];

	must(!batch_new(&b) && !batch_reset(b, &host));
	h.identity = alice_as_root(b);
	must(!batch_begin(b, &openat_shape, &h));
	batch_string(b, 0, "/etc/shadow", 11);
	must(!batch_end(b));
	r = open_batch(b, NULL);
	must(r && !reader_summary(r, 0, &s));
	ok(s.time == frame.wall_offset + (int64_t)NS_PER_SEC && s.pid == 4711 && s.repeat_count == 1 && s.read_only);
	ok(str_is(s.event_name, "openat") && str_is(s.event_source, "file.linux") && str_is(s.error, "EACCES"));
	must(s.nusernames == 2 && s.nresources == 1);
	ok(str_is(s.usernames[0], "alice") && str_is(s.usernames[1], "root"));
	ok(str_is(s.resource_names[0], "/etc/shadow") && str_is(s.resource_types[0], "Linux::File"));
	ok(str_is(s.executable, "/usr/bin/cat") && str_is(s.command, "cat") && s.category == CATEGORY_DATA);
	event_id_make(frame.stream, 2, 1, 1000, id);
	ok(!memcmp(id, s.event_id, 16) && s.seq == 1000 && s.cpu == 1 && s.ring_class == 2);
	ok_str(reader_host(r)->hostname, "lab");
	reader_free(&r);
	batch_free(&b);
}

static void uuids(void)
{
	uint8_t stream[16], id[16], back[16];
	char text[37];

	memset(stream, 0xff, sizeof(stream));
	event_id_make(stream, 15, 4095, UINT64_MAX, id);
	uuid_text(id, text);
	ok_str(text, "ffffffff-ffff-8fff-bfff-ffffffffffff");
	event_id_make(stream, 0, 0, 0, id);
	uuid_text(id, text);
	ok_str(text, "ffffffff-ffff-8ff0-8000-000000000000");
	ok_int(uuid_parse(text, back), 0);
	ok(!memcmp(id, back, 16));
	ok_int(uuid_parse("FFFFFFFF-ffff-8ff0-8000-000000000000", back), 0);
	ok_int(uuid_parse("ffffffff-ffff-8ff0-8000-00000000000", back), -EINVAL);
	ok_int(uuid_parse("ffffffffaffff-8ff0-8000-000000000000", back), -EINVAL);
	ok_int(uuid_parse("gfffffff-ffff-8ff0-8000-000000000000", back), -EINVAL);
}

/* A member of the parsed record, by its dotted name. */
static json_object *member(json_object *o, const char *name)
{
	char copy[128], *rest = copy, *part;

	snprintf(copy, sizeof(copy), "%s", name);
	while (o && (part = strsep(&rest, ".")))
		o = json_object_object_get(o, part);
	return o;
}

/* What is too long is cut in the middle, says so, and keeps size and hash of the whole. */
static void long_values_are_cut(void)
{
	struct record_head h = { .ring_class = 2, .time = NS_PER_SEC };
	struct batch *b = NULL;
	struct reader *r;
	struct record_parts parts;
	struct buf out = { 0 };
	struct str argv[200];
	size_t big = 120 * 1024, n = 0;
	char *text = malloc(big), sha[65], *whole = malloc(8 << 20);
	json_object *o, *request;
	uint8_t hash[32];
	const char *path;

	for (size_t i = 0; i < big; i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	memcpy(text, "/xx", 3);
	must(!batch_new(&b) && !batch_reset(b, &host));
	h.identity = alice_as_root(b);
	for (unsigned i = 0; i < 200; i++)
		argv[i] = (struct str){ text, 3 * (i + 1) };
	must(!batch_begin(b, &openat_shape, &h));
	batch_string(b, 0, text, big);
	batch_strings(b, 1, argv, 200);
	must(!batch_end(b));
	r = open_batch(b, NULL);
	must(r && !reader_json_parts(r, 0, &out, &parts));
	check_parts(&out, &parts);
	ok(out.n < 256 * 1024);
	o = json_tokener_parse(buf_text(&out));
	request = member(o, "requestParameters");
	must(request && json_object_get_boolean(member(request, "omitted")));
	ok(strlen(json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)) <= 100 * 1024);
	path = json_object_get_string(member(request, "path"));
	ok(strlen(path) > 20 * 1024 && !memcmp(path, "/xx\xe2\x82\xac", 6) && strstr(path, "\xe2\x82\xac\xe2\x80\xa6\xe2\x82\xac"));
	ok(!strstr(path, "\xef\xbf\xbd"));
	n = (size_t)sprintf(whole, "{\"path\":\"%.*s\",\"flags\":[", (int)big, text);
	for (unsigned i = 0; i < 200; i++)
		n += (size_t)sprintf(whole + n, "%s\"%.*s\"", i ? "," : "", (int)argv[i].n, argv[i].p);
	n += (size_t)sprintf(whole + n, "]}");
	sha256(whole, n, hash);
	hex_text(hash, 32, sha);
	ok_str(json_object_get_string(member(request, "sha256")), sha);
	ok_int(json_object_get_int64(member(request, "originalSize")), n);
	ok(strlen(json_object_get_string(json_object_array_get_idx(member(o, "resources"), 0))) < 20000);
	json_object_put(o);
	free(text);
	free(whole);
	buf_free(&out);
	reader_free(&r);
	batch_free(&b);
}

/* Whatever a hostile batch holds, an event stays below CloudTrail's 256 KB and is valid JSON. */
static void event_is_bounded(void)
{
	static struct shape_field many[64];
	static char names[64][64];
	struct shape shape = { "s", "n", "t", CATEGORY_DATA, true, 64, many };
	struct record_head h = { .ring_class = 2, .time = NS_PER_SEC };
	struct batch *b = NULL;
	struct reader *r;
	struct record_parts parts;
	struct buf out = { 0 };
	struct str v[50];
	char text[1300];
	json_object *o;

	memset(text, 0xff, sizeof(text));	/* 64 times 50 of them are just below what a record may name */
	for (unsigned i = 0; i < 50; i++)
		v[i] = (struct str){ text, sizeof(text) - i };
	for (unsigned i = 0; i < 64; i++) {
		snprintf(names[i], sizeof(names[i]), "%.50s%u", "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", i);
		many[i] = (struct shape_field){ (enum field_section)(1 + i % 4), names[i], FIELD_STRINGS, "Linux::File" };
	}
	must(!batch_new(&b) && !batch_reset(b, &host));
	h.identity = alice_as_root(b);
	must(!batch_begin(b, &shape, &h));
	for (unsigned i = 0; i < 64; i++)
		batch_strings(b, i, v, 50);
	must(!batch_end(b));
	r = open_batch(b, NULL);
	must(r && !reader_json_parts(r, 0, &out, &parts));
	check_parts(&out, &parts);
	ok(out.n <= 256 * 1024);
	o = json_tokener_parse(buf_text(&out));
	ok(o && json_object_get_boolean(member(o, "additionalEventData.omitted")));
	json_object_put(o);
	buf_free(&out);
	reader_free(&r);
	batch_free(&b);
}

/* Bytes of a good batch changed, and prefixes of it: refused or rendered, never worse. */
static void damaged_batches(void)
{
	static struct gen_shapes shapes;
	struct record_frame f = frame;
	struct batch *b = NULL;
	struct buf out = { 0 };
	const uint8_t *p;
	uint8_t *copy;
	const char *why;
	size_t n;
	unsigned refused = 0, step = size("recordread.damage");

	must(!batch_new(&b) && !gen_batch(3, b, &shapes, 12) && !batch_finish(b, &p, &n));
	copy = malloc(n);
	for (size_t i = 0; i < 2 * n; i += step) {
		struct reader *r = NULL;
		struct record_summary s;
		size_t len = i < n ? n : i - n;

		memcpy(copy, p, n);
		if (i < n)
			copy[i] ^= (uint8_t)(1u << i / step % 8);
		if (reader_open(copy, len, &f, &r, &why) < 0) {
			refused++;
			ok(why != NULL && !r);
			continue;
		}
		for (unsigned k = 0; k < reader_count(r); k++) {
			buf_reset(&out);
			ok_int(reader_json(r, k, &out), 0);
			ok_int(reader_summary(r, k, &s), 0);
		}
		reader_free(&r);
	}
	ok(refused > n / step / 2);
	free(copy);
	buf_free(&out);
	batch_free(&b);
}

static int open_packed(const Batch *m, const char **why)
{
	_cleanup_free_ uint8_t *p = malloc(hosttrail__v1__record_batch__get_packed_size(m));
	size_t n = hosttrail__v1__record_batch__pack(m, p);
	struct reader *r = NULL;
	int k = reader_open(p, n, &frame, &r, why);

	reader_free(&r);
	return k;
}

/* Each index that can point outside its table is refused; the batch is good but for that one. */
static void indices_are_checked(void)
{
	ProtobufCBinaryData strings[] = { { 0, NULL }, { 1, (uint8_t *)"a" }, { 1, (uint8_t *)"b" } };
	Hosttrail__V1__Field field = HOSTTRAIL__V1__FIELD__INIT, *field_list[] = { &field };
	Hosttrail__V1__Shape shape = HOSTTRAIL__V1__SHAPE__INIT, *shapes[] = { &shape };
	Process process = HOSTTRAIL__V1__PROCESS__INIT, *processes[] = { &process };
	Identity identity = HOSTTRAIL__V1__IDENTITY__INIT, *identities[] = { &identity };
	Hosttrail__V1__Ring ring = HOSTTRAIL__V1__RING__INIT, *rings[] = { &ring };
	int64_t values[4] = { 1, 2 };
	Record record = HOSTTRAIL__V1__RECORD__INIT, *records[] = { &record };
	Batch m = HOSTTRAIL__V1__RECORD_BATCH__INIT;
	uint32_t *const indices[] = { &shape.event_source, &field.name, &field.resource_type, &process.command, &identity.via,
				      &identity.process, &record.shape, &record.identity, &record.ring, &record.error,
				      &record.access_key, &ring.ring_class, &ring.cpu };
	const char *why;

	shape = (Hosttrail__V1__Shape){ shape.base, 1, 1, 1, HOSTTRAIL__V1__CATEGORY__DATA, false, 1, field_list };
	field.section = HOSTTRAIL__V1__SECTION__REQUEST;
	field.name = 2;
	field.kind = HOSTTRAIL__V1__KIND__STRING;
	record.n_values = 2;
	record.values = values;
	m.n_strings = 3, m.strings = strings;
	m.n_shapes = m.n_processes = m.n_identities = m.n_rings = m.n_records = 1;
	m.shapes = shapes, m.processes = processes, m.identities = identities, m.rings = rings, m.records = records;
	ok_int(open_packed(&m, &why), 0);
	for (unsigned i = 0; i < sizeof(indices) / sizeof(indices[0]); i++) {
		uint32_t was = *indices[i];

		*indices[i] = 5000;
		if (open_packed(&m, &why) != -EBADMSG) {
			printf("# index %u\n", i);
			ok(false);
		}
		*indices[i] = was;
	}
	values[1] = 3;			/* string index */
	ok_int(open_packed(&m, &why), -EBADMSG);
	values[1] = -1;
	ok_int(open_packed(&m, &why), -EBADMSG);
	values[1] = 2;
	values[0] = 2;			/* no such field */
	ok_int(open_packed(&m, &why), -EBADMSG);
	values[0] = 1;
	record.n_values = 3;		/* one too many */
	ok_int(open_packed(&m, &why), -EBADMSG);
	field.kind = HOSTTRAIL__V1__KIND__STRINGS;
	values[1] = 1, values[2] = 2;
	ok_int(open_packed(&m, &why), 0);
	values[1] = 1ll << 40;
	ok_int(open_packed(&m, &why), -EBADMSG);
	ok_int(open_packed(&(Batch)HOSTTRAIL__V1__RECORD_BATCH__INIT, &why), 0);
}

/* A few bytes name a long text as often as they like: no more than a writer would write. */
static void what_is_named_is_bounded(void)
{
	enum { NAMES = RECORD_TEXT_MAX / BATCH_STRING_MAX, RECORDS = BATCH_TEXT_MAX / RECORD_TEXT_MAX };
	_cleanup_free_ uint8_t *text = calloc(1, BATCH_STRING_MAX);
	ProtobufCBinaryData strings[] = { { 0, NULL }, { 1, (uint8_t *)"a" }, { BATCH_STRING_MAX, text } };
	Hosttrail__V1__Field field = HOSTTRAIL__V1__FIELD__INIT, *field_list[] = { &field };
	Hosttrail__V1__Shape shape = HOSTTRAIL__V1__SHAPE__INIT, *shapes[] = { &shape };
	Process process = HOSTTRAIL__V1__PROCESS__INIT, *processes[] = { &process };
	Identity identity = HOSTTRAIL__V1__IDENTITY__INIT, *identities[] = { &identity };
	Hosttrail__V1__Ring ring = HOSTTRAIL__V1__RING__INIT, *rings[] = { &ring };
	int64_t values[2 + NAMES + 1] = { 1, NAMES };
	Record record = HOSTTRAIL__V1__RECORD__INIT, *records[RECORDS + 1];
	Batch m = HOSTTRAIL__V1__RECORD_BATCH__INIT;
	const char *why;

	shape = (Hosttrail__V1__Shape){ shape.base, 1, 1, 1, HOSTTRAIL__V1__CATEGORY__DATA, false, 1, field_list };
	field.section = HOSTTRAIL__V1__SECTION__REQUEST;
	field.name = 1;
	field.kind = HOSTTRAIL__V1__KIND__STRINGS;
	for (unsigned i = 0; i <= NAMES; i++)
		values[2 + i] = 2;
	for (unsigned i = 0; i <= RECORDS; i++)
		records[i] = &record;
	record.values = values;
	record.n_values = 2 + NAMES;
	m.n_strings = 3, m.strings = strings;
	m.n_shapes = m.n_processes = m.n_identities = m.n_rings = 1;
	m.shapes = shapes, m.processes = processes, m.identities = identities, m.rings = rings, m.records = records;
	m.n_records = RECORDS;
	ok_int(open_packed(&m, &why), 0);
	m.n_records = RECORDS + 1;
	ok_int(open_packed(&m, &why), -EBADMSG);
	m.n_records = 1;
	record.n_values++, values[1]++;
	ok_int(open_packed(&m, &why), -EBADMSG);
	m.n_records = 0;
	process.executable = 2;
	ok_int(open_packed(&m, &why), 0);
	process.tty = 1;
	ok_int(open_packed(&m, &why), -EBADMSG);
}

/* What selectors are shown of a record before it is written is what they are shown of it when it is read back. */
static bool same_view(const struct select_view *a, const struct select_view *b)
{
	bool same = a->known == b->known;

	for (unsigned f = 0; same && f < SELECT__MAX; f++) {
		if (!(a->known >> f & 1))
			continue;
		same = a->field[f].n == b->field[f].n;
		for (unsigned i = 0; same && i < a->field[f].n; i++) {
			struct str x = a->field[f].v[i], y = b->field[f].v[i];

			same = x.n == y.n && (!x.n || !memcmp(x.p, y.p, x.n));
		}
	}
	return same;
}

static void a_sketch_is_the_record(void)
{
	static struct gen_shapes shapes;
	static struct gen_texts texts, more, again;
	struct select_view read, sketched;
	struct sketch *sketch = NULL;
	struct buf text = { 0 };
	struct batch *b = NULL;

	must(!batch_new(&b) && !sketch_new(&sketch));
	for (uint64_t seed = 1; seed <= 500 && !tap_failed; seed++) {
		struct gen g = { seed }, g2;
		struct record_head h = { .ring_class = 2, .time = NS_PER_SEC, .error = seed % 3 ? NULL : "EACCES" };
		struct record_identity id;
		const struct shape *shape;
		struct reader *r;

		gen_shapes(&g, &shapes);
		gen_identity(&g, &texts, &id);
		shape = &shapes.shapes[gen_below(&g, GEN_SHAPES)];
		g2 = g;
		must(!batch_reset(b, &host));
		h.identity = (uint32_t)batch_identity(b, 1, &id);
		must(!gen_record(&g, &more, b, shape, &h));
		must(!gen_record(&g2, &again, sketch_batch(sketch), shape, &h));
		r = open_batch(b, NULL);
		must(r && !reader_select_view(r, 0, UINT32_MAX, &text, &read));
		must(!sketch_view(sketch, &host, &id, UINT32_MAX, &sketched));
		if (!same_view(&read, &sketched)) {
			printf("# seed %llu\n", (unsigned long long)seed);
			ok(false);
		}
		must(!sketch_view(sketch, &host, NULL, UINT32_MAX, &sketched));
		ok(!(sketched.known & SKETCH_OF_IDENTITY));
		reader_free(&r);
	}
	sketch_free(&sketch);
	buf_free(&text);
	batch_free(&b);
}

static const struct tap_case cases[] = {
	CASE(equal_to_json_c), CASE(what_differs_is_said), CASE(golden),	       CASE(summary),	      CASE(uuids),
	CASE(long_values_are_cut), CASE(event_is_bounded), CASE(damaged_batches), CASE(indices_are_checked), CASE(what_is_named_is_bounded),
	CASE(a_sketch_is_the_record),
};
TAP_MAIN(cases)

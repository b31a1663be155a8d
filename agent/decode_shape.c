// SPDX-License-Identifier: Apache-2.0
/*
 * decode_shape.c - the fields that a row's record can have, built once from the table.
 *
 * Requests first, argument by argument; then the result; then additionalEventData. A record leaves out what it has
 * not got, so one list of fields serves every record of the call; only category and readOnly make variants.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "decode_internal.h"
#include "lib/cleanup.h"
#include "uring.h"

static struct call_shape *shapes;
static pthread_once_t once = PTHREAD_ONCE_INIT;

struct builder {
	struct shape_field v[128];	/* more than RECORD_FIELDS_MAX, so that shape_check() can refuse */
	unsigned n;
	bool failed;
};

static uint8_t add(struct builder *b, enum field_section section, const char *name, enum field_kind kind, const char *resource)
{
	if (b->n == ARRAY_SIZE(b->v) || !name) {
		b->failed = true;
		return FIELD_ABSENT;
	}
	b->v[b->n] = (struct shape_field){ section, name, kind, resource };
	return (uint8_t)b->n++;
}

/* prefix + name + suffix, the name's first letter in upper case after a prefix. Kept for the process's life. */
static char *compose(const char *prefix, const char *name, const char *suffix)
{
	size_t p = strlen(prefix), n = strlen(name), s = strlen(suffix);
	char *text = malloc(p + n + s + 1);

	if (!text)
		return NULL;
	memcpy(text, prefix, p);
	memcpy(text + p, name, n);
	memcpy(text + p + n, suffix, s + 1);
	if (p && prefix[p - 1] != '.' && text[p] >= 'a' && text[p] <= 'z')
		text[p] -= 'a' - 'A';
	return text;
}

static void add_path(struct builder *b, const struct call_arg *a)
{
	add(b, SECTION_REQUEST, a->name, FIELD_STRING, a->resource);
	if (a->kind == ARG_FDPATH)
		return;
	add(b, SECTION_REQUEST, compose("requested", a->name, ""), FIELD_STRING, NULL);
	add(b, SECTION_REQUEST, compose("requested", a->name, "AtEnter"), FIELD_STRING, NULL);
}

static unsigned fields_of_address(const char *name, const char *resource, enum field_section section, struct shape_field *ret_v)
{
	static const struct {
		const char *suffix;
		enum field_kind kind;
		bool resource;
	} parts[ADDR_FIELDS] = {
		[ADDR_FAMILY] = { ".family", FIELD_STRING, false },   [ADDR_ADDRESS] = { ".address", FIELD_STRING, true },
		[ADDR_PORT] = { ".port", FIELD_INT, false },	       [ADDR_PATH] = { ".path", FIELD_STRING, true },
		[ADDR_SCOPE] = { ".scopeId", FIELD_INT, false },      [ADDR_PID] = { ".pid", FIELD_INT, false },
		[ADDR_GROUPS] = { ".groups", FIELD_HEX, false },
	};

	for (unsigned i = 0; i < ADDR_FIELDS; i++)
		ret_v[i] = (struct shape_field){ section, compose("", name, parts[i].suffix), parts[i].kind,
						 parts[i].resource ? resource : NULL };
	return ADDR_FIELDS;
}

static void add_many(struct builder *b, const struct shape_field *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		add(b, v[i].section, v[i].name, v[i].kind, v[i].resource_type);
}

static void add_address(struct builder *b, const char *name, const char *resource, enum field_section section)
{
	struct shape_field v[ADDR_FIELDS];

	add_many(b, v, fields_of_address(name, resource, section, v));
}

static void add_asked_address(struct builder *b, const struct call_arg *a)
{
	_cleanup_free_ char *requested = compose("requested", a->name, "");

	add_address(b, a->name, a->resource, SECTION_REQUEST);
	if (requested)
		add_address(b, requested, NULL, SECTION_REQUEST);
	b->failed |= !requested;
}

static void add_argv(struct builder *b, const struct call_arg *a)
{
	add(b, SECTION_REQUEST, a->name, FIELD_STRINGS, NULL);
	add(b, SECTION_REQUEST, compose("", a->name, "Cut.omitted"), FIELD_BOOL, NULL);
	add(b, SECTION_REQUEST, compose("", a->name, "Cut.originalSize"), FIELD_UINT, NULL);
	add(b, SECTION_REQUEST, compose("", a->name, "Cut.sha256"), FIELD_STRING, NULL);
	add(b, SECTION_REQUEST, "interpreter", FIELD_STRING, NULL);
}

static void add_arg(struct builder *b, const struct call_arg *a)
{
	static const uint8_t kinds[ARG__MAX] = {
		[ARG_INT] = FIELD_INT,	      [ARG_UINT] = FIELD_UINT,	   [ARG_LONG] = FIELD_INT,     [ARG_ULONG] = FIELD_UINT,
		[ARG_OFF64] = FIELD_INT,      [ARG_HEX] = FIELD_HEX, [ARG_EXTRA] = FIELD_HEX,	   [ARG_OCTAL] = FIELD_OCTAL,  [ARG_CREATE_MODE] = FIELD_OCTAL,
		[ARG_DIRFD] = FIELD_INT,      [ARG_PID] = FIELD_INT,	   [ARG_ID] = FIELD_INT,       [ARG_ID16] = FIELD_INT,
		[ARG_FLAGS] = FIELD_STRINGS,  [ARG_ENUM] = FIELD_STRING,   [ARG_DEV] = FIELD_STRING,   [ARG_STR] = FIELD_STRING,
		[ARG_XATTR] = FIELD_STRING,   [ARG_OPTIONS] = FIELD_STRING, [ARG_FSKEY] = FIELD_STRING, [ARG_FSVALUE] = FIELD_STRING,
		[ARG_NAMELEN] = FIELD_STRING, [ARG_QUOTA] = FIELD_STRING,  [ARG_IPCCALL] = FIELD_STRING,
		[ARG_FILETYPE] = FIELD_STRING, [ARG_SOCKOPT] = FIELD_STRING, [ARG_PROTOCOL] = FIELD_STRING, [ARG_NUMBER] = FIELD_INT,
	};
	struct shape_field v[RECORD_FIELDS_MAX];

	switch (a->kind) {
	case ARG_PATH:
	case ARG_OPENED:
	case ARG_ENTERED:
	case ARG_FDPATH:
		add_path(b, a);
		break;
	case ARG_PEER:
	case ARG_BOUND:
		add_asked_address(b, a);
		break;
	case ARG_LOCAL:
		add_address(b, a->name, a->resource, SECTION_REQUEST);
		break;
	case ARG_ARGV:
		add_argv(b, a);
		break;
	case ARG_MEM:
		add_many(b, v, mem_fields(a->aux, v));
		break;
	default:
		add(b, SECTION_REQUEST, a->name, kinds[a->kind], a->resource);
		break;
	}
}

static void add_result(struct builder *b, const struct call *row)
{
	static const struct {
		const char *name;
		enum field_kind kind;
	} results[RET__MAX] = {
		[RET_FD] = { "fd", FIELD_INT },	  [RET_PID] = { "pid", FIELD_INT }, [RET_BYTES] = { "bytes", FIELD_INT },
		[RET_INT] = { "result", FIELD_INT }, [RET_KEY] = { "key", FIELD_INT }, [RET_ID] = { "previousId", FIELD_INT },
		[RET_ADDRESS] = { "fd", FIELD_INT }, [RET_FDS] = { "fds", FIELD_INTS }, [RET_OBJECT] = { "id", FIELD_INT },
		[RET_POINTER] = { "address", FIELD_HEX }, [RET_COUNT] = { "count", FIELD_INT }, [RET_OFFSET] = { "offset", FIELD_INT },
		[RET_RING] = { "fd", FIELD_INT },
	};

	if (row->ret == RET_NONE)
		return;
	add(b, SECTION_RESPONSE, results[row->ret].name, results[row->ret].kind, NULL);
	if (row->ret == RET_RING)
		add(b, SECTION_RESPONSE, "slot", FIELD_INT, NULL);
	if (row->ret == RET_ADDRESS)
		add_address(b, "address", "Linux::Socket", SECTION_RESPONSE);
}

static bool is_path(const struct call_arg *a)
{
	return a->kind == ARG_PATH || a->kind == ARG_OPENED || a->kind == ARG_ENTERED || a->kind == ARG_FDPATH;
}

static void add_path_truth(struct builder *b, struct call_shape *s, const struct call_arg *a)
{
	bool first = !s->npaths;
	struct path_fields *p = &s->path[s->npaths];

	if (s->npaths++ == CALL_PATHS_MAX) {
		b->failed = true;
		return;
	}
	p->name = a->name;
	p->source = add(b, SECTION_ADDITIONAL, compose("sources.", a->name, ""), FIELD_STRING, NULL);
	p->in_root = add(b, SECTION_ADDITIONAL, compose("", a->name, "InRoot"), FIELD_STRING, NULL);
	p->kind = add(b, SECTION_ADDITIONAL, compose("", a->name, "Kind"), FIELD_STRING, NULL);
	p->truncated = add(b, SECTION_ADDITIONAL, compose("", a->name, "Truncated"), FIELD_BOOL, NULL);
	p->mount_id = p->device = p->inode = FIELD_ABSENT;
	if (!first)
		return;
	p->mount_id = add(b, SECTION_ADDITIONAL, "mountId", FIELD_UINT, NULL);
	p->device = add(b, SECTION_ADDITIONAL, "device", FIELD_STRING, NULL);
	p->inode = add(b, SECTION_ADDITIONAL, "inode", FIELD_UINT, NULL);
}

/* Can io_uring do it, too? */
static bool has_operation(const struct call *row)
{
	for (unsigned op = 0; op < URING_OPS; op++) {
		const char *twin = uring_twin((uint8_t)op);

		if (twin && !row->i386 && !strcmp(twin, row->name))
			return true;
	}
	for (unsigned form = 0; form < HT_FORM__MAX; form++) {
		uint8_t opcode;

		if (!row->i386 && !strcmp(uring_form(form, &opcode), row->name))
			return true;
	}
	return false;
}

static void add_common(struct builder *b, struct call_shape *s, const struct call *row)
{
	static const struct {
		const char *name;
		enum field_kind kind;
	} common[COMMON__MAX] = {
		[COMMON_UNVERIFIED] = { "unverified", FIELD_STRINGS },	  [COMMON_CHANGED] = { "argumentChanged", FIELD_BOOL },
		[COMMON_SUPERVISED] = { "supervisedBy", FIELD_STRINGS },
		[COMMON_ABI] = { "abi", FIELD_STRING },			  [COMMON_VIA] = { "via", FIELD_STRING },
		[COMMON_UNREADABLE] = { "unreadable", FIELD_STRINGS },	  [COMMON_CUT] = { "cut", FIELD_STRINGS },
		[COMMON_NO_RESULT] = { "noResult", FIELD_STRING },	  [COMMON_TRUNCATED] = { "eventTruncated", FIELD_BOOL },
		[COMMON_ENTER_MISSED] = { "enterMissed", FIELD_BOOL },	  [COMMON_SOURCE_ADDRESS] = { "sources.address", FIELD_STRING },
		[COMMON_LOCAL_ADDRESS] = { "local.address", FIELD_STRING }, [COMMON_LOCAL_PORT] = { "local.port", FIELD_INT },
		[COMMON_CWD] = { "cwd", FIELD_STRING },
		[COMMON_URING_OPCODE] = { "ioUring.opcode", FIELD_STRING },	  [COMMON_URING_FLAGS] = { "ioUring.flags", FIELD_STRINGS },
		[COMMON_URING_DATA] = { "ioUring.userData", FIELD_HEX },	  [COMMON_URING_SLOT] = { "ioUring.fixedFile", FIELD_INT },
	};
	bool address = false, exec = false, uring = has_operation(row);

	for (const struct call_arg *a = row->args; a->name; a++) {
		if (is_path(a))
			add_path_truth(b, s, a);
		address |= a->kind == ARG_PEER || a->kind == ARG_BOUND;
		exec |= a->kind == ARG_ARGV;
	}
	for (unsigned i = 0; i < COMMON__MAX; i++) {
		bool only_address = i == COMMON_SOURCE_ADDRESS || i == COMMON_LOCAL_ADDRESS || i == COMMON_LOCAL_PORT;

		s->common[i] = (only_address && !address) || (i == COMMON_CWD && !exec) ||
						     (i >= COMMON_URING_OPCODE && !uring) ?
				       FIELD_ABSENT :
				       add(b, SECTION_ADDITIONAL, common[i].name, common[i].kind, NULL);
	}
}

static void variants(struct shape v[2][2][2], const struct call_shape *s, const struct shape_field *fields, const struct call *row, const struct builder *b)
{
	for (unsigned i = 0; i < 8; i++) {
		bool ro = i & 1, management = i & 2, noted = i & 4;

		v[ro][management][noted] = (struct shape){
			.event_source = row->source, .event_name = row->name, .event_type = "HostApiCall",
			.category = management ? CATEGORY_MANAGEMENT : row->category,
			.read_only = ro, .nfields = noted ? b->n : s->noted, .fields = fields,
		};
	}
}

/* The fields, in which the numbers of processes are no resources. */
static struct shape_field *fields_inside(const struct builder *b)
{
	struct shape_field *v = calloc(b->n, sizeof(*v));

	for (unsigned i = 0; v && i < b->n; i++) {
		v[i] = b->v[i];
		if (v[i].kind == FIELD_INT && v[i].resource_type && !strcmp(v[i].resource_type, "Linux::Process"))
			v[i].resource_type = NULL;
	}
	return v;
}

static bool shape_build(struct call_shape *s, const struct call *row)
{
	struct builder b = { .n = 0 };
	struct shape_field *fields, *inside;
	const char *why;

	for (const struct call_arg *a = row->args; a->name; a++) {
		if (s->nargs == CALL_ARGS_MAX)
			return false;
		s->first[s->nargs++] = (uint8_t)b.n;
		add_arg(&b, a);
	}
	s->ret = (uint8_t)b.n;
	add_result(&b, row);
	add_common(&b, s, row);
	s->noted = (uint8_t)b.n;
	add(&b, SECTION_ADDITIONAL, "selfTest", FIELD_BOOL, NULL);
	add(&b, SECTION_ADDITIONAL, "tamper.kind", FIELD_STRING, NULL);
	add(&b, SECTION_ADDITIONAL, "tamper.target", FIELD_STRING, NULL);
	fields = b.failed ? NULL : calloc(b.n, sizeof(*fields));
	if (!fields)
		return false;
	memcpy(fields, b.v, b.n * sizeof(*fields));
	s->fields = fields;
	inside = fields_inside(&b);
	if (!inside)
		return false;
	variants(s->v, s, fields, row, &b);
	variants(s->inside, s, inside, row, &b);
	return shape_check(&s->v[0][0][1], &why) == 0;
}

static void build_all(void)
{
	struct call_shape *v = calloc(calls_count(), sizeof(*v));

	if (!v)
		return;
	for (unsigned i = 1; i < calls_count(); i++)
		if (!shape_build(&v[i], calls_row(i)))
			return;		/* start-up memory: not given back, the caller ends */
	shapes = v;
}

int call_shapes_build(void)
{
	pthread_once(&once, build_all);
	return shapes ? 0 : -ENOMEM;
}

const struct call_shape *call_shape(unsigned call)
{
	return shapes && call && call < calls_count() ? &shapes[call] : NULL;
}

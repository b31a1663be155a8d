/* SPDX-License-Identifier: Apache-2.0 */
#include "show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "lib/clock.h"

/* Columns of a compact line; what was acted on takes the rest. */
enum { COLUMN_WHO = 16, COLUMN_EVENT = 16, COLUMN_RESULT = 8, COLUMN_PROCESS = 22 };

#define DIM "\033[2m"
#define RED "\033[31m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

int show_init(struct show *s, FILE *out, const char *format)
{
	bool terminal = isatty(fileno(out));
	struct winsize size;

	*s = (struct show){ .out = out, .format = terminal ? SHOW_COMPACT : SHOW_JSON };
	if (format && strcmp(format, "json") && strcmp(format, "compact"))
		return -EINVAL;
	if (format)
		s->format = !strcmp(format, "compact") ? SHOW_COMPACT : SHOW_JSON;
	s->colour = terminal && !getenv("NO_COLOR");
	if (terminal && !ioctl(fileno(out), TIOCGWINSZ, &size))
		s->width = size.ws_col;
	return 0;
}

void show_free(struct show *s)
{
	buf_free(&s->line);
}

/* Bytes of the UTF-8 character at p that may go to a terminal; 0: none may. C1 controls (U+0080 to U+009F) are among
 * those that some terminals obey, whole or as a single byte. */
static size_t printable(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (!len || len > n || p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0))
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void show_escaped(struct buf *b, const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0, len; i < n; i += len) {
		len = printable(p + i, n - i);
		if (len)
			buf_add(b, p + i, len);
		else
			buf_addf(b, "\\x%02x", p[i]);
		len += !len;
	}
}

static size_t columns(const struct buf *b, size_t from)
{
	size_t n = 0;

	for (size_t i = from; i < b->n; i++)
		n += (b->p[i] & 0xc0) != 0x80;
	return n;
}

/* Cuts what stands from `from` on to `width` columns, then fills up to them. */
static void fit(struct buf *b, size_t from, size_t width, bool fill)
{
	size_t have = columns(b, from);

	if (have > width && width) {
		while (have > width - 1 && b->n > from)
			have -= (b->p[--b->n] & 0xc0) != 0x80;
		buf_adds(b, "~");
		have++;
	}
	for (; fill && have < width; have++)
		buf_addc(b, ' ');
}

static void column(struct show *s, const char *colour, size_t width, const char *text)
{
	struct buf *b = &s->line;
	bool on = s->colour && colour;
	size_t from;

	if (on)
		buf_adds(b, colour);
	from = b->n;
	show_escaped(b, text, strlen(text));
	fit(b, from, width, true);
	buf_adds(b, on ? PLAIN " " : " ");
}

/* "11-22 10:15:30.123", local time. */
static void time_text(struct json_object *r, char ret[32])
{
	int64_t ns = strtoll(member_text(r, "additionalEventData.eventTimeNanos"), NULL, 10);
	struct tm tm;
	time_t t;
	size_t n;

	if (!ns && clock_parse(member_text(r, "eventTime"), &ns) < 0)
		ns = 0;
	t = (time_t)(ns / (int64_t)NS_PER_SEC);
	localtime_r(&t, &tm);
	n = strftime(ret, 32, "%m-%d %H:%M:%S", &tm);
	snprintf(ret + n, 32 - n, ".%03d", (int)(ns % (int64_t)NS_PER_SEC / (int64_t)NS_PER_MS));
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "alice", "alice>root" (became root), "sshd.service". */
static void who_text(struct json_object *r, char ret[128])
{
	struct json_object *id = member_at(r, "userIdentity");
	const char *type = member_text(id, "type"), *from = member_text(id, "sessionContext.sourceIdentity");
	const char *name = member_text(id, "userName");

	if (!strcmp(type, "AssumedRole"))
		snprintf(ret, 128, "%s>%s", from, member_text(id, "sessionContext.sessionIssuer.userName"));
	else if (!strcmp(type, "AWSService"))
		snprintf(ret, 128, "%s", base_name(member_text(id, "invokedBy")));
	else if (!*name && !strcmp(type, "Root"))
		snprintf(ret, 128, "root");
	else
		snprintf(ret, 128, "%s", *name ? name : type);
}

static void process_text(struct json_object *r, char ret[128])
{
	struct json_object *p = member_at(r, "additionalEventData.process");
	const char *name = member_text(p, "command");

	if (!*name)
		name = base_name(member_text(r, "userAgent"));
	ret[0] = 0;
	if (p)
		snprintf(ret, 128, "%s[%d]", name, json_object_get_int(member_at(p, "pid")));
}

/* "127.0.0.1:443", "/run/x.sock" */
static bool address_text(struct buf *b, struct json_object *v)
{
	const char *host = member_text(v, "address"), *path = member_text(v, "path");

	show_escaped(b, *host ? host : path, strlen(*host ? host : path));
	if (*host && member_at(v, "port"))
		buf_addf(b, ":%d", json_object_get_int(member_at(v, "port")));
	return *host || *path;
}

/* Any value as text: a string as it is, an address as people write it, the rest as JSON. */
static void value_text(struct buf *b, struct json_object *v)
{
	const char *text;

	if (member_at(v, "family") && address_text(b, v))
		return;
	text = json_object_is_type(v, json_type_string) ? json_object_get_string(v)
		: json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	show_escaped(b, text, strlen(text));
}

/* status=3 signal=SIGTERM */
static void pairs(struct buf *b, struct json_object *o)
{
	bool first = true;

	json_object_object_foreach(o, key, value) {
		if (!first)
			buf_addc(b, ' ');
		first = false;
		show_escaped(b, key, strlen(key));
		buf_addc(b, '=');
		value_text(b, value);
	}
}

/* argv as it would be typed, roughly: the words with spaces between. */
static void words(struct buf *b, struct json_object *v)
{
	for (size_t i = 0; i < json_object_array_length(v); i++) {
		if (i)
			buf_addc(b, ' ');
		value_text(b, json_object_array_get_idx(v, i));
	}
}

/* The parameter that says most, else all of them. */
static void what_text(struct buf *b, struct json_object *r)
{
	static const char *const telling[] = { "argv", "path", "oldPath", "source" };
	struct json_object *p = member_at(r, "requestParameters"), *v = NULL;
	struct json_object *more;

	for (size_t i = 0; !v && i < sizeof(telling) / sizeof(telling[0]); i++)
		v = member_at(p, telling[i]);
	if (!v)
		v = p ? p : member_at(r, "serviceEventDetails");
	if (!v)
		return;
	if (json_object_is_type(v, json_type_array))
		words(b, v);
	else if (json_object_is_type(v, json_type_object))
		pairs(b, v);
	else
		value_text(b, v);
	more = member_at(p, "newPath");
	if (more) {
		buf_adds(b, " -> ");
		value_text(b, more);
	}
}

static void compact(struct show *s, struct json_object *r)
{
	const char *error = member_text(r, "errorCode");
	char text[128];
	size_t from;

	time_text(r, text);
	column(s, DIM, strlen(text), text);
	who_text(r, text);
	column(s, NULL, COLUMN_WHO, text);
	column(s, BOLD, COLUMN_EVENT, member_text(r, "eventName"));
	column(s, *error ? RED : DIM, COLUMN_RESULT, *error ? error : "ok");
	process_text(r, text);
	column(s, NULL, COLUMN_PROCESS, text);
	from = s->line.n;
	what_text(&s->line, r);
	if (s->width > 18 + COLUMN_WHO + COLUMN_EVENT + COLUMN_RESULT + COLUMN_PROCESS + 5 + 8)
		fit(&s->line, from, s->width - (18 + COLUMN_WHO + COLUMN_EVENT + COLUMN_RESULT + COLUMN_PROCESS + 5), false);
}

static struct json_object *parse(const char *json, size_t n)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *o;

	if (!t)
		return NULL;
	o = json_tokener_parse_ex(t, json, (int)n);
	json_tokener_free(t);
	return o;
}

int show_record(struct show *s, const char *json, size_t n)
{
	buf_reset(&s->line);
	if (s->format == SHOW_COMPACT) {
		_cleanup_json_ struct json_object *r = parse(json, n);

		if (!json_object_is_type(r, json_type_object))
			return -EBADMSG;
		compact(s, r);
	} else {
		buf_add(&s->line, json, n);
	}
	buf_addc(&s->line, '\n');
	if (s->line.failed)
		return -ENOMEM;
	return fwrite(s->line.p, 1, s->line.n, s->out) == s->line.n ? 0 : -EIO;
}

int show_events(struct show *s, struct json_object *reply, size_t *ret_n)
{
	struct json_object *events = member_at(reply, "Events");
	size_t n = json_object_is_type(events, json_type_array) ? json_object_array_length(events) : 0;
	int r = 0;

	for (size_t i = 0; !r && i < n; i++) {
		const char *json = member_text(json_object_array_get_idx(events, i), "CloudTrailEvent");

		r = show_record(s, json, strlen(json));
	}
	*ret_n = n;
	return r ? r : fflush(s->out) ? -EIO : 0;
}

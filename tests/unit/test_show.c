/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "tests/tap.h"
#include "tools/show.h"

static const char record[] =
	"{\"eventTime\":\"2026-11-22T10:15:30Z\",\"eventSource\":\"file.linux\",\"eventName\":\"openat\",\"errorCode\":\"EACCES\","
	"\"userAgent\":\"/usr/bin/cat\",\"userIdentity\":{\"type\":\"AssumedRole\",\"sessionContext\":{\"sessionIssuer\":"
	"{\"userName\":\"root\"},\"sourceIdentity\":\"alice\"}},\"requestParameters\":{\"path\":\"/tmp/a\\u001b[2Jb\\u009bc\"},"
	"\"additionalEventData\":{\"eventTimeNanos\":\"1795342530123456789\",\"process\":{\"pid\":4711,\"command\":\"cat\"}}}";

/* What show_record() prints, in memory. */
static int shown(struct show *s, const char *json, char ret[4096])
{
	int r;

	memset(ret, 0, 4096);
	s->out = fmemopen(ret, 4095, "w");
	r = show_record(s, json, strlen(json));
	fclose(s->out);
	return r;
}

static void compact_line(void)
{
	struct show s = { .format = SHOW_COMPACT };
	char line[4096];

	setenv("TZ", "UTC", 1);
	ok_int(shown(&s, record, line), 0);
	ok_str(line, "11-22 10:15:30.123 alice>root       openat           EACCES   cat[4711]              /tmp/a\\x1b[2Jb\\xc2\\x9bc\n");
	ok_int(shown(&s, "{\"eventName\":\"exit\",\"requestParameters\":{\"status\":3,\"how\":\"a/b\",\"x\":null,\"l\":[1,2]}}", line), 0);
	ok(strstr(line, " status=3 how=a/b x=null l=[1,2]\n") != NULL);
	show_free(&s);
}

static void no_byte_steers_the_terminal(void)
{
	struct buf b = { 0 };
	char all[256];

	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	show_escaped(&b, all, sizeof(all));
	for (size_t i = 0; i < b.n; i++)
		ok(b.p[i] >= 0x20 && b.p[i] != 0x7f);
	buf_reset(&b);
	show_escaped(&b, "\xc2\x9b", 2);	/* CSI as one character */
	ok_str(buf_text(&b), "\\xc2\\x9b");
	buf_reset(&b);
	show_escaped(&b, "\x9b" "2J\xe2\x82", 5);	/* as one byte; a sequence that is cut off */
	ok_str(buf_text(&b), "\\x9b" "2J\\xe2\\x82");
	buf_reset(&b);
	show_escaped(&b, "gr\xc3\xbc\xc3\x9f", 6);	/* ordinary UTF-8 is left alone */
	ok_str(buf_text(&b), "gr\xc3\xbc\xc3\x9f");
	buf_free(&b);
}

static void cut_to_the_width(void)
{
	struct show s = { .format = SHOW_COMPACT, .width = 100 };
	char json[1024], line[4096];

	snprintf(json, sizeof(json), "{\"eventName\":\"a-very-long-event-name-indeed\",\"requestParameters\":{\"path\":\"/%0200d\"}}", 1);
	ok_int(shown(&s, json, line), 0);
	ok_int(strlen(line), 101);
	ok(strstr(line, "a-very-long-eve~ ") != NULL);
	ok(line[99] == '~');
	show_free(&s);
}

static void json_is_untouched(void)
{
	struct show s = { .format = SHOW_JSON };
	char line[4096];

	ok_int(shown(&s, record, line), 0);
	ok(!strncmp(line, record, strlen(record)) && !strcmp(line + strlen(record), "\n"));
	show_free(&s);
}

static void odd_records(void)
{
	static const char *const rows[] = {
		"{}", "{\"userIdentity\":7,\"requestParameters\":[1],\"eventName\":{}}", "{\"requestParameters\":null}",
		"{\"requestParameters\":{\"argv\":[\"a\",null,7,{}]}}", "{\"additionalEventData\":{\"process\":{\"pid\":\"x\"}}}",
	};
	struct show s = { .format = SHOW_COMPACT };
	char line[4096];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ok_int(shown(&s, rows[i], line), 0);
	ok_int(shown(&s, "not json", line), -EBADMSG);
	ok_int(shown(&s, "[1]", line), -EBADMSG);
	show_free(&s);
}

static void formats(void)
{
	struct show s;

	ok_int(show_init(&s, stdout, "xml"), -EINVAL);
	ok_int(show_init(&s, stdout, "compact"), 0);
	ok_int(s.format, SHOW_COMPACT);
	ok_int(show_init(&s, stdout, "json"), 0);
	ok_int(s.format, SHOW_JSON);
}

static const struct tap_case cases[] = {
	CASE(compact_line), CASE(no_byte_steers_the_terminal), CASE(cut_to_the_width),
	CASE(json_is_untouched), CASE(odd_records), CASE(formats),
};
TAP_MAIN(cases)

/* SPDX-License-Identifier: Apache-2.0 */
/* test_optout.c - whose TLS is not recorded: out of the configuration, for files, in words. The kernel's side: tests/live/tls_optout.py. */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "agent/optout.h"
#include "lib/buf.h"
#include "lib/fsx.h"
#include "tests/tap.h"

#define LIST(...) { (char *[]){ __VA_ARGS__ }, sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *) }

static struct ht_optouts o;
static char why[CONF_WHY_MAX];

static int make(const struct optout_config *c)
{
	memset(&o, 0, sizeof(o));
	return optout_make(c, &o, why);
}

static void files(void)
{
	struct optout_config c = { .programs = LIST((char *)"tool?", (char *)"/opt/*/bin/x", (char *)"/usr/bin/curl") };

	ok_int(make(&c), 0);
	ok_int(optout_file(&o, "/usr/bin/chromium"), HT_OPTOUT_BROWSER);
	ok_int(optout_file(&o, "/opt/google/chrome/chrome"), HT_OPTOUT_BROWSER);
	ok_int(optout_file(&o, "/usr/lib/firefox-esr/firefox-esr"), HT_OPTOUT_BROWSER);
	ok_int(optout_file(&o, "/usr/libexec/webkit2gtk-4.0/WebKitNetworkProcess"), HT_OPTOUT_BROWSER);
	ok_int(optout_file(&o, "/opt/chromedriver/chromedriver"), HT_OPTOUT_NONE);
	ok_int(optout_file(&o, "/a/tool1"), HT_OPTOUT_PROGRAM);
	ok_int(optout_file(&o, "/tool1/a"), HT_OPTOUT_NONE);
	ok_int(optout_file(&o, "/a/tool"), HT_OPTOUT_NONE);
	ok_int(optout_file(&o, "/opt/a/b/bin/x"), HT_OPTOUT_PROGRAM);
	ok_int(optout_file(&o, "/opt/a/b/bin/xy"), HT_OPTOUT_NONE);
	ok_int(optout_file(&o, "/usr/bin/curl"), HT_OPTOUT_PROGRAM);
	ok_int(optout_file(&o, "/x/usr/bin/curl"), HT_OPTOUT_NONE);
	c.browsers = true;
	ok_int(make(&c), 0);
	ok_int(optout_file(&o, "/usr/bin/chromium"), HT_OPTOUT_NONE);
}

/* Others use them, too. */
static void libraries(void)
{
	struct optout_config c = { .programs = LIST((char *)"/usr/*", (char *)"lib*") };

	ok_int(make(&c), 0);
	ok_int(optout_file(&o, "/usr/bin/node"), HT_OPTOUT_PROGRAM);
	ok_int(optout_file(&o, "/usr/lib/libssl.so.3"), HT_OPTOUT_NONE);
	ok_int(optout_file(&o, "/usr/lib/libssl.so"), HT_OPTOUT_NONE);
	ok_int(optout_file(&o, "/usr/bin/some.sort"), HT_OPTOUT_PROGRAM);
}

/* Against fnmatch(3), over texts of few letters. */
static void like_fnmatch(void)
{
	static const char letters[] = "ab*?";
	unsigned bad = 0, hits = 0;

	for (unsigned p = 0; p < 1024; p++) {
		char pattern[8] = "", text[8];
		struct optout_config c = { .programs = LIST(pattern), .browsers = true };

		for (unsigned i = 0, x = p; i < 5; i++, x /= 4)
			pattern[i] = letters[x % 4];
		if (make(&c))
			bad++;
		for (unsigned v = 0; v < 64; v++) {
			for (unsigned i = 0; i < 6; i++)
				text[i] = letters[v >> i & 1];
			text[v % 7] = text[6] = 0;
			hits += !fnmatch(pattern, text, 0);
			bad += !fnmatch(pattern, text, 0) != (optout_file(&o, text) == HT_OPTOUT_PROGRAM);
		}
	}
	ok_int(bad, 0);
	ok(hits > 1000);
}

static void users(void)
{
	struct optout_config c = { .users = LIST((char *)"root", (char *)"64999") };

	ok_int(make(&c), 0);
	ok_int(o.nusers, 2);
	ok(o.user[0] == 0 && o.user[1] == 64999);
	c = (struct optout_config){ .users = LIST((char *)"no-such-user") };
	ok(make(&c) == -ENOENT && strstr(why, "tls_exclude_users: there is no user no-such-user"));
	c = (struct optout_config){ .users = LIST((char *)"4294967295") };
	ok(make(&c) < 0);
}

static void faults(void)
{
	char *many[HT_OPTOUT_PATTERNS + 1], longest[HT_OPTOUT_TEXT + 1];
	struct optout_config c = { .programs = LIST((char *)"a/b") };

	ok(make(&c) == -EINVAL && strstr(why, "\"a/b\" is neither a name nor an absolute path"));
	c = (struct optout_config){ .cgroups = LIST((char *)"user.slice") };
	ok(make(&c) == -EINVAL && strstr(why, "tls_exclude_cgroups"));
	c = (struct optout_config){ .cgroups = LIST((char *)"/") };
	ok(make(&c) == -EINVAL);
	c = (struct optout_config){ .programs = LIST((char *)"") };
	ok(make(&c) == -EINVAL);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[HT_OPTOUT_TEXT] = 0;
	c = (struct optout_config){ .programs = LIST(longest) };
	ok(make(&c) == -EINVAL && strstr(why, "127 bytes"));
	longest[HT_OPTOUT_TEXT - 1] = 0;
	ok_int(make(&c), 0);
	for (unsigned i = 0; i <= HT_OPTOUT_PATTERNS; i++)
		many[i] = (char *)"x";
	c = (struct optout_config){ .programs = { many, HT_OPTOUT_PATTERNS + 1 }, .browsers = true };
	ok(make(&c) == -E2BIG);
	c.programs.n--;
	ok_int(make(&c), 0);
}

static void words(void)
{
	struct optout_config c = { .programs = LIST((char *)"b", (char *)"/a"), .cgroups = LIST(strdup("/x/")), .users = LIST((char *)"7") };
	struct optout_line l;
	unsigned i = 0;

	ok_int(make(&c), 0);
	ok(optout_line(&o, i++, &l) && !strcmp(l.name, "TLS of browsers") && strstr(l.why, "tls_browsers"));
	ok(optout_line(&o, i++, &l) && !strcmp(l.name, "TLS of programs") && !strcmp(l.why, "tls_exclude_programs: b, /a"));
	ok(optout_line(&o, i++, &l) && !strcmp(l.name, "TLS of cgroups") && !strcmp(l.why, "tls_exclude_cgroups: /x"));
	ok(optout_line(&o, i++, &l) && !strcmp(l.name, "TLS of users") && !strcmp(l.why, "tls_exclude_users: 7"));
	ok(!optout_line(&o, i, &l));
	free(c.cgroups.v[0]);
}

static void many_words(void)
{
	struct optout_config c = { .browsers = true };
	char *many[60];
	struct optout_line l;

	for (unsigned i = 0; i < 60; i++)
		many[i] = (char *)"something";
	c.programs = (struct conf_list){ many, 60 };
	ok_int(make(&c), 0);
	ok(optout_line(&o, 0, &l) && !strcmp(l.why + strlen(l.why) - 13, "something ..."));
	ok(!optout_line(&o, 1, &l));
	ok(!strcmp(optout_name(HT_OPTOUT_USER), "user") && !optout_name(HT_OPTOUT_NONE));
}

/* What is built in is documented. */
static void documented(void)
{
	_cleanup_buf_ struct buf doc = { 0 };
	struct optout_config c = { 0 };
	char want[HT_OPTOUT_TEXT + 2];

	must(!fsx_read("docs/apis.md", 1 << 20, &doc) && !buf_addc(&doc, 0));
	ok_int(make(&c), 0);
	ok(o.names > 30);
	for (unsigned i = 0; i < o.names; i++) {
		snprintf(want, sizeof(want), "`%s`", o.text[i]);
		ok(strstr((char *)doc.p, want));
	}
}

static const struct tap_case cases[] = {
	CASE(files), CASE(libraries), CASE(like_fnmatch), CASE(users), CASE(faults), CASE(words), CASE(many_words), CASE(documented),
};
TAP_MAIN(cases)

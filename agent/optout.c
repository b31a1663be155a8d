// SPDX-License-Identifier: Apache-2.0
#include "optout.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

/*
 * By the names of their executables, and of those that do their networking. Text browsers are not here: scripts use them like curl.
 * WebKit's and Qt's network processes are everybody's who shows web pages, which is browsing, too.
 */
static const char *const browsers[] = {
	"chrome", "google-chrome*", "chromium", "chromium-*", "chrome_crashpad*", "headless_shell", "firefox", "firefox-*", "firefox.real",
	"plugin-container", "librewolf*", "waterfox*", "floorp*", "zen-bin", "palemoon*", "seamonkey*", "brave", "brave-*", "msedge*",
	"microsoft-edge*", "opera", "opera-*", "opera_*", "vivaldi", "vivaldi-*", "epiphany", "epiphany-*", "WebKitNetworkProcess",
	"WebKitWebProcess", "QtWebEngineProcess", "falkon", "konqueror", "midori", "qutebrowser", "yandex_browser", "thorium*",
};

static const struct {
	const char *name, *line, *key;
} kinds[] = {
	[HT_OPTOUT_BROWSER] = { "browser", "TLS of browsers", "left out, by their executables' names (tls_browsers: false)" },
	[HT_OPTOUT_PROGRAM] = { "program", "TLS of programs", "tls_exclude_programs" },
	[HT_OPTOUT_CGROUP] = { "cgroup", "TLS of cgroups", "tls_exclude_cgroups" },
	[HT_OPTOUT_USER] = { "user", "TLS of users", "tls_exclude_users" },
};

const char *optout_name(enum ht_optout kind)
{
	return (unsigned)kind < ARRAY_SIZE(kinds) ? kinds[kind].name : NULL;
}

/* ---- made of the configuration */

static int fault(char *why, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fault(char *why, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CONF_WHY_MAX, fmt, ap);
	va_end(ap);
	return r;
}

static int add(struct ht_optouts *o, uint32_t *end, const char *text, enum ht_optout of, char *why)
{
	if (*end == HT_OPTOUT_PATTERNS)
		return fault(why, -E2BIG, "%s: more than %d patterns in all, browsers' among them", kinds[of].key, HT_OPTOUT_PATTERNS);
	if (!*text || strlen(text) >= HT_OPTOUT_TEXT)
		return fault(why, -EINVAL, "%s: \"%.200s\" is not between 1 and %d bytes long", kinds[of].key, text, HT_OPTOUT_TEXT - 1);
	strcpy(o->text[*end], text);
	o->of[(*end)++] = (uint8_t)of;
	return 0;
}

/* Those with a slash, or those without. */
static int add_programs(struct ht_optouts *o, uint32_t *end, const struct conf_list *l, bool paths, char *why)
{
	int r = 0;

	for (size_t i = 0; i < l->n && !r; i++) {
		if (!strchr(l->v[i], '/') != paths)
			r = add(o, end, l->v[i], HT_OPTOUT_PROGRAM, why);
		if (!r && paths && strchr(l->v[i], '/') && l->v[i][0] != '/' && l->v[i][0] != '*')
			r = fault(why, -EINVAL, "tls_exclude_programs: \"%.200s\" is neither a name nor an absolute path", l->v[i]);
	}
	return r;
}

static int add_cgroups(struct ht_optouts *o, const struct conf_list *l, char *why)
{
	int r = 0;

	for (size_t i = 0; i < l->n && !r; i++) {
		char *text = l->v[i];
		size_t n = strlen(text);

		if ((text[0] != '/' && text[0] != '*') || n < 2)
			return fault(why, -EINVAL, "tls_exclude_cgroups: \"%.200s\" is no path of a cgroup, like /user.slice", text);
		if (text[n - 1] == '/')
			text[n - 1] = 0;
		r = add(o, &o->cgroups, text, HT_OPTOUT_CGROUP, why);
	}
	return r;
}

static int user_of(const char *text, uint32_t *ret_uid)
{
	char room[4096], *end;
	struct passwd pw, *found = NULL;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && !*end) {
		*ret_uid = (uint32_t)n;
		return errno || n >= UINT32_MAX ? -EINVAL : 0;
	}
	if (getpwnam_r(text, &pw, room, sizeof(room), &found) || !found)
		return -ENOENT;
	*ret_uid = found->pw_uid;
	return 0;
}

static int add_users(struct ht_optouts *o, const struct conf_list *l, char *why)
{
	for (size_t i = 0; i < l->n; i++) {
		int r;

		if (o->nusers == HT_OPTOUT_USERS)
			return fault(why, -E2BIG, "tls_exclude_users: more than %d users", HT_OPTOUT_USERS);
		r = user_of(l->v[i], &o->user[o->nusers]);
		if (r < 0)
			return fault(why, r, "tls_exclude_users: there is no user %.200s", l->v[i]);
		o->nusers++;
	}
	return 0;
}

int optout_make(const struct optout_config *c, struct ht_optouts *ret_o, char why[CONF_WHY_MAX])
{
	_cleanup_free_ struct ht_optouts *o = calloc(1, sizeof(*o));
	int r = o ? 0 : -ENOMEM;

	why[0] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(browsers) && !c->browsers && !r; i++)
		r = add(o, &o->names, browsers[i], HT_OPTOUT_BROWSER, why);
	if (!r)
		r = add_programs(o, &o->names, &c->programs, false, why);
	if (r < 0)
		return r;
	o->paths = o->names;
	r = add_programs(o, &o->paths, &c->programs, true, why);
	if (r < 0)
		return r;
	o->cgroups = o->paths;
	r = add_cgroups(o, &c->cgroups, why) ?: add_users(o, &c->users, why);
	if (!r)
		*ret_o = *o;
	return r;
}

/* ---- as the kernel side has it */

static bool fits(const char *p, const char *text)
{
	const char *star = NULL, *mark = NULL;

	for (;;) {
		if (*p == '*') {
			star = ++p;
			mark = text;
		} else if (!*p && !*text) {
			return true;
		} else if (*p && *text && (*p == *text || *p == '?')) {
			p++;
			text++;
		} else if (star && *text) {
			p = star;
			text = ++mark;
		} else {
			return false;
		}
	}
}

static bool library(const char *name)
{
	const char *so = strstr(name, ".so");

	return so && (!so[3] || so[3] == '.');
}

enum ht_optout optout_file(const struct ht_optouts *o, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (library(name))
		return HT_OPTOUT_NONE;
	for (unsigned i = 0; i < o->paths; i++)
		if (fits(o->text[i], i < o->names ? name : path))
			return o->of[i];
	return HT_OPTOUT_NONE;
}

/* ---- for people */

static void say(struct optout_line *l, unsigned *n, const char *text)
{
	size_t at = strlen(l->why);

	if (at + strlen(text) + 8 < sizeof(l->why))
		snprintf(l->why + at, sizeof(l->why) - at, "%s%s", (*n)++ ? ", " : ": ", text);
	else if (strcmp(l->why + at - 4, " ..."))
		snprintf(l->why + at, sizeof(l->why) - at, " ...");
}

static bool line_of(const struct ht_optouts *o, enum ht_optout kind, struct optout_line *ret_l)
{
	unsigned n = 0, of = 0;
	char number[16];

	snprintf(ret_l->name, sizeof(ret_l->name), "%s", kinds[kind].line);
	snprintf(ret_l->why, sizeof(ret_l->why), "%s", kinds[kind].key);
	for (unsigned i = 0; i < o->cgroups; i++) {
		of += o->of[i] == kind;
		if (o->of[i] == kind && kind != HT_OPTOUT_BROWSER)
			say(ret_l, &n, o->text[i]);
	}
	for (unsigned i = 0; i < o->nusers && kind == HT_OPTOUT_USER; i++, of++) {
		snprintf(number, sizeof(number), "%u", o->user[i]);
		say(ret_l, &n, number);
	}
	return of;
}

bool optout_line(const struct ht_optouts *o, unsigned i, struct optout_line *ret_l)
{
	for (unsigned kind = HT_OPTOUT_BROWSER; kind < ARRAY_SIZE(kinds); kind++)
		if (line_of(o, kind, ret_l) && !i--)
			return true;
	return false;
}

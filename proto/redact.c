// SPDX-License-Identifier: Apache-2.0
/*
 * redact.c - hides secrets in command lines, options, headers and URLs, by the tables below.
 *
 * A word that names a command switches its rules on for the words behind it, so wrappers (sudo, env, xargs) need no
 * rules of their own. A word with blanks in it is gone through as a command line of its own (sh -c '...').
 */
#include "redact.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/cleanup.h"

#define HIDDEN_LEN (sizeof(REDACT_HIDDEN) - 1)
#define NAME_MAX_LEN 96

struct room {
	char *p;
	size_t n, max;
};

/* ---- tables ---- */

/* Last words of names whose values are secrets; those before SHORT may also be the end of a longer word. */
static const char *const secret_words[] = {
	"password", "passwd", "passphrase", "passcode", "secret", "token", "apikey", "secretkey", "privatekey", "authorization", "storepass",
	"keypass", "sshpass", "credential", "credentials",
};
static const char *const secret_words_exact[] = { "pass", "pwd", "cookie", "bearer" };
/* Two last words. */
static const char *const secret_pairs[][2] = {
	{ "api", "key" }, { "secret", "key" }, { "private", "key" }, { "auth", "key" }, { "encryption", "key" }, { "account", "key" },
	{ "shared", "key" }, { "signing", "key" }, { "session", "key" }, { "master", "key" }, { "access", "key" }, { "oauth2", "bearer" },
};
/* The shell's own variables, and words that only look like a secret's name. */
static const char *const not_secret[] = { "pwd", "oldpwd", "no-password", "no-pass", "nopass", "nopassword", "ask-pass", "ask-password" };

enum rule_kind {
	NEXT = 0,	/* the word behind the option, or what is joined to it */
	JOINED,		/* only what is joined to the option */
	USERPASS,	/* like NEXT, if it has the separator in it */
	LAST,		/* the last word, if a short option of that letter was given */
};

struct rule {
	const char *commands;	/* separated by blanks */
	const char *sub;	/* a word that must come between, or NULL */
	const char *option;
	enum rule_kind kind;
	char separator;
};

static const struct rule rules[] = {
	{ "mysql mysqldump mysqladmin mysqlimport mysqlshow mysqlcheck mysqlslap mysqlbinlog mysqlpump mariadb mariadb-dump mariadb-admin "
	  "mariadb-import mariadb-check mariadb-show mytop mycli", NULL, "-p", JOINED, 0 },
	{ "sshpass", NULL, "-p", NEXT, 0 },
	{ "curl", NULL, "-u", USERPASS, ':' },
	{ "curl", NULL, "--user", USERPASS, ':' },
	{ "curl", NULL, "-U", USERPASS, ':' },
	{ "curl", NULL, "--proxy-user", USERPASS, ':' },
	{ "curl", NULL, "-E", USERPASS, ':' },
	{ "curl", NULL, "--cert", USERPASS, ':' },
	{ "curl", NULL, "-b", USERPASS, '=' },
	{ "http https", NULL, "-a", NEXT, 0 },
	{ "http https", NULL, "--auth", NEXT, 0 },
	{ "redis-cli keydb-cli valkey-cli", NULL, "-a", NEXT, 0 },
	{ "openssl", NULL, "-k", NEXT, 0 },
	{ "openssl", NULL, "-K", NEXT, 0 },
	{ "openssl", NULL, "-pass", NEXT, 0 },
	{ "openssl", NULL, "-passin", NEXT, 0 },
	{ "openssl", NULL, "-passout", NEXT, 0 },
	{ "docker podman nerdctl buildah skopeo crane helm oras", "login", "-p", NEXT, 0 },
	{ "mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat mongotop", NULL, "-p", NEXT, 0 },
	{ "ldapsearch ldapadd ldapmodify ldapdelete ldapmodrdn ldapwhoami ldapcompare ldapexop ldappasswd", NULL, "-w", NEXT, 0 },
	{ "ldappasswd", NULL, "-s", NEXT, 0 },
	{ "ldappasswd", NULL, "-a", NEXT, 0 },
	{ "sqlcmd osql bcp tsql isql", NULL, "-P", NEXT, 0 },
	{ "smbclient rpcclient smbget smbcacls smbmap winexe net wmic crackmapexec", NULL, "-U", USERPASS, '%' },
	{ "smbclient rpcclient smbget smbcacls winexe net", NULL, "--user", USERPASS, '%' },
	{ "htpasswd", NULL, "b", LAST, 0 },
	{ "useradd usermod groupadd groupmod", NULL, "-p", NEXT, 0 },
	{ "zip unzip zipcloak", NULL, "-P", NEXT, 0 },
	{ "7z 7za 7zr 7zz rar unrar", NULL, "-p", JOINED, 0 },
	{ "rar unrar", NULL, "-hp", JOINED, 0 },
	{ "ssh-keygen", NULL, "-N", NEXT, 0 },
	{ "ssh-keygen", NULL, "-P", NEXT, 0 },
	{ "snmpget snmpwalk snmpset snmpbulkwalk snmpbulkget snmpgetnext snmptrap", NULL, "-c", NEXT, 0 },
	{ "snmpget snmpwalk snmpset snmpbulkwalk snmpbulkget snmpgetnext snmptrap", NULL, "-A", NEXT, 0 },
	{ "snmpget snmpwalk snmpset snmpbulkwalk snmpbulkget snmpgetnext snmptrap", NULL, "-X", NEXT, 0 },
	{ "ipmitool", NULL, "-P", NEXT, 0 },
	{ "xfreerdp wlfreerdp xfreerdp3", NULL, "/p:", JOINED, 0 },
	{ "rdesktop", NULL, "-p", NEXT, 0 },
	{ "lftp", NULL, "-u", USERPASS, ',' },
	{ "ncftp ncftpget ncftpput", NULL, "-p", NEXT, 0 },
	{ "mosquitto_pub mosquitto_sub mosquitto_rr", NULL, "-P", NEXT, 0 },
	{ "vault", "login", "", NEXT, 0 },
	{ "aws", "set", "aws_secret_access_key", NEXT, 0 },
	{ "aws", "set", "aws_session_token", NEXT, 0 },
};

/* Secrets that show by their form, wherever they stand. */
static const struct {
	const char *prefix;
	size_t min;
} token_forms[] = {
	{ "ghp_", 20 }, { "gho_", 20 }, { "ghu_", 20 }, { "ghs_", 20 }, { "ghr_", 20 }, { "github_pat_", 30 }, { "glpat-", 20 },
	{ "xoxb-", 20 }, { "xoxp-", 20 }, { "xoxa-", 20 }, { "xoxs-", 20 }, { "sk_live_", 20 }, { "rk_live_", 20 }, { "sk-ant-", 20 },
	{ "npm_", 36 }, { "pypi-", 30 }, { "dckr_pat_", 20 }, { "hvs.", 20 }, { "AGE-SECRET-KEY-", 30 }, { "eyJ", 40 },
	{ "-----BEGIN", 20 }, { "SG.", 40 },
};

/* ---- parts of text ---- */

static bool starts(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && !memcmp(s.p, prefix, n);
}

static bool equals(struct str s, const char *text)
{
	return s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

static bool equals_nocase(const char *p, size_t n, const char *text)
{
	return n == strlen(text) && !strncasecmp(p, text, n);
}

static bool ends_nocase(const char *p, size_t n, const char *text)
{
	size_t t = strlen(text);

	return n >= t && !strncasecmp(p + n - t, text, t);
}

static void hide_all(struct str *s)
{
	*s = (struct str){ REDACT_HIDDEN, HIDDEN_LEN };
}

/* Replaces s[from, to) by the mark; where the text goes on after it. An empty value has nothing to hide. */
static size_t hide_part(struct str *s, size_t from, size_t to, struct room *r, bool *changed)
{
	size_t total = from + HIDDEN_LEN + s->n - to;
	char *p = r->p + r->n;

	if (from == to)
		return to;
	*changed = true;
	if ((!from && to == s->n) || total > r->max - r->n) {
		hide_all(s);
		return s->n;
	}
	memcpy(p, s->p, from);
	memcpy(p + from, REDACT_HIDDEN, HIDDEN_LEN);
	memcpy(p + from + HIDDEN_LEN, s->p + to, s->n - to);
	*s = (struct str){ p, total };
	r->n += total;
	return from + HIDDEN_LEN;
}

/* ---- names ---- */

/* The last two words of a name: "AWS_SECRET_ACCESS_KEY", "client-secret", "apiKey", "db.password". */
static void last_words(const char *p, size_t n, struct str *ret_last, struct str *ret_before)
{
	struct str w[2] = { { p + n, 0 }, { p + n, 0 } };
	unsigned i = 0;

	while (n && i < 2) {
		char c = p[n - 1];
		bool breaks = !isalnum((unsigned char)c);

		if (!breaks) {
			w[i].p = p + n - 1;
			w[i].n++;
			breaks = isupper((unsigned char)c) && n > 1 && islower((unsigned char)p[n - 2]);
			if (breaks)
				i++;
		} else if (w[i].n) {
			i++;
		}
		if (i < 2 && breaks)
			w[i] = (struct str){ p + n - 1, 0 };
		n--;
	}
	*ret_last = w[0];
	*ret_before = w[1];
}

bool redact_is_secret_name(const char *p, size_t n)
{
	struct str last, before;

	while (n && (*p == '-' || *p == '_')) {
		p++;
		n--;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(not_secret); i++)
		if (equals_nocase(p, n, not_secret[i]))
			return false;
	last_words(p, n, &last, &before);
	for (unsigned i = 0; i < ARRAY_SIZE(secret_words); i++)
		if (ends_nocase(last.p, last.n, secret_words[i]))
			return true;
	for (unsigned i = 0; i < ARRAY_SIZE(secret_words_exact); i++)
		if (equals_nocase(last.p, last.n, secret_words_exact[i]))
			return true;
	for (unsigned i = 0; i < ARRAY_SIZE(secret_pairs); i++)
		if (equals_nocase(last.p, last.n, secret_pairs[i][1]) && equals_nocase(before.p, before.n, secret_pairs[i][0]))
			return true;
	return false;
}

/* ---- one word ---- */

static bool has_token_form(struct str s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(token_forms); i++)
		if (s.n >= token_forms[i].min && starts(s, token_forms[i].prefix))
			return true;
	return false;
}

/* "scheme://user:secret@host", and "scheme://token@host" where the token shows by its form. */
static bool hide_userinfo(struct str *s, struct room *r)
{
	size_t at = 0;
	bool changed = false;

	while (at < s->n) {
		const char *scheme = memmem(s->p + at, s->n - at, "://", 3);
		size_t from, end, colon;

		if (!scheme)
			break;
		from = (size_t)(scheme - s->p) + 3;
		for (end = from; end < s->n && !strchr("/?# '\"\t\n", s->p[end]); end++)
			;
		at = end;
		while (end > from && s->p[end - 1] != '@')
			end--;
		if (end == from)
			continue;
		end--;		/* of the userinfo */
		for (colon = from; colon < end && s->p[colon] != ':'; colon++)
			;
		if (colon < end)
			at = hide_part(s, colon + 1, end, r, &changed);
		else if (has_token_form((struct str){ s->p + from, end - from }))
			at = hide_part(s, from, end, r, &changed);
	}
	return changed;
}

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* name=value where the name is a secret's: variables, options, URL queries, comma lists. */
static bool hide_assignments(struct str *s, struct room *r)
{
	bool changed = false;

	for (size_t i = 0; i < s->n; i++) {
		size_t from = i, to = i + 1;

		if (s->p[i] != '=')
			continue;
		while (from && name_char(s->p[from - 1]) && i - from < NAME_MAX_LEN)
			from--;
		if (from == i || !redact_is_secret_name(s->p + from, i - from))
			continue;
		if (from && (s->p[from - 1] == '?' || s->p[from - 1] == '&'))
			while (to < s->n && s->p[to] != '&' && s->p[to] != '#')
				to++;
		else
			to = s->n;
		i = hide_part(s, i + 1, to, r, &changed);
	}
	return changed;
}

/* "Authorization: Basic ..." and the like. */
static bool hide_header(struct str *s, struct room *r)
{
	const char *colon = memchr(s->p, ':', s->n < NAME_MAX_LEN ? s->n : NAME_MAX_LEN);
	size_t from = colon ? (size_t)(colon - s->p) : 0;
	bool changed = false;

	if (!from || !redact_is_secret_name(s->p, from))
		return false;
	for (size_t i = 0; i < from; i++)
		if (!name_char(s->p[i]))
			return false;
	from++;
	while (from < s->n && s->p[from] == ' ')
		from++;
	hide_part(s, from, s->n, r, &changed);
	return changed;
}

/* "pass:secret" of openssl's options; "env:", "file:" and "fd:" name no secret. */
static bool names_a_source(struct str s)
{
	return starts(s, "env:") || starts(s, "file:") || starts(s, "fd:") || equals(s, "stdin");
}

static bool hide_word(struct str *s, struct room *r)
{
	bool changed = hide_header(s, r);

	if (has_token_form(*s) || (starts(*s, "pass:") && s->n > 5)) {
		hide_all(s);
		return true;
	}
	changed |= hide_assignments(s, r);
	return hide_userinfo(s, r) || changed;
}

/* ---- a command line ---- */

struct line {
	struct str command;		/* the latest word that names one of the tables' commands; n == 0: none */
	struct str *v;
	unsigned n;
	struct room *room;
	unsigned changed;
	unsigned command_at;
};

static struct str base_name(struct str s)
{
	const char *slash = s.n ? memrchr(s.p, '/', s.n) : NULL;

	return slash ? (struct str){ slash + 1, s.n - (size_t)(slash + 1 - s.p) } : s;
}

/* Is s one of the blank-separated words? */
static bool word_in(const char *words, struct str s)
{
	while (s.n && *words) {
		size_t n = strcspn(words, " ");

		if (n == s.n && !memcmp(words, s.p, n))
			return true;
		words += n + (words[n] == ' ');
	}
	return false;
}

static bool is_command(struct str s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
		if (word_in(rules[i].commands, s))
			return true;
	return false;
}

static bool came_before(const struct line *l, unsigned i, const char *word)
{
	for (unsigned j = l->command_at + 1; j < i; j++)
		if (equals(l->v[j], word))
			return true;
	return false;
}

static void hide_value(struct line *l, unsigned i, size_t from, const struct rule *rule)
{
	struct str value = { l->v[i].p + from, l->v[i].n - from };
	bool changed = false;

	if (rule->kind == USERPASS && !memchr(value.p, rule->separator, value.n))
		return;
	if (names_a_source(value))
		return;
	hide_part(&l->v[i], from, l->v[i].n, l->room, &changed);
	l->changed += changed;
}

/* Does the rule hide (a part of) word i, or the one behind it? The number of words that are done with. */
static unsigned try_rule(struct line *l, unsigned i, const struct rule *rule)
{
	struct str s = l->v[i];
	size_t n = strlen(rule->option);
	bool is_long = n > 2 && rule->option[1] == '-';

	if (!word_in(rule->commands, l->command) || (rule->sub && !came_before(l, i, rule->sub)))
		return 0;
	if (!n) {	/* the first word behind the subcommand that is no option */
		if (s.n && s.p[0] == '-')
			return 0;
		hide_value(l, i, 0, rule);
		return 1;
	}
	if (rule->kind == LAST || !starts(s, rule->option))
		return 0;
	if (s.n == n && rule->kind == JOINED)
		return 0;
	if (s.n == n) {
		if (i + 1 < l->n)
			hide_value(l, i + 1, 0, rule);
		return 2;
	}
	if (is_long && s.p[n] != '=')
		return 0;
	if (!is_long && n > 2 && rule->kind != JOINED)
		return 0;	/* "-passin" is not "-pass" with "in" joined */
	hide_value(l, i, n + is_long, rule);
	return 1;
}

static bool looks_like_option(struct str s)
{
	return s.n >= 2 && s.p[0] == '-' && (s.n == 2 || s.p[1] == '-');
}

/* "--token x", "-storepass x": a long option of a secret's name and the word behind it. */
static bool secret_option(const struct line *l, unsigned i)
{
	struct str s = l->v[i];

	return s.n > 3 && s.p[0] == '-' && !memchr(s.p, '=', s.n) && !memchr(s.p, ' ', s.n) && redact_is_secret_name(s.p, s.n) &&
	       i + 1 < l->n && !looks_like_option(l->v[i + 1]);
}

static bool has_blank(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (strchr(" \t\n;|&", s.p[i]))
			return true;
	return false;
}

static unsigned line_redact(struct line *l, unsigned depth);

#define WORDS_MAX 64

/* A word that is a command line itself. Its words are gone through in groups; a changed one changes the text around it. */
static bool hide_words(struct str *s, struct room *r)
{
	struct str v[WORDS_MAX], old[WORDS_MAX];
	size_t at = 0;
	bool changed = false;

	while (at < s->n) {
		struct line l = { .v = v, .room = r };
		size_t begin = at, shift = 0;

		while (at < s->n && l.n < WORDS_MAX) {
			size_t end = at;

			while (end < s->n && !strchr(" \t\n;|&", s->p[end]))
				end++;
			if (end > at)
				v[l.n++] = (struct str){ s->p + at, end - at };
			at = end + 1;
		}
		memcpy(old, v, l.n * sizeof(v[0]));
		if (!line_redact(&l, 1))
			continue;
		for (unsigned i = 0; i < l.n; i++) {
			size_t from = (size_t)(old[i].p - (changed ? old[0].p - (old[0].p - old[i].p) : old[i].p));
			(void)from;
		}
		changed = true;
		(void)begin;
		(void)shift;
	}
	return changed;
}


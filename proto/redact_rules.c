// SPDX-License-Identifier: Apache-2.0
/* redact_rules.c - the tables of secrets: names, options by command, forms. */
#include "redact_rules.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/cleanup.h"

/* Last words of names whose values are secrets: as the end of a word (PGPASSWORD), and only as a whole one. */
static const char *const secret_words[] = {
	"password", "passwd", "passphrase", "passcode", "secret", "token", "apikey", "secretkey", "privatekey", "authorization", "storepass",
	"keypass", "sshpass",
};
static const char *const secret_words_exact[] = { "pass", "pwd", "cookie", "bearer" };
/* Two last words. */
static const char *const secret_pairs[][2] = {
	{ "api", "key" }, { "secret", "key" }, { "private", "key" }, { "auth", "key" }, { "encryption", "key" }, { "account", "key" },
	{ "shared", "key" }, { "signing", "key" }, { "session", "key" }, { "master", "key" }, { "access", "key" }, { "oauth2", "bearer" },
};
/* Last words of names in a URL's query, and whole names: what gives access to what the URL names. */
static const char *const secret_queries[] = { "signature", "sig" };
static const char *const secret_queries_whole[] = { "code", "jwt" };
/* The shell's own variables, and words that only look like a secret's name. */
static const char *const not_secret[] = { "pwd", "oldpwd", "no-password", "no-pass", "nopass", "nopassword", "ask-pass", "ask-password" };

#define CURL_FLAGS "#01346aBfgGiIjJklLMnNOpqRsSvVZ"
#define LDAP_FLAGS "xLvcnMZIQ"

static const struct rule rules[] = {
	{ "mysql mysqldump mysqladmin mysqlimport mysqlshow mysqlcheck mysqlslap mysqlbinlog mysqlpump mariadb mariadb-dump mariadb-admin "
	  "mariadb-import mariadb-check mariadb-show mytop mycli", NULL, "-p", JOINED, 0, NULL },
	{ "sshpass", NULL, "-p", NEXT, 0, "v" },
	{ "curl", NULL, "-u", USERPASS, ':', CURL_FLAGS },
	{ "curl", NULL, "--user", USERPASS, ':', NULL },
	{ "curl", NULL, "-U", USERPASS, ':', CURL_FLAGS },
	{ "curl", NULL, "--proxy-user", USERPASS, ':', NULL },
	{ "curl", NULL, "-E", USERPASS, ':', CURL_FLAGS },
	{ "curl", NULL, "--cert", USERPASS, ':', NULL },
	{ "curl", NULL, "-b", USERPASS, '=', CURL_FLAGS },
	{ "http https", NULL, "-a", NEXT, 0, NULL },
	{ "http https", NULL, "--auth", NEXT, 0, NULL },
	{ "redis-cli keydb-cli valkey-cli", NULL, "-a", NEXT, 0, NULL },
	{ "openssl", NULL, "-k", NEXT, 0, NULL },
	{ "openssl", NULL, "-K", NEXT, 0, NULL },
	{ "openssl", NULL, "-pass", NEXT, 0, NULL },
	{ "openssl", NULL, "-passin", NEXT, 0, NULL },
	{ "openssl", NULL, "-passout", NEXT, 0, NULL },
	{ "docker podman nerdctl buildah skopeo crane helm oras", "login", "-p", NEXT, 0, NULL },
	{ "mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat mongotop", NULL, "-p", NEXT, 0, NULL },
	{ "ldapsearch ldapadd ldapmodify ldapdelete ldapmodrdn ldapwhoami ldapcompare ldapexop ldappasswd", NULL, "-w", NEXT, 0,
	  LDAP_FLAGS },
	{ "ldappasswd", NULL, "-s", NEXT, 0, NULL },
	{ "ldappasswd", NULL, "-a", NEXT, 0, NULL },
	{ "sqlcmd osql bcp tsql isql", NULL, "-P", NEXT, 0, NULL },
	{ "smbclient rpcclient smbget smbcacls smbmap winexe net wmic crackmapexec", NULL, "-U", USERPASS, '%', NULL },
	{ "smbclient rpcclient smbget smbcacls winexe net", NULL, "--user", USERPASS, '%', NULL },
	{ "htpasswd", NULL, "b", LAST, 0, NULL },
	{ "useradd usermod groupadd groupmod", NULL, "-p", NEXT, 0, "mMNUrDoFaLl" },
	{ "zip unzip zipcloak", NULL, "-P", NEXT, 0, "0123456789rqjmuofvTyXDlCLapnc" },
	{ "7z 7za 7zr 7zz rar unrar", NULL, "-p", JOINED, 0, NULL },
	{ "rar unrar", NULL, "-hp", JOINED, 0, NULL },
	{ "ssh-keygen", NULL, "-N", NEXT, 0, "qvpyceo" },
	{ "ssh-keygen", NULL, "-P", NEXT, 0, "qvpyceo" },
	{ "snmpget snmpwalk snmpset snmpbulkwalk snmpbulkget snmpgetnext snmptrap", NULL, "-c", NEXT, 0, NULL },
	{ "snmpget snmpwalk snmpset snmpbulkwalk snmpbulkget snmpgetnext snmptrap", NULL, "-A", NEXT, 0, NULL },
	{ "snmpget snmpwalk snmpset snmpbulkwalk snmpbulkget snmpgetnext snmptrap", NULL, "-X", NEXT, 0, NULL },
	{ "ipmitool", NULL, "-P", NEXT, 0, NULL },
	{ "xfreerdp wlfreerdp xfreerdp3", NULL, "/p:", JOINED, 0, NULL },
	{ "rdesktop", NULL, "-p", NEXT, 0, NULL },
	{ "lftp", NULL, "-u", USERPASS, ',', NULL },
	{ "ncftp ncftpget ncftpput", NULL, "-p", NEXT, 0, NULL },
	{ "mosquitto_pub mosquitto_sub mosquitto_rr", NULL, "-P", NEXT, 0, NULL },
	{ "vault", "login", "", NEXT, 0, NULL },
	{ "kubectl oc k3s", "secret", "--from-literal", USERPASS, '=', NULL },
	{ "nmcli", NULL, "password", NEXT, 0, NULL },
	{ "nmcli", NULL, "wifi-sec.psk", NEXT, 0, NULL },
	{ "aws", "set", "aws_secret_access_key", NEXT, 0, NULL },
	{ "aws", "set", "aws_session_token", NEXT, 0, NULL },
};

/* Secrets that show by their form, wherever they stand. */
static const struct {
	const char *prefix;
	size_t min;
} token_forms[] = {
	{ "ghp_", 20 }, { "gho_", 20 }, { "ghu_", 20 }, { "ghs_", 20 }, { "ghr_", 20 }, { "github_pat_", 30 }, { "glpat-", 20 },
	{ "xoxb-", 20 }, { "xoxp-", 20 }, { "xoxa-", 20 }, { "xoxs-", 20 }, { "sk_live_", 20 }, { "rk_live_", 20 }, { "sk-ant-", 20 },
	{ "npm_", 36 }, { "pypi-", 30 }, { "dckr_pat_", 20 }, { "hvs.", 20 }, { "AGE-SECRET-KEY-", 30 }, { "eyJ", 40 },
	{ "-----BEGIN", 20 }, { "SG.", 40 }, { "AIza", 39 }, { "ya29.", 30 }, { "GOCSPX-", 24 }, { "hvb.", 20 }, { "k8s-aws-v1.", 40 },
	{ "sk-proj-", 20 }, { "sk-or-v1-", 30 }, { "hf_", 30 }, { "gsk_", 40 }, { "nvapi-", 40 }, { "xapp-", 20 }, { "xoxe", 20 }, { "glrt-", 20 },
	{ "glptt-", 20 }, { "gldt-", 20 }, { "glsa_", 30 }, { "dop_v1_", 40 }, { "shpat_", 30 }, { "tskey-", 20 }, { "ATATT3", 40 }, { "NRAK-", 20 },
	{ "PMAK-", 30 }, { "pul-", 40 }, { "rubygems_", 40 }, { "whsec_", 20 }, { "sq0csp-", 30 }, { "sq0atp-", 20 }, { "lin_api_", 30 },
	{ "figd_", 30 }, { "dp.pt.", 30 }, { "sk_test_", 20 }, { "rk_test_", 20 }, { "EAAA", 50 },
};

/* Commands of the rules, sorted, each with a bit for every rule that it switches on. */
_Static_assert(ARRAY_SIZE(rules) <= 64, "a bit for every rule");
#define COMMANDS_MAX 192
static struct command {
	struct str name;
	uint64_t rules;
} commands[COMMANDS_MAX];
static unsigned ncommands;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int command_compare(const void *a, const void *b)
{
	const struct str *x = &((const struct command *)a)->name, *y = &((const struct command *)b)->name;
	int r = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	return r ? r : (x->n > y->n) - (x->n < y->n);
}

static void commands_build(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
		for (const char *p = rules[i].commands; *p; p += strspn(p, " ")) {
			size_t n = strcspn(p, " ");
			unsigned c = 0;

			while (c < ncommands && (commands[c].name.n != n || memcmp(commands[c].name.p, p, n)))
				c++;
			if (c == COMMANDS_MAX)
				abort();	/* our own table outgrew the room */
			if (c == ncommands)
				commands[ncommands++].name = (struct str){ p, n };
			commands[c].rules |= 1ull << i;
			p += n;
		}
	qsort(commands, ncommands, sizeof(commands[0]), command_compare);
}

const struct rule *redact_rule(unsigned i)
{
	return i < ARRAY_SIZE(rules) ? &rules[i] : NULL;
}

uint64_t redact_rules_of(struct str command)
{
	struct command key = { .name = command };
	const struct command *c;

	pthread_once(&once, commands_build);
	c = command.n ? bsearch(&key, commands, ncommands, sizeof(commands[0]), command_compare) : NULL;
	return c ? c->rules : 0;
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

bool redact_is_secret_query(const char *p, size_t n)
{
	struct str last, before;

	last_words(p, n, &last, &before);
	for (unsigned i = 0; i < ARRAY_SIZE(secret_queries); i++)
		if (equals_nocase(last.p, last.n, secret_queries[i]))
			return true;
	for (unsigned i = 0; i < ARRAY_SIZE(secret_queries_whole); i++)
		if (equals_nocase(p, n, secret_queries_whole[i]))
			return true;
	return redact_is_secret_name(p, n);
}

bool redact_may_be_token(char first)
{
	static const char firsts[] = "gxsrnpdhAe-SyGktwlfNPE";	/* of all the forms */

	return first && memchr(firsts, first, sizeof(firsts) - 1);
}

bool redact_has_token_form(struct str s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(token_forms); i++)
		if (s.n >= token_forms[i].min && starts(s, token_forms[i].prefix))
			return true;
	return false;
}

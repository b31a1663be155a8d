/* SPDX-License-Identifier: Apache-2.0 */
/* test_redact.c - command lines, one word a part between '|', and what must be left of them. "#" stands for the mark, "^" for "#". */
#include <stdbool.h>
#include <stdint.h>

#include "lib/cleanup.h"
#include "proto/redact.h"
#include "proto/redact_rules.h"
#include "tests/tap.h"

#define WORDS 64

static const struct {
	const char *in, *out;
} lines[] = {
	/* mysql and its family: only what is joined; -p alone asks, and the word behind it is the database */
	{ "mysql|-psecret|-u|root|db", "mysql|-p#|-u|root|db" },
	{ "mysql|-p|db", "mysql|-p|db" },
	{ "/usr/bin/mysqldump|--password=s3cret|-P|3306", "/usr/bin/mysqldump|--password=#|-P|3306" },
	{ "mysql|--password|-u|root", "mysql|--password|-u|root" },
	{ "sudo|-u|x|mysql|-pabc", "sudo|-u|x|mysql|-p#" },
	{ "env|MYSQL_PWD=abc|mysql", "env|MYSQL_PWD=#|mysql" },
	{ "sshpass|-p|secret|ssh|host", "sshpass|-p|#|ssh|host" },
	{ "sshpass|-psecret|ssh|-p|22|host", "sshpass|-p#|ssh|-p|#|host" },	/* too much rather than too little */
	{ "sshpass|-f|file|ssh|host", "sshpass|-f|file|ssh|host" },
	/* curl, wget */
	{ "curl|-u|alice:secret|http://h/", "curl|-u|#|http://h/" },
	{ "curl|-ualice:secret|http://h/", "curl|-u#|http://h/" },
	{ "curl|-u|alice|http://h/", "curl|-u|alice|http://h/" },
	{ "curl|--user=alice:secret", "curl|--user=#" },
	{ "curl|-H|Authorization: Bearer abc.def", "curl|-H|Authorization: #" },
	{ "curl|--header|X-Api-Key: abc", "curl|--header|X-Api-Key: #" },
	{ "curl|-H|Accept: text/plain", "curl|-H|Accept: text/plain" },
	{ "curl|-H|Cookie: session=1; token=2", "curl|-H|Cookie: #" },
	{ "curl|-d|{\"user\": \"a\", \"password\": \"b c\", \"x\": 1}", "curl|-d|{\"user\": \"a\", \"password\": \"#\", \"x\": 1}" },
	{ "curl|https://h/?token=abc&x=1#top", "curl|https://h/?token=#&x=1^top" },
	{ "curl|--oauth2-bearer|abc", "curl|--oauth2-bearer|#" },
	{ "wget|--http-password=abc|http://h/", "wget|--http-password=#|http://h/" },
	/* several options in one word */
	{ "curl|-sSu|alice:secret|http://h/", "curl|-sSu|#|http://h/" },
	{ "curl|-fsSLualice:secret|http://h/", "curl|-fsSLu#|http://h/" },
	{ "curl|-su|alice|http://h/", "curl|-su|alice|http://h/" },
	{ "curl|-ou|http://h/", "curl|-ou|http://h/" },			/* -o takes the u */
	{ "curl|-sSb|a=b; c=d|http://h/", "curl|-sSb|#|http://h/" },
	{ "zip|-rqP|abc|a.zip|f", "zip|-rqP|#|a.zip|f" },
	{ "unzip|-oP|abc|a.zip", "unzip|-oP|#|a.zip" },
	{ "useradd|-mp|$6$hash|bob", "useradd|-mp|#|bob" },
	{ "ldapsearch|-LLLxw|abc|-b|dc=x", "ldapsearch|-LLLxw|#|-b|dc=x" },
	{ "ssh-keygen|-qN|abc|-f|k", "ssh-keygen|-qN|#|-f|k" },
	{ "sshpass|-vpabc|ssh|h", "sshpass|-vp#|ssh|h" },
	{ "sh|-c|curl -sSu a:b h; true", "sh|-c|curl -sSu # h; true" },
	/* URLs */
	{ "psql|postgresql://alice:s%40cret@db:5432/app", "psql|postgresql://alice:#@db:5432/app" },
	{ "git|clone|https://alice:p@ss@github.com/x/y", "git|clone|https://alice:#@github.com/x/y" },
	{ "curl|https://b.s3/k?X-Amz-Credential=AKIA&X-Amz-Signature=abc&x=1", "curl|https://b.s3/k?X-Amz-Credential=AKIA&X-Amz-Signature=#&x=1" },
	{ "azcopy|copy|https://a.blob/c?sv=1&sig=a%2Bb", "azcopy|copy|https://a.blob/c?sv=1&sig=#" },
	{ "curl|https://maps/?key=AIzaSyA-0123456789abcdefghijklmnopqrstu", "curl|https://maps/?key=#" },
	{ "curl|https://f.azurewebsites.net/api/x?code=abc&y=1", "curl|https://f.azurewebsites.net/api/x?code=#&y=1" },
	{ "curl|https://h/x?status_code=abc", "curl|https://h/x?status_code=abc" },
	{ "x|ya29.a0AfB_01234567890123456789012", "x|#" },
	{ "gpg|--verify|a.sig|--signature=a|sig=1", "gpg|--verify|a.sig|--signature=a|sig=1" },
	{ "git|clone|ssh://git@github.com/x/y", "git|clone|ssh://git@github.com/x/y" },
	{ "git|clone|https://ghp_0123456789012345678901234567890@github.com/x", "git|clone|https://#@github.com/x" },
	{ "x|a=http://u:p@h,b=http://v:q@i", "x|a=http://u:#@h,b=http://v:#@i" },
	{ "curl|http://[::1]:80/a:b@c", "curl|http://[::1]:80/a:b@c" },
	/* variables and options by name */
	{ "env|GITHUB_TOKEN=abc|AWS_SECRET_ACCESS_KEY=x/y+z|AWS_ACCESS_KEY_ID=AKIA|true", "env|GITHUB_TOKEN=#|AWS_SECRET_ACCESS_KEY=#|AWS_ACCESS_KEY_ID=AKIA|true" },
	{ "env|PWD=/home/a|OLDPWD=/|PGPASSWORD=abc|PGUSER=a", "env|PWD=/home/a|OLDPWD=/|PGPASSWORD=#|PGUSER=a" },
	{ "tool|--api-key|abc|--region|eu", "tool|--api-key|#|--region|eu" },
	{ "tool|--client-secret=abc|--secret|--verbose", "tool|--client-secret=#|--secret|--verbose" },
	{ "tool|--password-file|/etc/p|--token-file=/etc/t", "tool|--password-file|/etc/p|--token-file=/etc/t" },
	{ "tool|--no-password|x", "tool|--no-password|x" },
	{ "tool|--clientSecret|abc|--accessToken=x", "tool|--clientSecret|#|--accessToken=#" },
	{ "java|-Djavax.net.ssl.keyStorePassword=abc|-Dx.secretKey=y|Main", "java|-Djavax.net.ssl.keyStorePassword=#|-Dx.secretKey=#|Main" },
	{ "keytool|-storepass|abc|-keypass|def|-alias|x", "keytool|-storepass|#|-keypass|#|-alias|x" },
	{ "npm|config|set|//registry.npmjs.org/:_authToken=abc", "npm|config|set|//registry.npmjs.org/:_authToken=#" },
	{ "tool|--token=|x", "tool|--token=|x" },
	{ "monkey|bypass=1|tokens|secretary", "monkey|bypass=1|tokens|secretary" },
	/* commands with options of their own */
	{ "openssl|rsa|-passin|pass:abc|-in|k", "openssl|rsa|-passin|#|-in|k" },
	{ "openssl|rsa|-passin|env:VAR|-in|k", "openssl|rsa|-passin|env:VAR|-in|k" },
	{ "openssl|enc|-k|abc|-in|f", "openssl|enc|-k|#|-in|f" },
	{ "redis-cli|-a|abc|get|k", "redis-cli|-a|#|get|k" },
	{ "redis-cli|--pass|abc|get|k", "redis-cli|--pass|#|get|k" },
	{ "docker|login|-u|a|-p|abc|reg", "docker|login|-u|a|-p|#|reg" },
	{ "docker|run|-p|80:80|nginx", "docker|run|-p|80:80|nginx" },
	{ "docker|run|-e|DB_PASSWORD=abc|img", "docker|run|-e|DB_PASSWORD=#|img" },
	{ "ldapsearch|-D|cn=a|-w|abc|-b|dc=x", "ldapsearch|-D|cn=a|-w|#|-b|dc=x" },
	{ "sqlcmd|-U|sa|-P|abc", "sqlcmd|-U|sa|-P|#" },
	{ "smbclient|//h/s|-U|alice%abc", "smbclient|//h/s|-U|#" },
	{ "smbclient|//h/s|-U|alice", "smbclient|//h/s|-U|alice" },
	{ "htpasswd|-nb|alice|abc", "htpasswd|-nb|alice|#" },
	{ "htpasswd|file|alice", "htpasswd|file|alice" },
	{ "useradd|-m|-p|$6$hash|bob", "useradd|-m|-p|#|bob" },
	{ "zip|-P|abc|a.zip|f", "zip|-P|#|a.zip|f" },
	{ "7z|x|-pabc|a.7z", "7z|x|-p#|a.7z" },
	{ "ssh-keygen|-N||-f|k", "ssh-keygen|-N||-f|k" },
	{ "ssh-keygen|-N|abc|-f|k", "ssh-keygen|-N|#|-f|k" },
	{ "mount|-t|cifs|-o|user=a,password=b,ro|//h/s|/m", "mount|-t|cifs|-o|user=a,password=#|//h/s|/m" },	/* the rest may be part of it */
	{ "vault|login|s.abcdef", "vault|login|#" },
	{ "aws|configure|set|aws_secret_access_key|abc", "aws|configure|set|aws_secret_access_key|#" },
	{ "kubectl|create|secret|generic|n|--from-literal=pw=abc", "kubectl|create|secret|generic|n|--from-literal=#" },
	{ "kubectl|create|secret|generic|n|--from-literal|pw=abc", "kubectl|create|secret|generic|n|--from-literal|#" },
	{ "kubectl|create|configmap|n|--from-literal=a=b", "kubectl|create|configmap|n|--from-literal=a=b" },
	{ "nmcli|dev|wifi|connect|n|password|abc", "nmcli|dev|wifi|connect|n|password|#" },
	{ "nmcli|c|modify|n|wifi-sec.psk|abc", "nmcli|c|modify|n|wifi-sec.psk|#" },
	{ "lftp|-u|a,b|host", "lftp|-u|#|host" },
	{ "snmpwalk|-v2c|-c|public|h", "snmpwalk|-v2c|-c|#|h" },
	{ "xfreerdp|/u:a|/p:b|/v:h", "xfreerdp|/u:a|/p:#|/v:h" },
	/* by form */
	{ "x|eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghij", "x|#" },
	{ "x|glpat-0123456789abcdefghij", "x|#" },
	{ "x|npm_run|ghp_short", "x|npm_run|ghp_short" },
	{ "env|GH=ghp_01234567890123456789|true", "env|GH=#|true" },
	{ "x|--header=x=glpat-0123456789abcdefghij|y", "x|--header=x=#|y" },
	/* command lines in a word */
	{ "sh|-c|mysql -psecret db | grep x", "sh|-c|mysql -p# db | grep x" },
	{ "sh|-c|mysql '-psec ret' db", "sh|-c|mysql '-p#' db" },
	{ "bash|-c|export TOKEN='a b'; curl -u a:b h", "bash|-c|export TOKEN='#'; curl -u # h" },
	{ "sh|-c|curl -H 'Authorization: Bearer abc' http://h", "sh|-c|curl -H 'Authorization: #' http://h" },
	{ "sh|-c|sh -c \"sshpass -p abc ssh h\"", "sh|-c|sh -c \"sshpass -p # ssh h\"" },
	{ "sh|-c|echo hello; ls -l", "sh|-c|echo hello; ls -l" },
	{ "env|PASSWORD=my long phrase|x", "env|PASSWORD=#|x" },
	{ "x|Server=a; Password=b c; Db=d", "x|Server=a; Password=#; Db=d" },
	{ "ssh|host|export PASSWORD=abc; ls", "ssh|host|export PASSWORD=#; ls" },
	{ "sh|-c|PASSWORD=abc ./x --flag", "sh|-c|PASSWORD=# ./x --flag" },
	/* nothing to hide */
	{ "ls|-l|--color=auto|/tmp", "ls|-l|--color=auto|/tmp" },
	{ "|a||", "|a||" },
	{ "gcc|-Wp,-MMD|-o|a.o|pass.c|-DTOKENS", "gcc|-Wp,-MMD|-o|a.o|pass.c|-DTOKENS" },
};

static unsigned words(const char *line, struct str *v)
{
	unsigned n = 0;

	for (const char *end; ; line = end + 1) {
		end = strchrnul(line, '|');
		/* " | " inside a word is the shell's, not ours */
		while (*end && end > line && end[-1] == ' ')
			end = strchrnul(end + 1, '|');
		v[n++] = (struct str){ line, (size_t)(end - line) };
		if (!*end)
			return n;
	}
}

static void expand(const char *out, char *to)
{
	for (; *out; out++)
		if (*out == '#')
			to = stpcpy(to, REDACT_HIDDEN);
		else
			*to++ = *out == '^' ? '#' : *out;
	*to = 0;
}

static void text_of(const struct str *v, unsigned n, char *to)
{
	for (unsigned i = 0; i < n; i++) {
		if (i)
			*to++ = '|';
		memcpy(to, v[i].p, v[i].n);
		to += v[i].n;
	}
	*to = 0;
}

static void table(void)
{
	char room[16384], want[8192], have[8192];
	struct str v[WORDS];

	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
		unsigned n = words(lines[i].in, v), changed = redact_argv(v, n, room, sizeof(room));

		expand(lines[i].out, want);
		text_of(v, n, have);
		if (strcmp(have, want)) {
			printf("# %s\n#   became %s\n#   not    %s\n", lines[i].in, have, want);
			tap_failed = 1;
		}
		if (!changed != !strstr(want, REDACT_HIDDEN))
			printf("# %s: said %u changes\n", lines[i].in, changed), tap_failed = 1;
	}
}

/* Whatever the room, the secret goes; only more may go with it. */
static void small_room_hides_more(void)
{
	char room[256];

	for (size_t max = 0; max < sizeof(room); max++) {
		struct str v[] = { { "mysql", 5 }, { "-pTOPSECRET", 11 }, { "http://a:TOPSECRET@h/", 21 },
				   { "x -c TOPSECRET; mysql -pTOPSECRET", 33 } };

		redact_argv(v, 4, room, max);
		for (unsigned i = 1; i < 3; i++)
			ok(!memmem(v[i].p, v[i].n, "TOPSECRET", 9));
		ok(!memmem(v[3].p, v[3].n, "-pTOPSECRET", 11));
	}
}

/* An option and its value on both sides of the limit of words that are looked at together. */
static void many_words(void)
{
	static char line[4096], room[65536];

	for (unsigned before = 0; before < 140; before++) {
		size_t n = 0;
		struct str s;

		for (unsigned i = 0; i < before; i++)
			n += (size_t)sprintf(line + n, "w%u ", i);
		n += (size_t)sprintf(line + n, "--token TOPSECRET tail");
		s = (struct str){ line, n };
		ok(redact_text(&s, room, sizeof(room)));
		ok(!memmem(s.p, s.n, "TOPSECRET", 9) && memmem(s.p, s.n, "tail", 4));
	}
}

static void options(void)
{
	static const struct {
		const char *in, *out;
	} v[] = {
		{ "rw,username=a,password=b,uid=0", "rw,username=a,password=#,uid=0" },
		{ "pass=b", "pass=#" },
		{ "password=,ro", "password=,ro" },
		{ "ro,noatime", "ro,noatime" },
		{ "", "" },
		{ ",,=,", ",,=," },
	};
	char room[512], want[512];

	for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
		struct str s = { v[i].in, strlen(v[i].in) };

		expand(v[i].out, want);
		redact_options(&s, room, sizeof(room));
		ok(s.n == strlen(want) && !memcmp(s.p, want, s.n));
	}
}

static void names(void)
{
	static const char *const secret[] = { "password", "DB_PASSWORD", "--api-key", "clientSecret", "x.y.token", "PGPASSWORD", "Authorization",
					      "AWS_SECRET_ACCESS_KEY", "privateKey", "pass", "pwd2_pwd" };
	static const char *const plain[] = { "PWD", "key", "keyboard", "monkey", "passive", "password_file", "AWS_ACCESS_KEY_ID", "", "-", "token_count" };

	for (unsigned i = 0; i < ARRAY_SIZE(secret); i++)
		if (!redact_is_secret_name(secret[i], strlen(secret[i])))
			printf("# %s is a secret's name\n", secret[i]), tap_failed = 1;
	for (unsigned i = 0; i < ARRAY_SIZE(plain); i++)
		if (redact_is_secret_name(plain[i], strlen(plain[i])))
			printf("# %s is no secret's name\n", plain[i]), tap_failed = 1;
}

/* The quick no by the first letter is for none of these; and it is a no. */
static void forms_by_their_first_letter(void)
{
	static const char *const forms[] = {
		"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xoxa-", "xoxs-", "sk_live_", "rk_live_", "sk-ant-",
		"npm_", "pypi-", "dckr_pat_", "hvs.", "AGE-SECRET-KEY-", "eyJ", "-----BEGIN", "SG.", "AIza", "ya29.", "GOCSPX-", "hvb.", "k8s-aws-v1.", "sk-proj-", "sk-or-v1-",
		"hf_", "gsk_", "nvapi-", "xapp-", "xoxe", "glrt-", "glptt-", "gldt-", "glsa_", "dop_v1_", "shpat_", "tskey-", "ATATT3", "NRAK-", "PMAK-", "pul-",
		"rubygems_", "whsec_", "sq0csp-", "sq0atp-", "lin_api_", "figd_", "dp.pt.", "sk_test_", "rk_test_", "EAAA",
	};
	char text[128];

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		int n = snprintf(text, sizeof(text), "%s%064d", forms[i], 7);

		ok(redact_has_token_form((struct str){ text, (size_t)n }) && redact_may_be_token(text[0]));
	}
	for (const char *c = "bcijmoquvzBCDFHIJKLMOQRTUVWXYZ0123456789._/ "; *c; c++)
		ok(!redact_may_be_token(*c));
}

static const struct tap_case cases[] = {
	CASE(table), CASE(small_room_hides_more), CASE(many_words), CASE(options), CASE(names), CASE(forms_by_their_first_letter),
};
TAP_MAIN(cases)

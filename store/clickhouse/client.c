/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fresh.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"

#define TIMEOUT_MS 120000L
#define SHUN_NS (2 * NS_PER_SEC)
#define PASSWORD_MAX 1024

static int say(char *why, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int say(char *why, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CH_WHY_MAX, fmt, ap);
	va_end(ap);
	return r;
}

/* ---- life */

static int read_password(const char *path, char **ret, char *why)
{
	_cleanup_buf_ struct buf b = { 0 };
	int r;

	if (!path || !*path) {
		*ret = strdup("");
		return *ret ? 0 : -ENOMEM;
	}
	r = fsx_read(path, PASSWORD_MAX, &b);
	if (r < 0)
		return say(why, r, "cannot read %s: %s", path, strerror(-r));
	*ret = strndup(buf_text(&b), strcspn(buf_text(&b), "\r\n"));
	return *ret ? 0 : -ENOMEM;
}

static bool is_url(const char *s)
{
	return !strncmp(s, "http://", 7) || !strncmp(s, "https://", 8);
}

int ch_open(const struct ch_config *c, struct ch *ch, char why[CH_WHY_MAX])
{
	int r;

	memset(ch, 0, sizeof(*ch));
	ch->config = *c;
	pthread_mutex_init(&ch->lock, NULL);
	say(why, 0, "out of memory");
	ch->servers = calloc(c->urls->n ? c->urls->n : 1, sizeof(*ch->servers));
	if (!ch->servers)
		return -ENOMEM;
	if (!c->urls->n || c->urls->n > CH_SERVERS_MAX)
		return say(why, -EINVAL, "clickhouse_servers must name 1 to %d servers", CH_SERVERS_MAX);
	for (size_t i = 0; i < c->urls->n; i++) {
		if (!is_url(c->urls->v[i]))
			return say(why, -EINVAL, "clickhouse_servers: %s is no http:// or https:// URL", c->urls->v[i]);
		ch->servers[i].url = strdup(c->urls->v[i]);
		if (!ch->servers[i].url)
			return -ENOMEM;
		ch->nservers++;
	}
	ch->nshards = 1;
	if (c->ca && *c->ca && access(c->ca, R_OK) < 0)
		return say(why, -errno, "clickhouse_ca: cannot read %s: %s", c->ca, strerror(errno));
	r = read_password(c->password_file, &ch->password, why);
	if (!r)
		r = read_password(c->query_user && *c->query_user ? c->query_password_file : c->password_file, &ch->query_password, why);
	return r;
}

void ch_close(struct ch *ch)
{
	for (unsigned i = 0; i < ch->nservers; i++)
		free(ch->servers[i].url);
	free(ch->servers);
	free(ch->password);
	free(ch->query_password);
	pthread_mutex_destroy(&ch->lock);
}

void ch_link_free(struct ch_link *l)
{
	curl_easy_cleanup(l->curl);
	buf_free(&l->answer);
}

/* ---- one statement */

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	return __atomic_load_n(&((struct ch *)ctx)->stop_queries, __ATOMIC_RELAXED);
}

static size_t on_bytes(char *p, size_t size, size_t n, void *ctx)
{
	return buf_add(ctx, p, size * n) < 0 ? 0 : size * n;
}

static int add_url(struct buf *url, CURL *curl, const struct ch *ch, const struct ch_server *s, const struct ch_statement *st)
{
	char *sql = st->body ? curl_easy_escape(curl, st->sql, 0) : NULL;

	if (st->body && !sql)
		return -ENOMEM;
	buf_addf(url, "%s/?database=%s%s%s%s", s->url, ch->config.database, st->settings ? st->settings : "", sql ? "&query=" : "", sql ? sql : "");
	curl_free(sql);
	return url->failed ? -ENOMEM : 0;
}

static void set_up(struct ch *ch, struct ch_link *l, const struct ch_statement *st, const char *url)
{
	const struct ch_config *c = &ch->config;
	bool other = st->query_user && c->query_user && *c->query_user;
	CURL *curl = l->curl;

	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 5L);
	curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, (long)ch->nservers + 1);	/* each is asked how far it is before a statement is sent */
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, st->timeout_ms ? st->timeout_ms : TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, st->query_user ? 0L : 1L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, ch);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &l->answer);
	curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(curl, CURLOPT_USERNAME, other ? c->query_user : c->user);
	curl_easy_setopt(curl, CURLOPT_PASSWORD, other ? ch->query_password : ch->password);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	if (c->ca && *c->ca) {
		curl_easy_setopt(curl, CURLOPT_CAINFO, c->ca);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);	/* else the system's CAs count beside it */
	}
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(st->body ? st->n : strlen(st->sql)));
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, st->body ? st->body : st->sql);
}

/* "Code: 60, e.displayText() = DB::Exception: Table ..." and, of today's servers, "Code: 60. DB::Exception: ..." */
static int refused(struct ch_link *l, const struct ch_server *s, char *why)
{
	const char *text = buf_text(&l->answer), *at = strstr(text, "Code: ");

	l->code = at ? (unsigned)strtoul(at + 6, NULL, 10) : 0;
	at = strstr(text, "DB::Exception: ");
	at = at ? at + 15 : text;
	return say(why, -EREMOTEIO, "%s says %ld, code %u: %.*s", s->url, l->status, l->code, (int)strcspn(at, "\n"), at);
}

/* Only a connection that was never made leaves no doubt. */
static bool never_sent(CURLcode code)
{
	return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_SSL_CONNECT_ERROR ||
	       code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
}

/* details: what curl has to say beyond the code: which name, which certificate, since when. */
static int no_answer(const struct ch_server *s, CURLcode code, const char *details, char *why)
{
	const char *text = *details ? details : curl_easy_strerror(code);

	if (code == CURLE_PEER_FAILED_VERIFICATION)
		return say(why, -EHOSTUNREACH, "%s shows no certificate that clickhouse_ca vouches for, and is told nothing: %s", s->url, text);
	return say(why, -EHOSTUNREACH, "%s does not answer: %s", s->url, text);
}

int ch_send(struct ch *ch, struct ch_link *l, struct ch_server *s, const struct ch_statement *st, char why[CH_WHY_MAX])
{
	_cleanup_buf_ struct buf url = { 0 };
	char details[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers;
	CURLcode code;

	if (!l->curl)
		l->curl = curl_easy_init();
	buf_reset(&l->answer);
	l->answer.max = st->max ? st->max : CH_ANSWER_MAX;
	l->code = 0;
	l->unknown = false;
	headers = curl_slist_append(NULL, "Expect:");
	if (!l->curl || !headers || add_url(&url, l->curl, ch, s, st) < 0) {
		curl_slist_free_all(headers);
		return say(why, -ENOMEM, "out of memory");
	}
	set_up(ch, l, st, buf_text(&url));
	curl_easy_setopt(l->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(l->curl, CURLOPT_ERRORBUFFER, details);
	code = curl_easy_perform(l->curl);
	curl_easy_setopt(l->curl, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(headers);
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return say(why, -ECANCELED, "the store ends");
	l->unknown = code != CURLE_OK && !never_sent(code);
	if (code == CURLE_WRITE_ERROR)
		return say(why, -EFBIG, "the answer of %s is too large", s->url);
	if (code != CURLE_OK)
		return no_answer(s, code, details, why);
	curl_easy_getinfo(l->curl, CURLINFO_RESPONSE_CODE, &l->status);
	return l->status == 200 ? 0 : refused(l, s, why);
}

/* ---- which server */

void ch_shun(struct ch_server *s)
{
	__atomic_store_n(&s->shunned, clock_boot() + SHUN_NS, __ATOMIC_RELAXED);
}

static bool may_be_asked(const struct ch_server *s, uint64_t now)
{
	return __atomic_load_n(&s->ready, __ATOMIC_ACQUIRE) && __atomic_load_n(&s->shunned, __ATOMIC_RELAXED) < now;
}

/* beside: or NULL, then the shard's number counts. */
static struct ch_server *pick(struct ch *ch, const struct ch_server *beside, unsigned shard, unsigned attempt)
{
	unsigned first = __atomic_load_n(&ch->next, __ATOMIC_RELAXED), seen = 0;
	uint64_t now = clock_boot();

	for (unsigned i = 0; i < ch->nservers; i++) {
		struct ch_server *s = &ch->servers[(first + i) % ch->nservers];

		if (may_be_asked(s, now) && (beside ? !strcmp(s->macro, beside->macro) : shard == CH_ANY_SHARD || s->shard == shard) && seen++ == attempt)
			return s;
	}
	return NULL;
}

struct ch_server *ch_pick(struct ch *ch, unsigned shard, unsigned attempt)
{
	return pick(ch, NULL, shard, attempt);
}

struct ch_server *ch_pick_beside(struct ch *ch, const struct ch_server *s, unsigned attempt)
{
	return pick(ch, s, CH_ANY_SHARD, attempt);
}

static int ask_fresh(struct ch *ch, struct ch_link *l, const struct ch_statement *st, char *why)
{
	_cleanup_buf_ struct buf settings = { 0 };
	struct ch_statement with = *st;
	char more[FRESH_SETTINGS] = "";
	struct ch_server *s;
	int r = fresh_pick(ch, l, st->fresh, &s, more, why);

	if (r < 0)
		return r;
	/* in front: nothing can be set behind readonly=1 */
	buf_addf(&settings, "%s%s", more, st->settings ? st->settings : "");
	with.settings = buf_text(&settings);
	r = settings.failed ? -ENOMEM : ch_send(ch, l, s, &with, why);
	if (r == -EHOSTUNREACH)
		ch_shun(s);
	return r;
}

static int ask_any(struct ch *ch, struct ch_link *l, const struct ch_statement *st, char *why)
{
	struct ch_server *s = ch_pick(ch, CH_ANY_SHARD, 0);
	int r;

	if (!s)
		return say(why, -EHOSTUNREACH, "no server of the cluster answers");
	r = ch_send(ch, l, s, st, why);
	if (r == -EHOSTUNREACH)
		ch_shun(s);
	return r;
}

int ch_ask(struct ch *ch, struct ch_link *l, const struct ch_statement *st, char why[CH_WHY_MAX])
{
	int r = -EHOSTUNREACH;

	/* one that fails is shunned, so that the next pick gives another */
	for (unsigned tries = 0; tries < ch->nservers && r == -EHOSTUNREACH; tries++)
		r = st->fresh ? ask_fresh(ch, l, st, why) : ask_any(ch, l, st, why);
	return r;
}

/* ---- texts */

void ch_quote(struct buf *out, const void *p, size_t n)
{
	const char *s = p;

	buf_addc(out, '\'');
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\'' || s[i] == '\\')
			buf_addc(out, '\\');
		if (s[i] == '\0')
			buf_adds(out, "\\0");
		else
			buf_addc(out, (uint8_t)s[i]);
	}
	buf_addc(out, '\'');
}

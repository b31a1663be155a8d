/* SPDX-License-Identifier: Apache-2.0 */
#include "fresh.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lines.h"

#define STATE_MS 10000L
#define WAIT_NS (5 * NS_PER_SEC)		/* for replicas that miss each other's rows; then there is no answer */
#define READ_NS (NS_PER_SEC)			/* for all of them to read the log to where it was: who does not is not waited for */
#define POLL_NS (20 * NS_PER_MS)
/* Where two shards or more have a replica that is behind, a server that is asked chooses among the other shards' itself; it can be told to pass over those that
 * are behind by more than a whole second. */
#define BEHIND_SECONDS 2
#define PASS_OVER "&max_replica_delay_for_distributed_queries=1"

/* ---- what a replica says */

void fresh_clear(struct fresh_replica *r)
{
	buf_free(&r->text);
	free(r->parts);
	r->parts = NULL;
	r->n = 0;
}

/* zookeeper_path, absolute_delay, log_pointer, log_max_index, is_session_expired, is_readonly; nothing: it is no replicated table */
int fresh_read_log(struct fresh_replica *r, const char *text)
{
	uint64_t last, expired, readonly;
	size_t n;

	r->plain = !*text;
	if (r->plain)
		return 0;
	/* the path is first: what is not a number */
	n = strcspn(text, "\t");
	if (!text[n] || n >= sizeof(r->path) || !strchr(text, '\n') ||
	    LINE_NUMBERS(text + n + 1, U64(&r->delay), U64(&r->pointer), U64(&last), U64(&expired), U64(&readonly)) < 0)
		return -EBADMSG;
	memcpy(r->path, text, n);
	r->path[n] = '\0';
	r->end = last ? last + 1 : r->pointer;
	r->unsure = !r->end;
	r->cut_off = expired || readonly;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int fresh_read_queue(struct fresh_replica *r, const char *text, size_t n)
{
	size_t lines = 0;
	char *rest, *line;

	fresh_clear(r);
	if (memchr(text, 0, n) || (n && text[n - 1] != '\n'))
		return -EBADMSG;	/* cut short */
	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	r->many = lines > FRESH_PARTS_MAX;
	if (!lines || r->many)
		return 0;
	r->parts = calloc(lines, sizeof(*r->parts));
	if (!r->parts || buf_add(&r->text, text, n) < 0 || buf_addc(&r->text, 0) < 0)
		return -ENOMEM;
	rest = (char *)r->text.p;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			r->parts[r->n++] = line;
	qsort(r->parts, r->n, sizeof(*r->parts), by_name);
	return 0;
}

static bool lacks(const struct fresh_replica *r, const char *part)
{
	return r->many || (r->n && bsearch(&part, r->parts, r->n, sizeof(*r->parts), by_name));
}

/* ---- which are good */

void fresh_goal_clear(struct fresh_goal *g)
{
	buf_free(&g->text);
	free(g->parts);
	memset(g, 0, sizeof(*g));
}

/* Some other one has it, or may have. */
static bool is_had(const struct fresh_replica *v, unsigned n, const char *part)
{
	for (unsigned i = 0; i < n; i++)
		if (!v[i].cut_off && !lacks(&v[i], part))
			return true;
	return false;
}

static int add_part(struct fresh_goal *g, const char *part)
{
	g->n++;
	return buf_add(&g->text, part, strlen(part) + 1);
}

static int index_parts(struct fresh_goal *g)
{
	const char *at = (const char *)g->text.p;

	g->parts = calloc(g->n ? g->n : 1, sizeof(*g->parts));
	if (!g->parts)
		return -ENOMEM;
	for (unsigned i = 0; i < g->n; i++, at += strlen(at) + 1)
		g->parts[i] = at;
	qsort(g->parts, g->n, sizeof(*g->parts), by_name);
	return 0;
}

int fresh_aim(struct fresh_goal *g, const struct fresh_replica *v, unsigned n)
{
	int r = 0;

	for (unsigned i = 0; i < n && !r; i++)
		for (unsigned k = 0; k < v[i].n && !r; k++)
			if (is_had(v, n, v[i].parts[k]))
				r = add_part(g, v[i].parts[k]);
	if (!r)
		r = index_parts(g);
	g->taken = !r;
	return r;
}

static bool is_wanted(const struct fresh_goal *g, const char *part)
{
	return bsearch(&part, g->parts, g->n, sizeof(*g->parts), by_name);
}

static bool has_all(const struct fresh_replica *r, const struct fresh_goal *g)
{
	if (r->many || r->pointer < g->end || (r->n && !g->taken))
		return false;
	for (unsigned i = 0; i < r->n; i++)
		if (is_wanted(g, r->parts[i]))
			return false;
	return true;
}

/* While all are cut off nothing new is taken, and what they know they know from before. */
void fresh_judge(struct fresh_replica *v, unsigned n, const struct fresh_goal *g)
{
	bool all = true;

	for (unsigned i = 0; i < n; i++)
		all &= v[i].cut_off;
	for (unsigned i = 0; i < n; i++)
		v[i].good = v[i].plain || (all ? !v[i].many && !v[i].n : !v[i].cut_off && has_all(&v[i], g));
}

/* ---- asking */

struct asking {
	struct ch *ch;
	struct ch_link *l;
	const char *table;
	char *why;
};

static int ask(struct asking *a, struct ch_server *s, const char *sql)
{
	const struct ch_statement st = { .sql = sql, .timeout_ms = STATE_MS };
	int r = ch_send(a->ch, a->l, s, &st, a->why);

	if (r == -EHOSTUNREACH)
		ch_shun(s);
	return r;
}

static int look_for_first(struct asking *a, struct fresh_replica *v)
{
	_cleanup_buf_ struct buf sql = { 0 };
	int r;

	buf_adds(&v->text, v->path);
	buf_adds(&v->text, "/log");
	buf_adds(&sql, "SELECT count() FROM system.zookeeper WHERE path = ");
	ch_quote(&sql, v->text.p, v->text.n);
	r = sql.failed || v->text.failed ? -ENOMEM : ask(a, v->server, buf_text(&sql));
	v->end = !r && strtoul(buf_text(&a->l->answer), NULL, 10) > 0;
	return r;
}

/* The log first: what is ordered meanwhile may be read, and is in the queue. What is in the queue, and the replica's own, it has. */
static int look(struct asking *a, struct fresh_replica *v)
{
	_cleanup_buf_ struct buf log = { 0 }, queue = { 0 };
	int r;

	fresh_clear(v);
	buf_addf(&log, "SELECT zookeeper_path, absolute_delay, log_pointer, log_max_index, is_session_expired, is_readonly FROM system.replicas WHERE "
		       "database = currentDatabase() AND table = '%s' FORMAT TabSeparated",
		 a->table);
	buf_addf(&queue, "SELECT new_part_name FROM system.replication_queue WHERE database = currentDatabase() AND table = '%s' AND "
			 "source_replica != replica_name AND type IN ('GET_PART', 'ATTACH_PART', 'REPLACE_RANGE') LIMIT %u FORMAT TabSeparated",
		 a->table, FRESH_PARTS_MAX + 1);
	r = log.failed || queue.failed ? -ENOMEM : ask(a, v->server, buf_text(&log));
	if (r == -EREMOTEIO) {	/* it cannot reach ZooKeeper, or will not tell */
		log_limited(LOG_LEVEL_WARN, r, "clickhouse: how far a replica is cannot be told: %s", a->why);
		v->cut_off = true;
		return 0;
	}
	if (!r)
		r = fresh_read_log(v, buf_text(&a->l->answer));
	if (!r && !v->plain && v->unsure && !v->cut_off)
		r = look_for_first(a, v);
	if (!r && !v->plain)
		r = ask(a, v->server, buf_text(&queue));
	if (!r && !v->plain)
		r = fresh_read_queue(v, buf_text(&a->l->answer), a->l->answer.n);
	if (r == -EBADMSG)
		snprintf(a->why, CH_WHY_MAX, "%s tells what it lacks in words that cannot be read", v->server->url);
	return r;
}

/* ---- shards */

struct shard {
	struct fresh_replica *v;
	unsigned n;
	struct fresh_goal goal;
	bool begun;
};

struct shards {
	struct shard *v;
	unsigned n;
	struct fresh_replica *replicas;
};

static void shards_free(struct shards *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		fresh_goal_clear(&s->v[i].goal);
		for (unsigned k = 0; k < s->v[i].n; k++)
			fresh_clear(&s->v[i].v[k]);
	}
	free(s->v);
	free(s->replicas);
}

/* Servers that may be asked, by their shards. */
static int gather(struct ch *ch, struct shards *ret)
{
	struct ch_server *s;
	unsigned n = 0, i;

	ret->replicas = calloc(ch->nservers, sizeof(*ret->replicas));
	ret->v = calloc(ch->nservers, sizeof(*ret->v));
	if (!ret->replicas || !ret->v)
		return -ENOMEM;
	while (n < ch->nservers && (s = ch_pick(ch, CH_ANY_SHARD, n)))
		ret->replicas[n++].server = s;
	for (unsigned from = 0; from < n; from += ret->v[ret->n - 1].n) {
		struct shard *sh = &ret->v[ret->n++];

		sh->v = &ret->replicas[from];
		for (i = from; i < n; i++)
			if (!strcmp(ret->replicas[i].server->macro, sh->v->server->macro)) {
				struct fresh_replica r = ret->replicas[i];

				ret->replicas[i] = sh->v[sh->n];
				sh->v[sh->n++] = r;
			}
	}
	return n ? 0 : -EHOSTUNREACH;
}

static bool are_read(const struct shard *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (!s->v[i].cut_off && !s->v[i].plain && s->v[i].pointer < s->goal.end)
			return false;
	return true;
}

/* Once more. one: it is enough if one is good. */
static int look_at(struct asking *a, struct shard *s, bool one, bool late)
{
	int r = 0;

	if (s->n == 1) {
		s->v->good = true;
		return 0;
	}
	for (unsigned i = 0; i < s->n && !r; i++) {
		struct fresh_replica *v = &s->v[i];

		r = look(a, v);
		if (!s->begun && v->end > s->goal.end)
			s->goal.end = v->end;
		if (!r && one && (v->plain || (!v->cut_off && !v->many && !v->n && v->pointer >= v->end && v->pointer >= s->goal.end))) {
			v->good = true;
			return 0;
		}
	}
	s->begun = true;
	if (!r && !s->goal.taken && (late || are_read(s)))
		r = fresh_aim(&s->goal, s->v, s->n);
	if (!r)
		fresh_judge(s->v, s->n, &s->goal);
	return r;
}

/* The number of those that are good, or not. */
static unsigned count(const struct shard *s, bool good)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += s->v[i].good == good;
	return n;
}

static bool are_passed_over(const struct shard *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (!s->v[i].good && s->v[i].delay < BEHIND_SECONDS)
			return false;
	return true;
}

/* A server reads its own shard's rows itself. 1: not yet. */
static int choose(const struct shards *s, struct ch_server **ret_s, char *settings)
{
	unsigned behind = 0, at = 0;
	bool far = true;

	for (unsigned i = 0; i < s->n; i++) {
		if (!count(&s->v[i], true))
			return 1;
		if (count(&s->v[i], false)) {
			behind++;
			at = i;
			far &= are_passed_over(&s->v[i]);
		}
	}
	if (s->n > 1 && behind > 1 && !far)
		return 1;
	for (unsigned k = 0; k < s->v[at].n; k++)
		if (s->v[at].v[k].good)
			*ret_s = s->v[at].v[k].server;
	snprintf(settings, FRESH_SETTINGS, "%s", s->n > 1 && behind > 1 ? PASS_OVER : "");
	return 0;
}

static void rest(void)
{
	const struct timespec t = { .tv_nsec = POLL_NS };

	nanosleep(&t, NULL);
}

int fresh_pick(struct ch *ch, struct ch_link *l, const char *table, struct ch_server **ret_s, char settings[FRESH_SETTINGS], char why[CH_WHY_MAX])
{
	struct asking a = { ch, l, table, why };
	_cleanup_(shards_free) struct shards s = { 0 };
	uint64_t begun = clock_boot(), gone = 0;
	int r = gather(ch, &s);

	while (!r) {
		for (unsigned i = 0; i < s.n && !r; i++)
			r = look_at(&a, &s.v[i], s.n == 1, gone > READ_NS);
		if (!r)
			r = choose(&s, ret_s, settings);
		if (r <= 0)
			break;
		r = gone > WAIT_NS || __atomic_load_n(&ch->stop_queries, __ATOMIC_RELAXED) ? -EAGAIN : 0;
		if (!r)
			rest();
		gone = clock_boot() - begun;
	}
	if (r == -EAGAIN)
		snprintf(why, CH_WHY_MAX, "no replica of a shard has all that was acknowledged: each lacks what another one has");
	if (r == -EHOSTUNREACH && !s.n)
		snprintf(why, CH_WHY_MAX, "no server of the cluster answers");
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "query_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/keys.h"
#include "proto/recordread.h"
#include "store/tailer.h"

#define INDEX_WAIT_NS (60 * NS_PER_SEC)
#define WATCH_MS 50
#define END_SECONDS 5			/* when the store ends; a result may still be on its way to a bucket */

static void query_free(struct query *q)
{
	if (!q)
		return;
	worker_give(q, !q->owes);
	for (unsigned i = 0; i < q->ntables; i++)
		scan_free(q->tables[i].scan);
	for (unsigned i = 0; i < q->nparams; i++)
		free(q->params[i]);
	free(q->params);
	free(q->save_uri);
	free(q->statement);
	free(q);
}

/* Its place among those that run is given up last: after that the lake may be gone. */
static void query_unref(struct query *q)
{
	struct lake *l = q->lake;
	bool last;

	pthread_mutex_lock(&l->lock);
	last = --q->refs == 0;
	for (struct query **p = &l->queries; last && *p; p = &(*p)->next)
		if (*p == q) {
			*p = q->next;
			break;
		}
	pthread_mutex_unlock(&l->lock);
	if (!last)
		return;
	query_free(q);
	pthread_mutex_lock(&l->lock);
	l->nqueries--;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

/* ---- running one */

bool query_is_to_end(const struct query *q)
{
	return q->cancelled || q->late || q->lake->stopping;
}

bool query_ended(struct query *q)
{
	bool end;

	pthread_mutex_lock(&q->lake->lock);
	end = query_is_to_end(q);
	pthread_mutex_unlock(&q->lake->lock);
	return end;
}

/* What was acknowledged at the start is to be seen: the tailer must have been there. */
static int wait_for_index(struct query *q)
{
	uint64_t until = clock_boot() + INDEX_WAIT_NS;
	const struct timespec pause = { .tv_nsec = 2000000 };

	while (!tailer_has(q->lake->st->tailer, q->upto)) {
		if (query_ended(q))
			return -ECANCELED;
		if (clock_boot() > until) {
			snprintf(q->error, sizeof(q->error), "The store is too far behind with what it has taken in.");
			return -ETIME;
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int fill_tables(struct query *q)
{
	journal_pos next;
	int r = 0;

	for (unsigned i = 0; i < q->ntables && !r; i++) {
		r = scan_fill(q->tables[i].scan, q->tables[i].from, q->upto, UINT64_MAX, false, &next);
		query_scanned(q, q->tables[i].scan->records, q->tables[i].scan->bytes);
	}
	return r;
}

int query_send(struct query *q, enum wire_type type, const struct buf *body)
{
	q->owes = true;
	return wire_send(q->worker->fd, type, body);
}

int query_receive(struct query *q, enum wire_type *ret_type, struct buf *body)
{
	return wire_receive(q->worker->fd, WIRE_MAX, ret_type, body);
}

static enum query_status outcome(struct query *q, int r)
{
	enum query_status s = r < 0 ? QUERY_FAILED : QUERY_FINISHED;

	pthread_mutex_lock(&q->lake->lock);
	if (q->cancelled)
		s = QUERY_CANCELLED;
	else if (q->late)
		s = QUERY_TIMED_OUT;
	else if (q->lake->stopping)
		s = QUERY_FAILED;
	if (q->outgrown && s == QUERY_FAILED)
		snprintf(q->error, sizeof(q->error), "The query needs more memory than queries may have.");
	pthread_mutex_unlock(&q->lake->lock);
	if (s == QUERY_FAILED && !*q->error)
		snprintf(q->error, sizeof(q->error), "%s", r == -EPIPE ? "The engine failed while it ran the query." : "The store could not run the query.");
	return s;
}

static void end_query(struct query *q, int r)
{
	q->row.finished = clock_wall();
	q->row.status = outcome(q, r);
	if (q->row.status == QUERY_TIMED_OUT)
		snprintf(q->error, sizeof(q->error), "The query ran longer than %lld seconds.",
			 (long long)(q->lake->config.query_ns / (int64_t)NS_PER_SEC));
	if (q->row.status != QUERY_FINISHED && q->row.status != QUERY_TIMED_OUT)
		query_drop_result(q->lake, q->row.id);
	manifest_query_put(q->lake->manifest, &q->row, q->statement, q->error);
}

/* Checks and binds it, and tells whoever waits; false: it is refused. */
static bool made(struct query *q)
{
	char why[DUCK_WHY_MAX] = "";
	enum query_fault f = query_make(q, why);
	bool adopted;

	if (!f)
		q->row.status = QUERY_RUNNING;
	if (!f && manifest_query_put(q->lake->manifest, &q->row, q->statement, "") < 0)
		f = QUERY_BROKEN;
	if (!f && q->save_uri && manifest_saved_put(q->lake->manifest, q->row.id, q->save_uri, "PENDING") < 0)
		f = QUERY_BROKEN;
	pthread_mutex_lock(&q->lake->lock);
	q->made = true;
	q->fault = f;
	memcpy(q->why, why, sizeof(q->why));
	adopted = q->adopted;
	pthread_cond_broadcast(&q->lake->changed);
	pthread_mutex_unlock(&q->lake->lock);
	if (f && adopted) {
		snprintf(q->error, sizeof(q->error), "%s", why);
		end_query(q, -EINVAL);
	}
	return !f;
}

static void save(struct query *q)
{
	const char *status = "CANCELLED";

	if (q->row.status == QUERY_FINISHED)
		status = save_results(q->lake, &q->row, &q->save);
	else if (q->row.status != QUERY_CANCELLED)
		status = "FAILED";
	manifest_saved_put(q->lake->manifest, q->row.id, q->save_uri, status);
}

static void *run(void *arg)
{
	struct query *q = arg;
	int r;

	if (made(q)) {
		r = query_ended(q) ? -ECANCELED : wait_for_index(q);
		if (!r)
			r = fill_tables(q);
		if (!r)
			r = query_run(q);
		worker_give(q, !q->owes);
		end_query(q, r);
		if (q->save_uri)
			save(q);
		queries_trim(q->lake, &q->row);
	}
	query_unref(q);
	return NULL;
}

/* ---- starting one */

static int launch(struct query *q)
{
	pthread_attr_t attr;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = -pthread_create(&q->thread, &attr, run, q);
	pthread_attr_destroy(&attr);
	if (r < 0)
		log_warn(r, "a query's thread cannot be started");
	return r;
}

/* Takes a place among those that run; before its segments are listed, so that none of them is removed. */
static enum query_fault enter(struct lake *l, struct query *q)
{
	enum query_fault f = QUERY_OK;
	unsigned mine = 0;

	pthread_mutex_lock(&l->lock);
	for (const struct query *o = l->queries; o; o = o->next)
		mine += o->caller == q->caller;
	if (l->nqueries >= LAKE_QUERIES_MAX || l->stopping)
		f = QUERY_TOO_MANY;
	else if (q->caller && q->caller->queries && mine >= q->caller->queries)
		f = QUERY_TOO_MANY_OF_KEY;
	if (!f) {
		q->generation = l->generation;
		q->deadline = clock_boot() + (uint64_t)l->config.query_ns;
		q->next = l->queries;
		l->queries = q;
		l->nqueries++;
	}
	pthread_mutex_unlock(&l->lock);
	return f;
}

static struct query *new_query(struct lake *l, const struct query_request *request)
{
	struct query *q = calloc(1, sizeof(*q));
	uint8_t id[16];
	bool ok;

	if (!q)
		return NULL;
	q->lake = l;
	q->caller = request->caller;
	q->refs = 2;
	ok = uuid_random(id) == 0;
	uuid_text(id, q->row.id);
	q->row.created = clock_wall();
	q->upto = journal_end(l->st->journal);
	snprintf(q->row.alias, sizeof(q->row.alias), "%s", request->alias ? request->alias : "");
	q->statement = strndup(request->statement, request->statement_len);
	q->params = calloc(request->nparams + 1, sizeof(*q->params));
	ok &= q->statement && q->params;
	if (request->save_uri) {
		q->save = *request->save;
		q->save_uri = strdup(request->save_uri);
		ok &= q->save_uri != NULL;
	}
	for (; ok && q->nparams < request->nparams; q->nparams += ok) {
		q->params[q->nparams] = strdup(request->params[q->nparams]);
		ok = q->params[q->nparams] != NULL;
	}
	if (!ok) {
		query_free(q);
		return NULL;
	}
	return q;
}

enum query_fault query_start(struct lake *l, const struct query_request *request, struct query **ret_q, char why[DUCK_WHY_MAX])
{
	struct query *q;
	enum query_fault f;

	*why = '\0';
	if (memchr(request->statement, '\0', request->statement_len)) {
		snprintf(why, DUCK_WHY_MAX, "the statement holds a NUL byte");
		return QUERY_BAD_STATEMENT;
	}
	q = new_query(l, request);
	if (!q)
		return QUERY_BROKEN;
	f = enter(l, q);
	if (f) {
		query_free(q);
		return f;
	}
	q->queued = q->row;
	if ((q->caller && manifest_query_own(l->manifest, q->row.id, q->caller->id, q->row.created) < 0) || launch(q) < 0) {
		q->refs = 1;
		query_unref(q);
		return QUERY_BROKEN;
	}
	*ret_q = q;
	return QUERY_OK;
}

static bool wait_made(struct query *q, unsigned ms)
{
	struct lake *l = q->lake;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (!q->made && pthread_cond_timedwait(&l->changed, &l->lock, &until) != ETIMEDOUT)
		;
	return q->made;
}

bool query_answer(struct query *q, unsigned ms, bool last, enum query_fault *ret_f, char ret_id[UUID_TEXT], char why[DUCK_WHY_MAX])
{
	struct lake *l = q->lake;
	bool made;

	pthread_mutex_lock(&l->lock);
	made = wait_made(q, ms);
	q->adopted = last && !made;
	*ret_f = made ? q->fault : QUERY_OK;
	memcpy(why, q->why, sizeof(q->why));
	pthread_mutex_unlock(&l->lock);
	if (!made && !last)
		return false;
	/* one that is still being bound has no row yet; by now it may, and that one holds */
	if (q->adopted && manifest_query_put(l->manifest, &q->queued, q->statement, "") < 0)
		*ret_f = QUERY_BROKEN;
	memcpy(ret_id, q->row.id, UUID_TEXT);
	query_unref(q);
	return true;
}

void query_let_go(void *q)
{
	char id[UUID_TEXT], why[DUCK_WHY_MAX];
	enum query_fault f;

	query_answer(q, 0, true, &f, id, why);
}

/* ---- watching */

uint64_t query_oldest(struct lake *l)
{
	uint64_t oldest;

	pthread_mutex_lock(&l->lock);
	oldest = l->generation;
	for (struct query *q = l->queries; q; q = q->next)
		if (q->generation < oldest)
			oldest = q->generation;
	pthread_mutex_unlock(&l->lock);
	return oldest;
}

/* Locked. Who waits for a process, or for what it answers, is woken. */
static void end_one(struct query *q)
{
	if (q->worker)
		worker_kill(q->worker);
	pthread_cond_broadcast(&q->lake->changed);
}

int query_cancel(struct lake *l, const char *id)
{
	struct query *q;

	pthread_mutex_lock(&l->lock);
	for (q = l->queries; q && strcmp(q->row.id, id); q = q->next)
		;
	if (q) {
		q->cancelled = true;
		end_one(q);
	}
	pthread_mutex_unlock(&l->lock);
	return q ? 0 : -ENOENT;
}

/* Locked. */
static void end_late(struct lake *l)
{
	uint64_t now = clock_boot();

	for (struct query *q = l->queries; q; q = q->next) {
		q->late |= !q->cancelled && now > q->deadline;
		if (query_is_to_end(q))
			end_one(q);
	}
}

static void pause_watching(struct lake *l)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += WATCH_MS * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&l->wanted, &l->lock, &until);
}

void *query_watch(void *arg)
{
	struct lake *l = arg;

	pthread_mutex_lock(&l->lock);
	while (!l->stopping || l->nqueries) {
		end_late(l);
		workers_look_after(l);
		pause_watching(l);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

bool queries_end(struct lake *l)
{
	struct timespec until;
	bool ended;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += END_SECONDS;
	pthread_mutex_lock(&l->lock);
	while (l->nqueries && pthread_cond_timedwait(&l->changed, &l->lock, &until) != ETIMEDOUT)
		;
	ended = !l->nqueries;
	pthread_mutex_unlock(&l->lock);
	return ended;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include <utlist.h>

#include "lib/cleanup.h"

#define HOLD_POLL_MS 20
#define QUEUE_BYTES (8u << 20)		/* of requests that wait for the keeper; one may be larger */

static void request_free(struct request *q)
{
	buf_free(&q->memory);
	buf_free(&q->reply);
	free(q);
}

static void wake(struct ingest *i)
{
	uint64_t one = 1;

	if (write(i->wake, &one, sizeof(one)) < 0) {
		/* EAGAIN: it is awake already */
	}
}

/* ---- replies wait for the sync */

static void add_heads(struct request *q)
{
	for (unsigned chain = 0; chain < CHAIN__MAX; chain++) {
		struct ship_head h = { .chain = chain, .next = q->heads.known[chain].next, .has_hash = true };

		if (!q->heads.known[chain].known)
			continue;
		memcpy(h.last_hash, q->heads.known[chain].last, sizeof(h.last_hash));
		heads_reply_add(&q->reply, &h);
	}
}

static void answer(struct request *q)
{
	if (q->asks)
		add_heads(q);
	if (q->call)
		grpc_reply(q->call, q->reply.p, q->reply.n);
}

static void refuse(struct request *q, const char *why)
{
	if (!q->call)
		return;
	grpc_fence(q->call);
	grpc_fail(q->call, GRPC_UNAVAILABLE, why);
	q->call = NULL;
}

/* Takes over what the keeper is done with; returns up to which ticket everything is synced. */
static uint64_t take_kept(struct ingest *i)
{
	struct request *kept, *q, *next;
	uint64_t done;

	pthread_mutex_lock(&i->lock);
	kept = i->kept;
	i->kept = NULL;
	i->fences = 0;
	done = i->synced;
	pthread_mutex_unlock(&i->lock);
	DL_FOREACH_SAFE(kept, q, next) {
		DL_DELETE(kept, q);
		if (q->fence)
			grpc_fence(q->call);
		if (q->failed) {
			grpc_fail(q->call, q->failed, q->why);
			request_free(q);
			continue;
		}
		DL_APPEND(i->waiting, q);
		ingest_count(i, INGEST_WAITING, 1);
	}
	return done;
}

/* Sends what is synced, unless acknowledgements are withheld. */
static void release(struct ingest *i)
{
	uint64_t done = take_kept(i);
	const char *why = "";
	int broken = i->keep->ops->error(i->keep->ctx, &why);
	struct request *q, *next;

	i->held = i->waiting && i->events.hold && i->events.hold(i->ctx);
	__atomic_store_n(&i->metrics[INGEST_HELD], i->held, __ATOMIC_RELAXED);
	DL_FOREACH_SAFE(i->waiting, q, next) {
		if (q->ticket > done && !broken)
			break;
		if (i->held && !q->asks && q->ticket <= done)
			continue;
		if (q->ticket <= done)
			answer(q);
		else
			refuse(q, why);
		/* whoever finds out heads may still write into it */
		if (q->asks && q->ticket > done)
			continue;
		DL_DELETE(i->waiting, q);
		ingest_count(i, INGEST_WAITING, (uint64_t)-1);
		request_free(q);
	}
}

static void on_wake(void *ctx)
{
	struct ingest *i = ctx;
	uint64_t n;

	if (read(i->wake, &n, sizeof(n)) < 0) {
		/* EAGAIN: nothing to clear */
	}
}

static void *sync_main(void *ctx)
{
	struct ingest *i = ctx;

	pthread_mutex_lock(&i->lock);
	while (!i->stop) {
		uint64_t target = i->appended;
		int r;

		if (target == i->synced) {
			pthread_cond_wait(&i->work, &i->lock);
			continue;
		}
		pthread_mutex_unlock(&i->lock);
		r = i->keep->ops->sync(i->keep->ctx);
		ingest_count(i, INGEST_SYNCS, 1);
		pthread_mutex_lock(&i->lock);
		if (!r)
			i->synced = target;
		wake(i);
		/* A journal that failed stays failed: the replies are refused, and nothing is appended any more. */
		while (r < 0 && !i->stop)
			pthread_cond_wait(&i->work, &i->lock);
	}
	pthread_mutex_unlock(&i->lock);
	return NULL;
}

/* ---- the keeper: frames and questions, in the order in which they came */

static void fail(struct request *q, enum grpc_status status, const char *why, bool fence)
{
	q->failed = status;
	q->why = why;
	q->fence = fence;
}

static struct journal_origin origin_of(const struct pki_binding *b)
{
	struct journal_origin o = { 0 };

	_Static_assert(sizeof(o.host_id) >= sizeof(b->host_id) && sizeof(o.account) >= sizeof(b->account) &&
			       sizeof(o.region) >= sizeof(b->region),
		       "an origin holds a binding");
	strcpy(o.host_id, b->host_id);
	strcpy(o.account, b->account);
	strcpy(o.region, b->region);
	memcpy(o.key, b->key, sizeof(o.key));
	return o;
}

/* What the peer's clock showed against ours; a time beyond all sense is as much ahead as can be said. */
static void compare_clocks(struct ingest *i, const struct grpc_call *call, const struct journal_origin *origin, int64_t sent_at)
{
	int64_t ahead;

	if (!sent_at || !i->events.on_clock)
		return;
	if (__builtin_sub_overflow(sent_at, grpc_arrived(call), &ahead))
		ahead = INT64_MAX;
	i->events.on_clock(i->ctx, origin, ahead);
}

static void keep_frames(struct ingest *i, struct request *q)
{
	struct journal_origin origin = origin_of(grpc_peer(q->call));
	struct wire_span s = { q->message, q->message + q->n }, frame;
	const char *why = "";
	int64_t sent_at;

	if (ship_request_check(q->message, q->n, &sent_at) <= 0) {
		fail(q, GRPC_INVALID_ARGUMENT, "not a ShipRequest with at least one frame", false);
		return;
	}
	if (i->keep->ops->error(i->keep->ctx, &why)) {
		fail(q, GRPC_UNAVAILABLE, why, true);
		return;
	}
	compare_clocks(i, q->call, &origin, sent_at);
	while (ship_request_next(&s, &frame) == 1) {
		enum ship_status status = SHIP_RETRY;
		bool appended = false;

		/* Behind a frame that was put off nothing is taken: it would look like a gap. */
		if (!q->fence)
			status = ingest_frame(i, &origin, frame.p, wire_left(&frame), &appended, &why);
		q->fence = status == SHIP_RETRY;
		q->appends += appended;
		ship_reply_add(&q->reply, status, status == SHIP_STORED ? "" : why);
	}
}

/* What it says is there must be there after a crash too; and it may be the sync that finds it out. */
static void keep_question(struct ingest *i, struct request *q)
{
	int r;

	if (heads_request_read(q->message, q->n, q->heads.stream) < 0) {
		fail(q, GRPC_INVALID_ARGUMENT, "not a HeadsRequest with a stream of 16 bytes", false);
		return;
	}
	r = i->keep->ops->ready(i->keep->ctx);
	if (!r) {
		strcpy(q->heads.host_id, grpc_peer(q->call)->host_id);
		strcpy(q->heads.account, grpc_peer(q->call)->account);
		r = i->keep->ops->heads(i->keep->ctx, &q->heads);
	}
	if (r < 0)	/* less than we have would look like frames that we lost */
		fail(q, GRPC_UNAVAILABLE, "the store could not read its chains back yet", true);
	else
		q->appends = (uint64_t)r;
}

static void keep(struct ingest *i, struct request *q)
{
	if (q->behind)
		fail(q, GRPC_UNAVAILABLE, "an earlier request was put off: connect anew", true);
	else if (q->asks)
		keep_question(i, q);
	else
		keep_frames(i, q);
	if (q->reply.failed)
		fail(q, GRPC_RESOURCE_EXHAUSTED, "out of memory", true);
	grpc_give(i->server, &q->memory);
}

/* The lock is held. The network thread is woken for what no sync will wake it for. */
static void hand_back(struct ingest *i, struct request *q)
{
	struct request *other;

	i->queued -= q->n;
	i->appended += q->appends;
	q->ticket = i->appended;
	DL_APPEND(i->kept, q);
	if (q->fence) {
		i->fences++;
		DL_FOREACH(i->queue, other)
			other->behind |= other->connection == q->connection;
	}
	if (q->appends)
		pthread_cond_signal(&i->work);
	if (q->failed || !q->appends)
		wake(i);
	pthread_cond_signal(&i->room);
}

static void *keep_main(void *ctx)
{
	struct ingest *i = ctx;

	pthread_mutex_lock(&i->lock);
	while (!i->stop) {
		struct request *q = i->queue;

		if (!q) {
			pthread_cond_wait(&i->come, &i->lock);
			continue;
		}
		DL_DELETE(i->queue, q);
		pthread_mutex_unlock(&i->lock);
		keep(i, q);
		pthread_mutex_lock(&i->lock);
		hand_back(i, q);
	}
	pthread_mutex_unlock(&i->lock);
	return NULL;
}

/* ---- methods */

/* From the network thread. While much waits for the keeper, so does everybody: that bounds memory. */
static void enqueue(struct ingest *i, struct request *q)
{
	const struct request *other;

	pthread_mutex_lock(&i->lock);
	while (i->queued && i->queued + q->n > QUEUE_BYTES && !i->stop)
		pthread_cond_wait(&i->room, &i->lock);
	if (i->fences)	/* something was put off, and its connection is not fenced yet */
		DL_FOREACH(i->kept, other)
			q->behind |= other->fence && other->connection == q->connection;
	i->queued += q->n;
	DL_APPEND(i->queue, q);
	pthread_cond_signal(&i->come);
	pthread_mutex_unlock(&i->lock);
}

static void take(struct ingest *i, struct grpc_call *call, const uint8_t *p, size_t n, bool asks)
{
	struct request *q = calloc(1, sizeof(*q));

	if (!q) {
		grpc_fence(call);
		grpc_fail(call, GRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	q->call = call;
	q->connection = grpc_connection(call);
	grpc_take(call, &q->memory);
	q->message = p;
	q->n = n;
	q->asks = asks;
	enqueue(i, q);
}

static void ship(void *ctx, struct grpc_call *call, const uint8_t *p, size_t n)
{
	take(ctx, call, p, n, false);
}

static void heads(void *ctx, struct grpc_call *call, const uint8_t *p, size_t n)
{
	take(ctx, call, p, n, true);
}

static const struct grpc_method methods[] = {
	{ SHIP_METHOD, ship },
	{ HEADS_METHOD, heads },
};

/* ---- life */

static bool stopping(struct ingest *i)
{
	bool stop;

	pthread_mutex_lock(&i->lock);
	stop = i->stop;
	pthread_mutex_unlock(&i->lock);
	return stop;
}

static void *network_main(void *ctx)
{
	struct ingest *i = ctx;

	while (!stopping(i)) {
		if (grpc_poll(i->server, i->held ? HOLD_POLL_MS : -1) < 0)
			break;
		release(i);
	}
	return NULL;
}

static void end_threads(struct ingest *i, size_t n)
{
	pthread_mutex_lock(&i->lock);
	i->stop = true;
	pthread_cond_broadcast(&i->come);
	pthread_cond_broadcast(&i->room);
	pthread_cond_broadcast(&i->work);
	pthread_mutex_unlock(&i->lock);
	wake(i);
	while (n)
		pthread_join(i->threads[--n], NULL);
}

static int start_threads(struct ingest *i)
{
	static void *(*const mains[INGEST_THREADS])(void *ctx) = { sync_main, keep_main, network_main };
	sigset_t all, old;
	size_t n;
	int r = 0;

	/* signals are the main thread's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (n = 0; n < ARRAY_SIZE(mains) && !r; n += !r)
		r = pthread_create(&i->threads[n], NULL, mains[n], i);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		end_threads(i, n);
	return -r;
}

/* Their connections are gone. */
static void requests_free(struct request **list)
{
	struct request *q, *next;

	DL_FOREACH_SAFE(*list, q, next) {
		DL_DELETE(*list, q);
		if (q->call)
			grpc_fail(q->call, GRPC_UNAVAILABLE, "");
		request_free(q);
	}
}

static void ingest_free(struct ingest **ip)
{
	struct ingest *i = *ip;

	if (!i)
		return;
	grpc_free(&i->server);
	requests_free(&i->waiting);
	requests_free(&i->kept);
	requests_free(&i->queue);
	if (i->wake >= 0)
		close(i->wake);
	pthread_cond_destroy(&i->come);
	pthread_cond_destroy(&i->room);
	pthread_cond_destroy(&i->work);
	pthread_mutex_destroy(&i->lock);
	free(i);
	*ip = NULL;
}

int ingest_start(const struct grpc_config *config, struct keep *keep, const struct ingest_events *events, void *ctx,
		 struct ingest **ret_i, char why[256])
{
	_cleanup_(ingest_free) struct ingest *i = calloc(1, sizeof(*i));
	int r;

	snprintf(why, 256, "out of memory");
	if (!i)
		return -ENOMEM;
	pthread_mutex_init(&i->lock, NULL);
	pthread_cond_init(&i->come, NULL);
	pthread_cond_init(&i->room, NULL);
	pthread_cond_init(&i->work, NULL);
	i->keep = keep;
	if (events)
		i->events = *events;
	i->ctx = ctx;
	i->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* TLS writes with write(2), which a peer that is gone would turn into a signal. */
	signal(SIGPIPE, SIG_IGN);
	if (i->wake < 0)
		return -errno;
	r = grpc_new(config, methods, ARRAY_SIZE(methods), i, &i->server, why);
	if (r < 0)
		return r;
	r = grpc_watch(i->server, i->wake, on_wake, i);
	if (!r)
		r = start_threads(i);
	if (r < 0) {
		snprintf(why, 256, "cannot start: %s", strerror(-r));
		return r;
	}
	*ret_i = TAKE_PTR(i);
	return 0;
}

void ingest_stop(struct ingest **ip)
{
	struct ingest *i = *ip;

	if (!i)
		return;
	end_threads(i, INGEST_THREADS);
	ingest_free(ip);
}

uint16_t ingest_port(const struct ingest *i)
{
	return grpc_port(i->server);
}

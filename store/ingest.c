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

/* ---- replies wait for the sync */

static void waiting_free(struct waiting *w)
{
	buf_free(&w->reply);
	free(w);
}

static void wake(struct ingest *i)
{
	uint64_t one = 1;

	if (write(i->wake, &one, sizeof(one)) < 0) {
		/* EAGAIN: it is awake already */
	}
}

/* Tickets up to which everything is synced. */
static uint64_t synced(struct ingest *i)
{
	uint64_t n;

	pthread_mutex_lock(&i->lock);
	n = i->synced;
	pthread_mutex_unlock(&i->lock);
	return n;
}

static void add_heads(struct waiting *w)
{
	for (unsigned chain = 0; chain < CHAIN__MAX; chain++) {
		struct ship_head h = { .chain = chain, .next = w->heads.known[chain].next, .has_hash = true };

		if (!w->heads.known[chain].known)
			continue;
		memcpy(h.last_hash, w->heads.known[chain].last, sizeof(h.last_hash));
		heads_reply_add(&w->reply, &h);
	}
}

static void answer(struct waiting *w)
{
	if (w->asks)
		add_heads(w);
	if (w->call)
		grpc_reply(w->call, w->reply.p, w->reply.n);
}

static void refuse(struct waiting *w, const char *why)
{
	if (!w->call)
		return;
	grpc_fence(w->call);
	grpc_fail(w->call, GRPC_UNAVAILABLE, why);
	w->call = NULL;
}

/* Sends what is synced, unless acknowledgements are withheld. */
static void release(struct ingest *i)
{
	uint64_t done = synced(i);
	const char *why = "";
	int broken = i->keep->ops->error(i->keep->ctx, &why);
	struct waiting *w, *next;

	i->held = i->waiting && i->events.hold && i->events.hold(i->ctx);
	__atomic_store_n(&i->metrics[INGEST_HELD], i->held, __ATOMIC_RELAXED);
	DL_FOREACH_SAFE(i->waiting, w, next) {
		if (w->ticket > done && !broken)
			break;
		if (i->held && !w->urgent && w->ticket <= done)
			continue;
		if (w->ticket <= done)
			answer(w);
		else
			refuse(w, why);
		/* whoever finds out heads may still write into it */
		if (w->asks && w->ticket > done)
			continue;
		DL_DELETE(i->waiting, w);
		ingest_count(i, INGEST_WAITING, (uint64_t)-1);
		waiting_free(w);
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

/* w is filled but for its ticket. */
static void wait_for_sync(struct ingest *i, struct waiting *w)
{
	pthread_mutex_lock(&i->lock);
	w->ticket = i->appended;
	pthread_mutex_unlock(&i->lock);
	DL_APPEND(i->waiting, w);
	ingest_count(i, INGEST_WAITING, 1);
}

static void no_memory(struct grpc_call *call)
{
	grpc_fence(call);
	grpc_fail(call, GRPC_RESOURCE_EXHAUSTED, "out of memory");
}

static void reply_when_synced(struct ingest *i, struct grpc_call *call, struct buf *reply)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w || reply->failed) {
		free(w);
		no_memory(call);
		return;
	}
	w->call = call;
	w->reply = *reply;
	*reply = (struct buf){ 0 };
	wait_for_sync(i, w);
}

static void count_appends(struct ingest *i, uint64_t n)
{
	if (!n)
		return;
	pthread_mutex_lock(&i->lock);
	i->appended += n;
	pthread_cond_signal(&i->work);
	pthread_mutex_unlock(&i->lock);
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

/* ---- methods */

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
static void compare_clocks(struct ingest *i, struct grpc_call *call, const struct journal_origin *origin, int64_t sent_at)
{
	int64_t ahead;

	if (!sent_at || !i->events.on_clock)
		return;
	if (__builtin_sub_overflow(sent_at, grpc_arrived(call), &ahead))
		ahead = INT64_MAX;
	i->events.on_clock(i->ctx, origin, ahead);
}

static void ship(void *ctx, struct grpc_call *call, const uint8_t *p, size_t n)
{
	struct ingest *i = ctx;
	struct journal_origin origin = origin_of(grpc_peer(call));
	struct wire_span s = { p, p + n }, frame;
	_cleanup_buf_ struct buf reply = { 0 };
	const char *why = "";
	uint64_t appends = 0;
	int64_t sent_at;
	bool put_off = false;

	if (ship_request_check(p, n, &sent_at) <= 0) {
		grpc_fail(call, GRPC_INVALID_ARGUMENT, "not a ShipRequest with at least one frame");
		return;
	}
	if (i->keep->ops->error(i->keep->ctx, &why)) {
		grpc_fence(call);
		grpc_fail(call, GRPC_UNAVAILABLE, why);
		return;
	}
	compare_clocks(i, call, &origin, sent_at);
	while (ship_request_next(&s, &frame) == 1) {
		enum ship_status status = SHIP_RETRY;
		bool appended = false;

		/* Behind a frame that was put off nothing is taken: it would look like a gap. */
		if (!put_off)
			status = ingest_frame(i, &origin, frame.p, wire_left(&frame), &appended, &why);
		put_off = status == SHIP_RETRY;
		appends += appended;
		ship_reply_add(&reply, status, status == SHIP_STORED ? "" : why);
	}
	count_appends(i, appends);
	if (put_off)
		grpc_fence(call);
	reply_when_synced(i, call, &reply);
}

/* What it says is there must be there after a crash too; and it may be the sync that finds it out. */
static void heads(void *ctx, struct grpc_call *call, const uint8_t *p, size_t n)
{
	struct waiting *w = calloc(1, sizeof(*w));
	struct ingest *i = ctx;
	int r;

	if (!w) {
		no_memory(call);
		return;
	}
	w->call = call;
	w->urgent = w->asks = true;
	if (heads_request_read(p, n, w->heads.stream) < 0) {
		grpc_fail(call, GRPC_INVALID_ARGUMENT, "not a HeadsRequest with a stream of 16 bytes");
		waiting_free(w);
		return;
	}
	r = i->keep->ops->ready(i->keep->ctx);
	if (!r) {
		strcpy(w->heads.host_id, grpc_peer(call)->host_id);
		strcpy(w->heads.account, grpc_peer(call)->account);
		r = i->keep->ops->heads(i->keep->ctx, &w->heads);
	}
	if (r < 0) {	/* less than we have would look like frames that we lost */
		grpc_fence(call);
		grpc_fail(call, GRPC_UNAVAILABLE, "the store could not read its chains back yet");
		waiting_free(w);
		return;
	}
	count_appends(i, (uint64_t)r);
	wait_for_sync(i, w);
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

static int start_threads(struct ingest *i)
{
	sigset_t all, old;
	int r;

	/* signals are the main thread's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&i->syncer, NULL, sync_main, i);
	if (!r) {
		r = pthread_create(&i->network, NULL, network_main, i);
		if (r) {
			pthread_mutex_lock(&i->lock);
			i->stop = true;
			pthread_cond_signal(&i->work);
			pthread_mutex_unlock(&i->lock);
			pthread_join(i->syncer, NULL);
		}
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

static void ingest_free(struct ingest **ip)
{
	struct ingest *i = *ip;
	struct waiting *w, *next;

	if (!i)
		return;
	grpc_free(&i->server);
	DL_FOREACH_SAFE(i->waiting, w, next) {
		DL_DELETE(i->waiting, w);
		/* its connection is gone: this only frees it */
		if (w->call)
			grpc_fail(w->call, GRPC_UNAVAILABLE, "");
		waiting_free(w);
	}
	if (i->wake >= 0)
		close(i->wake);
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
	pthread_mutex_lock(&i->lock);
	i->stop = true;
	pthread_cond_signal(&i->work);
	pthread_mutex_unlock(&i->lock);
	wake(i);
	pthread_join(i->network, NULL);
	pthread_join(i->syncer, NULL);
	ingest_free(ip);
}

uint16_t ingest_port(const struct ingest *i)
{
	return grpc_port(i->server);
}

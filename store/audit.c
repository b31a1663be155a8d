/* SPDX-License-Identifier: Apache-2.0 */
#include "audit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"

#define REPEATS_NS (60 * NS_PER_SEC)
#define SEEN_MAX 4096			/* beyond that, reads are not merged */
#define REQUEST_ID_MAX 40

/* One kind of call that repeats, or one call. */
struct noted {
	struct witness_call call;	/* its texts are ours */
	char *content;			/* what makes calls alike; NULL: is not merged */
	char request_id[REQUEST_ID_MAX];
	uint64_t pending, first, last;	/* since its last record */
	uint64_t said;			/* boot-time ns of that; 0: none */
	struct noted *next;		/* of those that are not merged */
	UT_hash_handle hh;
};

struct audit {
	struct witness *witness;
	pthread_t thread;
	pthread_mutex_t lock;		/* what follows */
	pthread_cond_t news;
	bool stopping, urgent;
	struct noted *seen;		/* only the thread removes */
	struct noted *once, **once_end;
	uint64_t lost;
};

/* ---- copies ----------------------------------------------------------------------------------- */

static const char **texts_of(struct witness_call *c, unsigned i)
{
	const char **const all[] = { &c->source, &c->name, &c->key, &c->address, &c->agent, &c->parameters, &c->error, &c->message };

	return i < ARRAY_SIZE(all) ? all[i] : NULL;
}

static void noted_free(struct noted *n)
{
	const char **text;

	for (unsigned i = 0; n && (text = texts_of(&n->call, i)); i++)
		free((void *)(uintptr_t)*text);
	if (n)
		free(n->content);
	free(n);
}

static struct noted *noted_new(const struct witness_call *c)
{
	struct noted *n = calloc(1, sizeof(*n));
	const char **text;
	bool whole = n;

	if (!n)
		return NULL;
	n->call = *c;
	n->call.request_id = n->request_id;
	for (unsigned i = 0; (text = texts_of(&n->call, i)); i++) {
		*text = *text ? strdup(*text) : NULL;
		whole &= *text || !*texts_of((struct witness_call *)(uintptr_t)c, i);
	}
	if (whole)
		return n;
	noted_free(n);
	return NULL;
}

static char *content_of(const struct witness_call *c)
{
	struct buf b = { 0 };
	const char **text;

	for (unsigned i = 0; (text = texts_of((struct witness_call *)(uintptr_t)c, i)); i++)
		if (text != &c->message)
			buf_addf(&b, "%s\n", *text ? *text : "");
	buf_addc(&b, '\0');
	if (!b.failed)
		return (char *)b.p;
	buf_free(&b);
	return NULL;
}

/* ---- noting -------------------------------------------------------------------------------------- */

static void happened(struct noted *n, const char *request_id, uint64_t now)
{
	if (!n->pending++)
		n->first = now;
	n->last = now;
	snprintf(n->request_id, sizeof(n->request_id), "%s", request_id ? request_id : "");
}

static struct noted *find(struct audit *a, const char *content)
{
	struct noted *n = NULL;

	if (content)
		HASH_FIND_STR(a->seen, content, n);
	return n;
}

/* Locked. It is the audit's now, and so is the content. */
static struct noted *add(struct audit *a, const struct witness_call *c, char *content, bool merge)
{
	struct noted *n = noted_new(c);

	if (!n || !merge) {
		free(content);
	} else {
		n->content = content;
		HASH_ADD_KEYPTR(hh, a->seen, n->content, strlen(n->content), n);
		return n;
	}
	if (n) {
		*a->once_end = n;
		a->once_end = &n->next;
	}
	return n;
}

/* Locked. Strangers choose neither how many records there are nor what they say: no client's name, and of very many no address. */
static struct noted *place(struct audit *a, struct witness_call *c)
{
	bool stranger = !c->key, merge = stranger || c->read_only;
	bool full = HASH_COUNT(a->seen) >= SEEN_MAX;
	char *content;
	struct noted *n;

	if (stranger)
		c->agent = NULL;
	content = merge ? content_of(c) : NULL;
	n = find(a, content);
	if (!n && stranger && full) {
		free(content);
		c->address = NULL;
		content = content_of(c);
		n = find(a, content);
	}
	if (!n)
		return add(a, c, content, content && (stranger || !full));
	free(content);
	return n;
}

void audit_note(struct audit *a, const struct witness_call *call)
{
	struct witness_call c = *call;
	uint64_t now = clock_boot();
	struct noted *n;

	pthread_mutex_lock(&a->lock);
	n = place(a, &c);
	if (n)
		happened(n, call->request_id, now);
	else
		a->lost++;
	if (c.key && !c.read_only) {
		a->urgent = true;
		pthread_cond_signal(&a->news);
	}
	pthread_mutex_unlock(&a->lock);
}

/* ---- writing ----------------------------------------------------------------------------------------- */

struct frame {
	struct witness_call calls[WITNESS_CALLS_MAX];
	char ids[WITNESS_CALLS_MAX][REQUEST_ID_MAX];
	struct noted *once[WITNESS_CALLS_MAX];		/* to be freed afterwards */
	unsigned n, nonce;
};

/* Locked: what is pending of it goes into the frame. Its texts do not change. */
static void take(struct frame *f, struct noted *n)
{
	struct witness_call *c = &f->calls[f->n];

	memcpy(f->ids[f->n], n->request_id, REQUEST_ID_MAX);
	*c = n->call;
	c->request_id = f->ids[f->n++];
	c->time = n->last;
	c->first = n->first;
	c->count = n->pending;
	n->pending = 0;
	n->said = n->last;
}

static bool is_due(const struct audit *a, const struct noted *n, uint64_t now)
{
	return n->pending && (a->stopping || !n->said || now - n->said >= REPEATS_NS);
}

static void gather(struct audit *a, struct frame *f)
{
	uint64_t now = clock_boot();
	struct noted *n, *next;

	f->n = f->nonce = 0;
	pthread_mutex_lock(&a->lock);
	while (a->once && f->n < WITNESS_CALLS_MAX) {
		n = a->once;
		a->once = n->next;
		take(f, n);
		f->once[f->nonce++] = n;
	}
	if (!a->once)
		a->once_end = &a->once;
	HASH_ITER(hh, a->seen, n, next) {
		if (f->n < WITNESS_CALLS_MAX && is_due(a, n, now)) {
			take(f, n);
		} else if (!n->pending && now - n->said >= REPEATS_NS) {
			HASH_DEL(a->seen, n);
			noted_free(n);
		}
	}
	pthread_mutex_unlock(&a->lock);
}

/* False: nothing more was due. */
static bool write_one(struct audit *a, struct frame *f)
{
	int r;

	gather(a, f);
	if (!f->n)
		return false;
	r = witness_calls(a->witness, f->calls, f->n);
	if (r < 0) {
		log_limited(LOG_LEVEL_ERROR, r, "%u requests to the API could not be recorded", f->n);
		pthread_mutex_lock(&a->lock);
		a->lost += f->n;
		pthread_mutex_unlock(&a->lock);
	}
	for (unsigned i = 0; i < f->nonce; i++)
		noted_free(f->once[i]);
	return true;
}

/* Until something urgent, a second, or the end. True: the end. */
static bool wait_for_news(struct audit *a)
{
	struct timespec until;
	bool stopping;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	pthread_mutex_lock(&a->lock);
	while (!a->urgent && !a->stopping && pthread_cond_timedwait(&a->news, &a->lock, &until) == 0)
		;
	a->urgent = false;
	stopping = a->stopping;
	pthread_mutex_unlock(&a->lock);
	return stopping;
}

static void *run(void *arg)
{
	struct audit *a = arg;
	struct frame *f = malloc(sizeof(*f));
	bool end = !f;

	while (!end) {
		end = wait_for_news(a);
		while (write_one(a, f))
			;
	}
	free(f);
	return NULL;
}

/* ---- life -------------------------------------------------------------------------------------------------- */

int audit_start(struct witness *w, struct audit **ret_a)
{
	struct audit *a = calloc(1, sizeof(*a));
	pthread_condattr_t attr;
	int r;

	if (!a)
		return -ENOMEM;
	a->witness = w;
	a->once_end = &a->once;
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->news, &attr);
	pthread_condattr_destroy(&attr);
	r = pthread_create(&a->thread, NULL, run, a);
	if (r) {
		pthread_cond_destroy(&a->news);
		pthread_mutex_destroy(&a->lock);
		free(a);
		return -r;
	}
	*ret_a = a;
	return 0;
}

void audit_stop(struct audit **pa)
{
	struct audit *a = *pa;
	struct noted *n, *next;

	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	pthread_cond_signal(&a->news);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	HASH_ITER(hh, a->seen, n, next) {
		HASH_DEL(a->seen, n);
		noted_free(n);
	}
	while ((n = a->once)) {
		a->once = n->next;
		noted_free(n);
	}
	pthread_cond_destroy(&a->news);
	pthread_mutex_destroy(&a->lock);
	free(a);
	*pa = NULL;
}

uint64_t audit_lost(struct audit *a)
{
	uint64_t n;

	pthread_mutex_lock(&a->lock);
	n = a->lost;
	pthread_mutex_unlock(&a->lock);
	return n;
}

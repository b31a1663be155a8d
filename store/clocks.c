/* SPDX-License-Identifier: Apache-2.0 */
#include "clocks.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "lib/clock.h"

#define SKEW_NS (CLOCKS_SKEW_SECONDS * (int64_t)NS_PER_SEC)

enum way { RIGHT, AHEAD, BEHIND };

struct host {
	struct journal_origin origin;
	int64_t ahead;			/* what the last request showed */
	enum way way;			/* what is said of it, or about to be */
	uint64_t behind_since;		/* boot ns of the first request of a row that looked behind; 0: none */
	bool asked;			/* a request told its time */
	bool unsaid;
	int64_t unsaid_ahead;
	bool records_ahead;
	UT_hash_handle hh;
};

struct clocks {
	pthread_mutex_t lock;
	struct host *hosts;
	unsigned unsaid;
	uint64_t begun;
};

int clocks_new(struct clocks **ret_c)
{
	struct clocks *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	*ret_c = c;
	return 0;
}

static void forget(struct clocks *c, struct host *h)
{
	HASH_DEL(c->hosts, h);
	c->unsaid -= h->unsaid;
	free(h);
}

void clocks_free(struct clocks **pc)
{
	struct clocks *c = *pc;

	if (!c)
		return;
	while (c->hosts)
		forget(c, c->hosts);
	pthread_mutex_destroy(&c->lock);
	free(c);
	*pc = NULL;
}

/* NULL: out of memory; then nothing is known of this host. */
static struct host *find(struct clocks *c, const struct journal_origin *origin)
{
	struct host *h;

	HASH_FIND_STR(c->hosts, origin->host_id, h);
	if (h)
		return h;
	if (HASH_COUNT(c->hosts) >= CLOCKS_HOSTS_MAX)
		forget(c, c->hosts);
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->origin = *origin;
	HASH_ADD_STR(c->hosts, origin.host_id, h);
	return h;
}

static bool surely_behind(struct host *h, int64_t ahead, uint64_t boot)
{
	if (ahead >= -SKEW_NS) {
		h->behind_since = 0;
		return false;
	}
	if (!h->behind_since)
		h->behind_since = boot;
	return boot - h->behind_since >= CLOCKS_SURE_MS * NS_PER_MS;
}

static enum way judge(struct host *h, int64_t ahead, uint64_t boot)
{
	if (surely_behind(h, ahead, boot))
		return BEHIND;
	if (ahead > SKEW_NS)
		return AHEAD;
	if ((h->way == AHEAD && ahead > SKEW_NS / 2) || (h->way == BEHIND && ahead < -SKEW_NS / 2))
		return h->way;
	return RIGHT;
}

bool clocks_request(struct clocks *c, const struct journal_origin *origin, int64_t ahead_ns, uint64_t boot_ns)
{
	struct host *h;
	bool news = false;
	enum way way;

	pthread_mutex_lock(&c->lock);
	h = find(c, origin);
	if (h) {
		way = judge(h, ahead_ns, boot_ns);
		news = way != RIGHT && way != h->way;
		h->way = way;
		h->ahead = ahead_ns;
		h->asked = true;
		c->begun += news;
		c->unsaid += news && !h->unsaid;
		h->unsaid |= news;
		h->unsaid_ahead = news ? ahead_ns : h->unsaid_ahead;
	}
	pthread_mutex_unlock(&c->lock);
	return news;
}

bool clocks_records(struct clocks *c, const struct journal_origin *origin, int64_t ahead_ns)
{
	struct host *h;
	bool news = false;

	pthread_mutex_lock(&c->lock);
	h = find(c, origin);
	if (h) {
		bool ahead = ahead_ns > (h->records_ahead ? SKEW_NS / 2 : SKEW_NS);

		news = ahead && !h->records_ahead && h->way != AHEAD;
		h->records_ahead = ahead;
		c->begun += news;
	}
	pthread_mutex_unlock(&c->lock);
	return news;
}

bool clocks_next(struct clocks *c, struct journal_origin *ret_origin, int64_t *ret_ahead_ns)
{
	struct host *h, *next;
	bool found = false;

	pthread_mutex_lock(&c->lock);
	if (c->unsaid) {
		HASH_ITER(hh, c->hosts, h, next) {
			if (!h->unsaid)
				continue;
			h->unsaid = false;
			c->unsaid--;
			*ret_origin = h->origin;
			*ret_ahead_ns = h->unsaid_ahead;
			found = true;
			break;
		}
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

bool clocks_ahead(struct clocks *c, const char *host_id, int64_t *ret_ahead_ns)
{
	struct host *h;
	bool known;

	pthread_mutex_lock(&c->lock);
	HASH_FIND_STR(c->hosts, host_id, h);
	known = h && h->asked;
	if (known)
		*ret_ahead_ns = h->ahead;
	pthread_mutex_unlock(&c->lock);
	return known;
}

uint64_t clocks_begun(struct clocks *c)
{
	uint64_t n;

	pthread_mutex_lock(&c->lock);
	n = c->begun;
	pthread_mutex_unlock(&c->lock);
	return n;
}

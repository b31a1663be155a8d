// SPDX-License-Identifier: Apache-2.0
/*
 * Which response of HTTP/1 answers which request. In order, as long as no message was lost. When some were:
 *
 *   a connection on which no request was ever sent before the response to the one before it had ended is taken not to pipeline. There
 *   at most one response is owed, so the next one is found again. That a response was lost is told before the next request, where it can be:
 *   with none owed then, it was that of a request that was lost, too;
 *   where requests were pipelined, how many are missing cannot be told: from then on they are given without one another.
 */
#include <utlist.h>

#include "agent/http/internal.h"

/* Its response will not be seen. */
static void answer_lost(struct http_conn *c, struct call *call)
{
	call->response.begun = call->response.ended = call->response.uncounted = true;
	call->response.head.flags |= HTTP_TRUNCATED;
	call_check(c, call);
}

static void answers_lost(struct http_conn *c)
{
	struct call *call, *next;

	DL_FOREACH_SAFE(c->open, call, next)
		if (call->request.begun && !call->response.begun)
			answer_lost(c, call);
}

static void doubt(struct http_conn *c)
{
	c->doubt = true;
	answers_lost(c);
}

static bool owed(const struct http_conn *c)
{
	const struct call *call;

	DL_FOREACH(c->open, call)
		if (!call->response.ended && !call->waits)
			return true;
	return false;
}

static struct call *waiting(struct http_conn *c)
{
	struct call *call;

	DL_FOREACH(c->open, call)
		if (call->waits)
			return call;
	return NULL;
}

/* One more request, while others may have no response yet. */
static void ask_more(struct http_conn *c)
{
	if (c->doubt)
		return;
	if (!owed(c)) {
		if (!c->pipelined)
			c->response_lost = false;
		return;
	}
	if (c->response_lost && !c->pipelined)
		answers_lost(c);
	else
		c->pipelined = true;
	c->response_lost = false;
	if ((c->pipelined && c->request_lost) || c->nopen == HTTP_CALLS_MAX)
		doubt(c);
}

struct call *h1_ask(struct http_conn *c)
{
	struct call *call = waiting(c);

	if (call) {
		call->waits = false;
		call->flags &= ~(uint32_t)HTTP_NO_REQUEST;
	} else {
		ask_more(c);
		call = call_new(c, 0);
	}
	if (!call)
		return NULL;
	call->request.begun = true;
	if (c->doubt && !call->response.begun)
		answer_lost(c, call);	/* its request has not ended: it stays */
	return call;
}

struct call *h1_answer(struct http_conn *c)
{
	struct call *call;

	/* the one that is owed may be among what was lost, and this the answer to a request that was */
	if (c->request_lost && c->response_lost) {
		answers_lost(c);
		c->response_lost = false;
	}
	DL_FOREACH(c->open, call)
		if (call->request.begun && !call->response.begun)
			break;
	if (call) {
		c->paired = true;
		c->request_lost = c->response_lost = false;
		return call;
	}
	call = call_new(c, 0);
	if (!call)
		return NULL;
	call->flags |= HTTP_NO_REQUEST;
	/* two threads: what one read may be told before what the other wrote */
	call->waits = c->paired && !c->request_lost && !c->doubt;
	call->request.ended = !call->waits;
	return call;
}

/* Requests that others of which we have the responses waited for: they are in what is missing. */
static void waits_no_more(struct http_conn *c)
{
	struct call *call;

	while ((call = waiting(c)) && !c->memory.failed) {
		call->waits = false;
		call->request.ended = true;
		if (call->response.head.done)
			call_headed(c, call);
		call_check(c, call);
	}
}

void h1_lost(struct http_conn *c, const struct lane *l)
{
	if (lane_asks(c, l)) {
		c->request_lost = true;
		waits_no_more(c);
	} else {
		c->response_lost = true;
	}
	if (c->pipelined && !c->doubt && (lane_asks(c, l) || owed(c)))
		doubt(c);
}

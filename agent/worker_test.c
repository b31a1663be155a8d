// SPDX-License-Identifier: Apache-2.0
/* worker_test.c - the worker's part of the self-test: asks the prober, marks what it made, says what did not arrive. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "own.h"
#include "selfcalls.h"
#include "worker_internal.h"

static void close_prober(struct worker *w)
{
	if (w->prober >= 0)
		close(w->prober);
	w->prober = -1;
	selftest_prober_gone(&w->test);
}

int worker_new_prober(struct worker *w)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = w->m.fd };

	close_prober(w);
	w->prober = w->m.fd;
	selftest_prober(&w->test, w->m.body.pid.pid, clock_boot());
	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->prober, &ev) < 0 ? -errno : 0;
}

int worker_take_prober(struct worker *w)
{
	int r = msg_recv(w->prober, &w->m);

	if (r == -EAGAIN)
		return 0;
	if (r > 0 && w->m.type == MSG_PROBED)
		w->probed = true;
	else
		close_prober(w);	/* the parent starts another one */
	return 0;
}

bool worker_is_test(void *ctx, const struct ht_call *call)
{
	struct worker *w = ctx;

	return selftest_take(&w->test, call, writer_next(w->writer, CHAIN_CONTROL), clock_boot());
}

unsigned worker_test_names(uint32_t calls, char (*text)[48], struct str *ret_v)
{
	unsigned n = 0;

	for (unsigned i = 0; i < selfcalls_count(); i++) {
		int len;

		if (!(calls >> i & 1))
			continue;
		len = snprintf(text[n], sizeof(text[n]), "%s: %s", selfcalls[i].family, selfcalls[i].call);
		ret_v[n] = (struct str){ text[n], (size_t)len };
		n++;
	}
	return n;
}

static int say_late(struct worker *w, uint32_t late)
{
	char text[SELFCALLS_MAX][48];
	struct str missing[SELFCALLS_MAX];
	struct own_selftest_failed f = {
		.missing = missing, .nmissing = worker_test_names(late, text, missing), .waited = SELFTEST_PATIENCE,
		.reason = w->probed ? NULL : "the process that makes the calls does not answer",
	};

	log_errx("self-test: %u of the calls did not arrive as records (first: %s)%s", f.nmissing, text[0],
		 w->probed ? "" : ": the prober does not answer");
	return own_selftest_failed(w->pipeline, &f);
}

int worker_test(struct worker *w)
{
	uint64_t now = clock_boot();
	struct msg_probe q = { 0 };
	uint32_t late;

	if (!w->setup.self_test)
		return 0;
	selftest_synced(&w->test, writer_synced(w->writer, CHAIN_CONTROL), now);
	late = selftest_late(&w->test, now);
	if (late)
		return say_late(w, late);
	if (w->prober < 0)
		return 0;
	q.calls = selftest_due(&w->test, now);
	if (!q.calls)
		return 0;
	w->probed = false;
	if (msg_send(w->prober, MSG_PROBE, &q, sizeof(q), -1) < 0)
		log_limited(LOG_LEVEL_WARN, 0, "the prober does not take questions");
	return 0;
}

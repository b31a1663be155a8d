// SPDX-License-Identifier: Apache-2.0
/*
 * reload.c - other event selectors while everything goes on (SIGHUP), or than those of the run whose pins were adopted; and rule files of APIs.
 *
 * First the kernel captures what the old ones or the new ones want. Then the worker, which alone knows what it has judged
 * already, puts the new ones in force and says since when: calls from then on are judged by them, calls before by the old ones.
 * Then the kernel captures what the new ones want. So each call is judged once, by the selectors that were in force
 * when it was made, and was captured if they want it. What of the captured calls the kernel drops (kernelrules.h) is given up
 * with the first step, and comes with the last.
 *
 * <state_dir>/selectors.in-force has the text of those in force, for who adopts the rings of an agent that was killed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "lib/log.h"
#include "kernelrules.h"
#include "parent_internal.h"

#define IN_RINGS (600 * NS_PER_SEC)	/* no entry waits longer than that for a worker */

static void file_of(const struct parent *p, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/selectors.in-force", p->config->state_dir);
}

/* What the new ones never want is dropped in the kernel. It is not an error if it cannot: the worker decides all of it. */
static void drop(struct parent *p, const struct selection *s)
{
	char text[OWN_FILES_MAX][PATH_MAX];
	const char *own[OWN_FILES_MAX + 1] = { 0 };
	struct kernelrules *rules;
	unsigned n = own_files(p, text);
	int r;

	for (unsigned i = 0; i < n; i++)
		own[i] = text[i];
	r = kernelrules_new(s->selectors, own, &rules) ?: probes_rules(p->probes, rules);
	if (r < 0)
		log_warn(r, "cannot drop unwanted events in the kernel");
}

static int capture(struct parent *p, const struct selection *s, bool widen)
{
	struct probes_calls calls;
	int r;

	selection_calls(s, &calls);
	r = probes_capture(p->probes, &calls, widen);
	if (r < 0)
		log_err(r, "cannot change which calls are captured");
	else if (!widen && s->selectors)
		drop(p, s);
	return r;
}

/* Where there is no room none is better than the wrong one: see former(). */
static void keep(const struct parent *p)
{
	char path[PATH_MAX];
	int r;

	file_of(p, path);
	r = fsx_replace(path, p->selection->text.p, p->selection->text.n, 0600);
	if (r < 0) {
		log_err(r, "cannot write %s", path);
		unlink(path);
	}
}

/* Those of the run before. Without them, all that it captured is judged by those of now. */
static struct selection *former(const struct parent *p)
{
	_cleanup_buf_ struct buf text = { 0 };
	char path[PATH_MAX], why[SELECTORS_WHY_MAX];
	struct selection *s = NULL;
	int r;

	file_of(p, path);
	r = fsx_read(path, SELECTORS_TEXT_MAX, &text);
	if (!r)
		r = selection_of(path, text.p, text.n, &s, why);
	if (r < 0)
		log_warn(r, "cannot read %s", path);
	return s;
}

static void set_apis(struct parent *p, const struct agent_config *c)
{
	memset(p->apis, 0, sizeof(p->apis));
	snprintf(p->apis, sizeof(p->apis), "%s", c->apis ? c->apis : "");
}

int reload_begin(struct parent *p)
{
	int r = 0;

	set_apis(p, p->config);
	if (probes_fds(p->probes)->adopted) {
		p->selection->before = former(p);
		r = capture(p, p->selection, true);
		p->selection->from = clock_boot();
	}
	keep(p);
	return r ?: capture(p, p->selection, false);
}

/* The kernel goes on capturing for both until the worker has answered; who does not take the question is asked again. */
static void ask(struct parent *p)
{
	int r = p->ctl < 0 ? -EPIPE : send_selection(p, p->coming);

	p->asked = !r;
	if (r < 0 && r != -EAGAIN && r != -EPIPE)
		log_limited(LOG_LEVEL_ERROR, r, "the worker does not take event selectors");
}

/* The configuration has been checked, rule files of APIs among it: that the worker can read them. It does so by itself. */
static int read_anew(struct parent *p, struct selection **ret_s, char why[CONF_WHY_MAX])
{
	struct agent_config now;
	int r = agent_config_load(&now, p->config->path, why);

	if (r < 0)
		return r;
	r = agent_config_selectors(&now, ret_s, why);
	if (!r)
		set_apis(p, &now);
	p->tell_apis |= !r;
	agent_config_free(&now);
	return r;
}

/* Who does not take it now is told again. */
static void tell_apis(struct parent *p)
{
	struct msg_apis m;

	if (!p->tell_apis || p->ctl < 0 || !p->tls)
		return;
	memcpy(m.path, p->apis, sizeof(m.path));
	p->tell_apis = msg_send(p->ctl, MSG_APIS, &m, sizeof(m), -1) == -EAGAIN;
}

void reload(struct parent *p)
{
	char why[CONF_WHY_MAX] = "";
	struct selection *s = NULL;

	if (p->coming) {		/* one after the other */
		p->again = true;
		return;
	}
	p->again = false;
	if (read_anew(p, &s, why) < 0) {
		log_errx("%s; event selectors and rule files of APIs from before stay in force", why);
		p->refused++;
		p->count_at = 0;	/* status says it, too */
		return;
	}
	if (capture(p, s, true) < 0) {
		selection_free(&s);
		return;
	}
	p->coming = s;
	tell_apis(p);
	ask(p);
}

void reload_tick(struct parent *p)
{
	tell_apis(p);
	if (p->coming && !p->asked)
		ask(p);
	else if (!p->coming && p->again)
		reload(p);
}

int reload_answered(struct parent *p, uint64_t from)
{
	struct selection *s = TAKE_PTR(p->coming);
	uint64_t now = clock_boot();

	if (!s)
		return -EBADMSG;
	s->from = from;
	s->before = p->selection;
	p->selection = s;
	p->asked = false;
	selection_forget(s, now > IN_RINGS ? now - IN_RINGS : 0);
	keep(p);
	capture(p, s, false);
	log_info("event selectors in force: %s (SHA-256 %s)", s->source, s->sha256);
	return 0;
}

void reload_new_worker(struct parent *p)
{
	if (p->coming)
		reload_answered(p, clock_boot());
}

/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail selectors check - what event selectors mean here: what each captures, where it is decided, how much it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/callselect.h"
#include "agent/calls.h"
#include "client.h"
#include "command.h"
#include "lib/clock.h"
#include "selectview.h"
#include "show.h"

#define PAGE 50
#define RECORDS_DEFAULT 1000
#define RECORDS_MAX 1000000
#define NAMES_SHOWN 12
#define VALUES_SHOWN 8

static const struct opt opts[] = {
	{ 'n', "max", "N", "estimate from the N newest records of the local trail (default 1000, 0: not at all)" },
	OPT_DIR,
	{ 0 },
};

struct sample {			/* of the local trail */
	const struct selectors *selectors;
	unsigned long *hits;	/* by selector; the last: by any of them */
	unsigned long n;
	int64_t newest, oldest;	/* ns since 1970 */
};

/* ---- what the selectors say ------------------------------------------------------------- */

static void print_text(const char *text, size_t n)
{
	struct buf b = { 0 };

	show_escaped(&b, text, n);
	fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
}

static void print_values(const struct select_list *l)
{
	for (unsigned i = 0; i < l->n && i < VALUES_SHOWN; i++) {
		printf("%s\"", i ? ", " : " ");
		print_text(l->v[i].p, l->v[i].n);
		printf("\"");
	}
	if (l->n > VALUES_SHOWN)
		printf(", and %u more", l->n - VALUES_SHOWN);
}

static void print_condition(const struct select_condition *c)
{
	static const char *const where[] = {
		[CALLSELECT_RECORD] = "by the whole record",
		[CALLSELECT_CALL] = "in the kernel, by the call",
		[CALLSELECT_EITHER] = "in the kernel, by the call and an open's flags; by the whole record where other arguments decide it",
		[CALLSELECT_OUTCOME] = "in the kernel, whether the call failed; by the whole record, how",
		[CALLSELECT_WHO] = "in the kernel, by the user's number",
		[CALLSELECT_WHERE] = "in the kernel, by the cgroup; by the whole record in the first 2 seconds of a new one",
		[CALLSELECT_FILE] = "in the kernel, where it is the path of a descriptor (all that an open returns); else by the whole record",
	};

	for (unsigned op = 0; op < SELECT_OP__MAX; op++) {
		if (!c->op[op].n)
			continue;
		printf("  %s %s", select_field_name(c->field), select_op_name(op));
		print_values(&c->op[op]);
		printf("\n      decided %s\n", where[callselect_where(c->field)]);
	}
}

/* Calls that are captured for the selector, but not when they succeed. */
static unsigned only_failed(const struct selector *s)
{
	unsigned n = 0;

	for (unsigned i = 1; i < calls_count(); i++)
		n += callselect_wants(s, i) && calls_lookup(calls_name(i)) == i && !callselect_may(s, i, false, false) &&
		     !callselect_may(s, i, false, true);
	return n;
}

/* Names of one kind of calls that are captured for the selector. An i386 row may have the name of its namesake. */
static unsigned print_calls(const struct selector *s, bool high_rate, bool print)
{
	const char *last = "";
	unsigned n = 0;

	for (unsigned i = 1; i < calls_count(); i++) {
		if (calls_high_rate(i) != high_rate || !callselect_wants(s, i) || calls_lookup(calls_name(i)) != i)
			continue;
		n++;
		if (print && n <= NAMES_SHOWN)
			printf("%s%s", *last ? ", " : " ", calls_name(i));
		last = ",";
	}
	if (print && n > NAMES_SHOWN)
		printf(", and %u more", n - NAMES_SHOWN);
	return n;
}

static void print_captured(const struct selector *s)
{
	unsigned usual = print_calls(s, false, false), high = print_calls(s, true, false);

	printf("  captures %u calls%s", usual, usual ? ":" : "");
	print_calls(s, false, true);
	printf("\n");
	if (high) {
		printf("  and %u high-rate calls:", high);
		print_calls(s, true, true);
		printf("\n");
	}
	if (only_failed(s))
		printf("  %u of these only when they fail\n", only_failed(s));
}

/* ---- how much that is --------------------------------------------------------------------- */

static void count(struct sample *s, struct json_object *event)
{
	_cleanup_json_ struct json_object *record = json_tokener_parse(member_text(event, "CloudTrailEvent"));
	struct select_view v;
	char numbers[32];
	int64_t at = strtoll(member_text(record, "additionalEventData.eventTimeNanos"), NULL, 10);
	bool any = false;

	selectview(event, record, numbers, &v);
	for (unsigned i = 0; i < s->selectors->n; i++)
		if (selector_match(&s->selectors->v[i], &v) == SELECT_YES) {
			s->hits[i]++;
			any = true;
		}
	s->hits[s->selectors->n] += any;
	if (!s->n++)
		s->newest = s->oldest = at;
	if (at > s->newest)
		s->newest = at;
	if (at < s->oldest)
		s->oldest = at;
}

static int take_sample(struct sample *s, struct client *client, unsigned long max, char why[256])
{
	_cleanup_json_ struct json_object *request = json_object_new_object();

	while (s->n < max) {
		_cleanup_json_ struct json_object *reply = NULL;
		struct json_object *events;
		unsigned long left = max - s->n;
		int r;

		json_object_object_add(request, "MaxResults", json_object_new_int64((int64_t)(left < PAGE ? left : PAGE)));
		r = client_call(client, CLOUDTRAIL_OP("LookupEvents"), request, &reply, why);
		if (r < 0)
			return r;
		events = member_at(reply, "Events");
		for (size_t i = 0; json_object_is_type(events, json_type_array) && i < json_object_array_length(events); i++)
			count(s, json_object_array_get_idx(events, i));
		if (!*member_text(reply, "NextToken"))
			break;
		json_object_object_add(request, "NextToken", json_object_new_string(member_text(reply, "NextToken")));
	}
	return 0;
}

static void print_volume(const struct sample *s, unsigned i)
{
	double hours = (double)(s->newest - s->oldest) / (3600.0 * (double)NS_PER_SEC);

	if (!s->n)
		return;
	printf("  %lu of the %lu newest records of the local trail", s->hits[i], s->n);
	if (hours > 0)
		printf(", about %.0f an hour", (double)s->hits[i] / hours);
	printf("%s\n", i < s->selectors->n && print_calls(&s->selectors->v[i], true, false) ? "; high-rate calls are not in it" : "");
}

/* Why there is no estimate, or NULL. */
static const char *estimate(struct sample *s, const char *dir, unsigned long max, char why[256])
{
	_cleanup_client_ struct client *client = NULL;
	struct instance instance;

	if (!max)
		return "not asked for";
	if (dir ? instance_find(dir, &instance) < 0 : !instance_known(&instance))
		return "no local instance";
	if (client_open(&instance, &client, why) < 0 || take_sample(s, client, max, why) < 0)
		return why;
	return s->n ? NULL : "the local trail is empty";
}

static int check(const char *file, const char *dir, unsigned long max)
{
	_cleanup_selectors_ struct selectors *s = NULL;
	struct sample sample = { 0 };
	char why[SELECTORS_WHY_MAX];
	const char *none;

	if (selectors_load(file, &s, why) < 0) {
		complain("%s: %s", file, why);
		return EXIT_USAGE;
	}
	sample.selectors = s;
	sample.hits = calloc(s->n + 1, sizeof(*sample.hits));
	if (!sample.hits)
		return complain("out of memory");
	none = estimate(&sample, dir, max, why);
	for (unsigned i = 0; i < s->n; i++) {
		printf("selector %u", i + 1);
		if (s->v[i].name) {
			printf(": ");
			print_text(s->v[i].name, strlen(s->v[i].name));
		}
		printf("\n");
		for (unsigned k = 0; k < s->v[i].nconditions; k++)
			print_condition(&s->v[i].conditions[k]);
		print_captured(&s->v[i]);
		print_volume(&sample, i);
	}
	printf("all %u selectors together\n", s->n);
	printf("  hosttraild takes a changed file at SIGHUP, without losing an event\n");
	if (none)
		printf("  volume not estimated: %s\n", none);
	else
		print_volume(&sample, s->n);
	free(sample.hits);
	return EXIT_DONE;
}

static int run(const struct command *c, int argc, char **argv)
{
	const char *arg, *dir = NULL;
	unsigned long max = RECORDS_DEFAULT;
	int id, at;

	if (argc > 1 && !strcmp(argv[1], "check")) {
		argv++;
		argc--;
	} else if (argc > 1 && argv[1][0] != '-') {
		command_misused(c, "%s: no such command, only check", argv[1]);
	}
	while ((id = command_option(c, argc, argv, &arg, &at))) {
		if (id == 'n')
			max = (unsigned long)command_number(c, "--max", arg, 0, RECORDS_MAX);
		else if (id == 'd')
			dir = arg;
	}
	if (strcmp(argv[0], "check") || at + 1 != argc)
		command_misused(c, "want: check FILE");
	return check(argv[at], dir, max);
}

const struct command cmd_selectors = {
	.name = "selectors",
	.usage = "check [--max N] FILE",
	.summary = "explain event selectors: what they capture, where it is decided, how much it is",
	.details = "FILE holds CloudTrail's event selectors, advanced or basic, in JSON. Volume is estimated from the newest records of\n"
		   "the local trail, where there is one.",
	.opts = opts,
	.run = run,
};

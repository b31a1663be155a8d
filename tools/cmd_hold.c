/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail hold - legal holds: what must not be removed, whatever its age. */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "lib/clock.h"
#include "lib/cleanup.h"
#include "show.h"
#include "targets.h"

enum { OPT_START = OPT_LONG + 1, OPT_END, OPT_REASON, OPT_TARGET };

static const struct opt opts[] = {
	{ OPT_REASON, "reason", "TEXT", "why; place and release need one" },
	{ OPT_TARGET, "target", "NAME", "an event data store's name, id or ARN, or bucket:NAME (default: everything)" },
	{ OPT_START, "start", "TIME", "what happened or came from this time on: 2026-11-22T10:15:30Z, 2026-11-22" },
	{ OPT_END, "end", "TIME", "up to this time" },
	{ OPT_FORMAT_ID, "format", "FORMAT", "list: text or json (default: text)" },
	OPT_DIR,
	{ 0 },
};

struct hold {
	const struct command *c;
	const char *what, *name, *reason, *target, *start, *end, *format, *dir;
};

static void print_time(const char *label, struct json_object *o, const char *key)
{
	struct json_object *t = member_at(o, key);
	char iso[21];

	if (t)
		clock_iso((int64_t)json_object_get_double(t), iso);
	printf("%s%s", label, t ? iso : "-");
}

static void print_hold(struct json_object *o)
{
	_cleanup_buf_ struct buf reason = { 0 };
	const char *target = member_text(o, "Target"), *text = member_text(o, "Reason");

	show_escaped(&reason, text, strlen(text));
	printf("%-20s %s", member_text(o, "Name"), *target ? target : "everything");
	print_time("  from ", o, "StartTime");
	print_time(" to ", o, "EndTime");
	print_time("  placed ", o, "PlacedTime");
	printf(" by %s: %s\n", *member_text(o, "PlacedBy") ? member_text(o, "PlacedBy") : "-", buf_text(&reason));
}

static int list(const struct hold *h, struct client *client)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *holds;
	char why[256];

	if (client_call(client, HOSTTRAIL_OP("ListHolds"), NULL, &reply, why) < 0)
		return complain("%s", why);
	holds = member_at(reply, "Holds");
	if (h->format && !strcmp(h->format, "json")) {
		printf("%s\n", json_object_to_json_string_ext(holds, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		return EXIT_DONE;
	}
	for (size_t i = 0; holds && i < json_object_array_length(holds); i++)
		print_hold(json_object_array_get_idx(holds, i));
	return EXIT_DONE;
}

static void add_time(const struct hold *h, struct json_object *request, const char *key, const char *text)
{
	int64_t ns;

	if (!text)
		return;
	if (clock_parse(text, &ns) < 0)
		command_misused(h->c, "\"%s\" is not a time (2026-11-22T10:15:30Z, 2026-11-22 or seconds since 1970)", text);
	json_object_object_add(request, key, json_object_new_double((double)ns / 1e9));
}

static int change(const struct hold *h, struct client *client, bool place)
{
	_cleanup_json_ struct json_object *request = json_object_new_object(), *reply = NULL;
	char target[TARGET_TEXT], why[256];

	json_object_object_add(request, "Name", json_object_new_string(h->name));
	json_object_object_add(request, "Reason", json_object_new_string(h->reason));
	add_time(h, request, "StartTime", h->start);
	add_time(h, request, "EndTime", h->end);
	if (h->target) {
		if (target_find(client, h->target, target, why) < 0)
			return complain("%s", why);
		json_object_object_add(request, "Target", json_object_new_string(target));
	}
	return client_call(client, place ? HOSTTRAIL_OP("PlaceHold") : HOSTTRAIL_OP("ReleaseHold"), request, &reply, why) < 0 ? complain("%s", why) :
																EXIT_DONE;
}

static void options(struct hold *h, const struct command *c, int argc, char **argv)
{
	const char *arg;
	int id, at;

	if (argc > 1 && argv[1][0] != '-') {
		h->what = argv[1];
		argv++;
		argc--;
	}
	if (argc > 1 && argv[1][0] != '-') {
		h->name = argv[1];
		argv++;
		argc--;
	}
	while ((id = command_option(c, argc, argv, &arg, &at))) {
		const struct { int id; const char **to; } all[] = {
			{ OPT_REASON, &h->reason }, { OPT_TARGET, &h->target }, { OPT_START, &h->start }, { OPT_END, &h->end },
			{ OPT_FORMAT_ID, &h->format }, { 'd', &h->dir },
		};

		for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
			if (all[i].id == id)
				*all[i].to = arg;
	}
	if (at < argc && !h->name)
		h->name = argv[at++];
	if (at < argc || (h->format && strcmp(h->format, "text") && strcmp(h->format, "json")))
		command_misused(c, "want: list, place NAME --reason TEXT, or release NAME --reason TEXT");
}

static int run(const struct command *c, int argc, char **argv)
{
	_cleanup_client_ struct client *client = NULL;
	struct hold h = { .c = c, .what = "list" };
	struct instance instance;
	bool place, release;
	char why[256];

	options(&h, c, argc, argv);
	place = !strcmp(h.what, "place");
	release = !strcmp(h.what, "release");
	if ((!place && !release && (strcmp(h.what, "list") || h.name)) || ((place || release) && (!h.name || !h.reason)) ||
	    (!place && (h.target || h.start || h.end)))
		command_misused(c, "want: list, place NAME --reason TEXT [--target NAME] [--start TIME] [--end TIME], or release NAME --reason TEXT");
	if (instance_find(h.dir, &instance) < 0)
		return EXIT_FAILED;
	if (client_open(&instance, &client, why) < 0)
		return complain("%s", why);
	return place || release ? change(&h, client, place) : list(&h, client);
}

const struct command cmd_hold = {
	.name = "hold",
	.usage = "[list | place NAME --reason TEXT [--target NAME] [--start TIME] [--end TIME] | release NAME --reason TEXT]",
	.summary = "keep something from being removed, whatever its age",
	.details = "While a hold is on, nothing of what it covers is removed, and no event data store with one is deleted. Placing and releasing\n"
		   "are records of the trail, with the reason.",
	.opts = opts,
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail lookup - LookupEvents, page after page. */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "lib/clock.h"
#include "show.h"

enum { OPT_START = OPT_LONG + 1, OPT_END };
#define PAGE 50
#define RECORDS_MAX 100000000

static const struct opt opts[] = {
	{ 'a', "attribute", "KEY=VALUE", "only records that match; KEY: EventId EventName ReadOnly\n"
		"                           Username ResourceType ResourceName EventSource AccessKeyId" },
	{ OPT_START, "start", "TIME", "from this time on: 2026-11-22T10:15:30Z, 2026-11-22, or seconds since 1970" },
	{ OPT_END, "end", "TIME", "up to this time" },
	{ 'n', "max", "N", "at most N records (default 50, 0: all)" },
	OPT_FORMAT,
	OPT_DIR,
	{ 0 },
};

struct lookup {
	struct json_object *request;
	const char *dir, *format;
	long max;
};

static void add_attribute(const struct command *c, struct json_object *request, const char *text)
{
	const char *equals = strchr(text, '=');
	struct json_object *list, *one;

	if (!equals || equals == text)
		command_misused(c, "--attribute: want KEY=VALUE, not \"%s\"", text);
	if (json_object_object_get_ex(request, "LookupAttributes", &list))
		command_misused(c, "only one --attribute can be given, as in CloudTrail");
	list = json_object_new_array();
	one = json_object_new_object();
	json_object_object_add(one, "AttributeKey", json_object_new_string_len(text, (int)(equals - text)));
	json_object_object_add(one, "AttributeValue", json_object_new_string(equals + 1));
	json_object_array_add(list, one);
	json_object_object_add(request, "LookupAttributes", list);
}

static void add_time(const struct command *c, struct json_object *request, const char *key, const char *text)
{
	int64_t ns;

	if (clock_parse(text, &ns) < 0)
		command_misused(c, "\"%s\" is not a time (2026-11-22T10:15:30Z, 2026-11-22 or seconds since 1970)", text);
	json_object_object_add(request, key, json_object_new_double((double)ns / 1e9));
}

static int pages(struct lookup *l, struct client *client, struct show *show)
{
	long left = l->max ? l->max : RECORDS_MAX;
	char why[256];

	while (left > 0) {
		_cleanup_json_ struct json_object *reply = NULL;
		size_t n;
		int r;

		json_object_object_add(l->request, "MaxResults", json_object_new_int64(left < PAGE ? left : PAGE));
		if (client_call(client, CLOUDTRAIL_OP("LookupEvents"), l->request, &reply, why) < 0)
			return complain("%s", why);
		r = show_events(show, reply, &n);
		if (r < 0)
			return complain("cannot print: %s", strerror(-r));
		left -= (long)n;
		if (!*member_text(reply, "NextToken"))
			break;
		json_object_object_add(l->request, "NextToken", json_object_new_string(member_text(reply, "NextToken")));
	}
	return EXIT_DONE;
}

static void options(struct lookup *l, const struct command *c, int argc, char **argv)
{
	const char *arg;
	int id, at;

	while ((id = command_option(c, argc, argv, &arg, &at))) {
		if (id == 'a')
			add_attribute(c, l->request, arg);
		else if (id == OPT_START)
			add_time(c, l->request, "StartTime", arg);
		else if (id == OPT_END)
			add_time(c, l->request, "EndTime", arg);
		else if (id == 'n')
			l->max = command_number(c, "--max", arg, 0, RECORDS_MAX);
		else if (id == OPT_FORMAT_ID)
			l->format = arg;
		else if (id == 'd')
			l->dir = arg;
	}
	if (at < argc)
		command_misused(c, "%s: takes no arguments", argv[at]);
}

static int run(const struct command *c, int argc, char **argv)
{
	_cleanup_json_ struct json_object *request = json_object_new_object();
	_cleanup_client_ struct client *client = NULL;
	_cleanup_show_ struct show show = { 0 };
	struct lookup l = { .request = request, .max = PAGE };
	struct instance instance;
	char why[256];

	options(&l, c, argc, argv);
	if (show_init(&show, stdout, l.format) < 0)
		command_misused(c, "--format: json or compact, not \"%s\"", l.format);
	if (instance_find(l.dir, &instance) < 0)
		return EXIT_FAILED;
	if (client_open(&instance, &client, why) < 0)
		return complain("%s", why);
	return pages(&l, client, &show);
}

const struct command cmd_lookup = {
	.name = "lookup",
	.usage = "[--attribute KEY=VALUE] [--start TIME] [--end TIME] [--max N] [--format json|compact]",
	.summary = "print records that the store has, newest first",
	.opts = opts,
	.run = run,
};

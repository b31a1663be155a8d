/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail retention - how long what is kept: shown, set, locked. */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "lib/clock.h"
#include "lib/cleanup.h"
#include "targets.h"

enum { OPT_UNTIL = OPT_LONG + 1 };
#define DAYS_MIN 7
#define DAYS_MAX 3653

static const struct opt opts[] = {
	{ OPT_UNTIL, "until", "TIME", "lock: until then, as 2027-11-22 or 2027-11-22T10:15:30Z" },
	{ OPT_FORMAT_ID, "format", "FORMAT", "show: text or json (default: text)" },
	OPT_DIR,
	{ 0 },
};

/* ---- show */

static void print_time(const char *label, struct json_object *o, const char *key)
{
	struct json_object *t = member_at(o, key);
	char iso[21];

	if (!t)
		return;
	clock_iso((int64_t)json_object_get_double(t), iso);
	printf("%s%s", label, iso);
}

static void print_one(const char *what, struct json_object *o)
{
	struct json_object *days = member_at(o, "RetentionPeriod"), *locked = member_at(o, "MinimumDays");

	printf("%-16s %-24s ", what, member_text(o, "Name"));
	printf(days ? "%lld days" : "for ever", (long long)(days ? json_object_get_int64(days) : 0));
	if (locked)
		printf(", at least %lld", (long long)json_object_get_int64(locked));
	print_time(" until ", o, "LockedUntil");
	printf("%s\n", json_object_get_boolean(member_at(o, "Held")) ? ", held" : "");
}

static void print_list(const char *what, struct json_object *list)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		print_one(what, json_object_array_get_idx(list, i));
}

static int show(struct client *client, const char *format)
{
	_cleanup_json_ struct json_object *reply = NULL;
	double kept, wall;
	char why[256];

	if (client_call(client, HOSTTRAIL_OP("GetRetention"), NULL, &reply, why) < 0)
		return complain("%s", why);
	if (format && !strcmp(format, "json")) {
		printf("%s\n", json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		return EXIT_DONE;
	}
	print_list("event data store", member_at(reply, "EventDataStores"));
	print_list("bucket", member_at(reply, "Buckets"));
	kept = json_object_get_double(member_at(reply, "KeptTime"));
	wall = json_object_get_double(member_at(reply, "WallTime"));
	if (wall - kept > 60) {
		print_time("the clock that counts is behind the wall clock: it shows ", reply, "KeptTime");
		printf("\n");
	}
	return EXIT_DONE;
}

/* ---- set, lock */

static int set(const struct command *c, struct client *client, const char *name, long days)
{
	_cleanup_json_ struct json_object *request = json_object_new_object(), *reply = NULL;
	char target[TARGET_TEXT], why[256];

	if (!strncmp(name, "bucket:", 7))
		command_misused(c, "a bucket's retention_days stands in the store's settings, in its line of buckets");
	if (target_find(client, name, target, why) < 0)
		return complain("%s", why);
	json_object_object_add(request, "EventDataStore", json_object_new_string(target));
	json_object_object_add(request, "RetentionPeriod", json_object_new_int64(days));
	return client_call(client, CLOUDTRAIL_OP("UpdateEventDataStore"), request, &reply, why) < 0 ? complain("%s", why) : EXIT_DONE;
}

static int lock(struct client *client, const char *name, long days, int64_t until)
{
	_cleanup_json_ struct json_object *request = json_object_new_object(), *reply = NULL;
	char target[TARGET_TEXT], why[256];

	if (target_find(client, name, target, why) < 0)
		return complain("%s", why);
	json_object_object_add(request, "Target", json_object_new_string(target));
	json_object_object_add(request, "MinimumDays", json_object_new_int64(days));
	json_object_object_add(request, "Until", json_object_new_double((double)until / 1e9));
	return client_call(client, HOSTTRAIL_OP("LockRetention"), request, &reply, why) < 0 ? complain("%s", why) : EXIT_DONE;
}

/* ---- the command */

static int work(const struct command *c, int argc, char **argv, struct client *client, const char *until, const char *format)
{
	int64_t ns;

	if (argc == 1 && !strcmp(argv[0], "show"))
		return show(client, format);
	if (argc == 3 && !strcmp(argv[0], "set") && !until)
		return set(c, client, argv[1], command_number(c, "DAYS", argv[2], DAYS_MIN, DAYS_MAX));
	if (argc != 3 || strcmp(argv[0], "lock") || !until)
		command_misused(c, "want: show, set NAME DAYS, or lock --until TIME NAME DAYS");
	if (clock_parse(until, &ns) < 0)
		command_misused(c, "--until: \"%s\" is not a time (2027-11-22T10:15:30Z, 2027-11-22 or seconds since 1970)", until);
	return lock(client, argv[1], command_number(c, "DAYS", argv[2], DAYS_MIN, DAYS_MAX), ns);
}

static int run(const struct command *c, int argc, char **argv)
{
	const char *arg, *dir = NULL, *until = NULL, *format = NULL, *what = "show";
	_cleanup_client_ struct client *client = NULL;
	struct instance instance;
	char why[256], *words[3];
	int id, at, n = 0;

	/* the first word may stand before the options */
	if (argc > 1 && argv[1][0] != '-') {
		what = argv[1];
		argv++;
		argc--;
	}
	while ((id = command_option(c, argc, argv, &arg, &at)))
		*(id == OPT_UNTIL ? &until : id == OPT_FORMAT_ID ? &format : &dir) = arg;
	if (argc - at > 2 || (format && strcmp(format, "text") && strcmp(format, "json")))
		command_misused(c, "want: show [--format text|json], set NAME DAYS, or lock --until TIME NAME DAYS");
	words[n++] = (char *)what;
	while (at < argc)
		words[n++] = argv[at++];
	if (instance_find(dir, &instance) < 0)
		return EXIT_FAILED;
	if (client_open(&instance, &client, why) < 0)
		return complain("%s", why);
	return work(c, n, words, client, until, format);
}

const struct command cmd_retention = {
	.name = "retention",
	.usage = "[show [--format text|json] | set NAME DAYS | lock --until TIME NAME DAYS]",
	.summary = "show how long what is kept, set it, and lock a minimum",
	.details = "NAME is an event data store's name, id or ARN, or bucket:NAME (a local directory of the store's settings). What is\n"
		   "locked nobody can shorten until its time is over, whatever his rights.",
	.opts = opts,
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail status - what agent, forwarder and store of the local instance say of themselves. */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "lib/clock.h"
#include "show.h"
#include "up.h"

static const struct opt opts[] = { OPT_FORMAT, OPT_DIR, { 0 } };

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

/* The store tells times as the API does, in seconds since 1970. */
static void show_time(struct buf *b, double seconds)
{
	char text[21];

	clock_iso((int64_t)seconds, text);
	buf_add(b, text, strlen(text));
}

/* Nested values as dotted names, one a line, aligned. */
static void print_tree(const char *prefix, struct json_object *o)
{
	_cleanup_buf_ struct buf b = { 0 };
	char name[128];

	if (json_object_is_type(o, json_type_object)) {
		json_object_object_foreach(o, key, value) {
			snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key);
			print_tree(name, value);
		}
	} else if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(o); i++) {
			snprintf(name, sizeof(name), "%.100s[%zu]", prefix, i);
			print_tree(name, json_object_array_get_idx(o, i));
		}
	} else {
		if (json_object_is_type(o, json_type_double) && ends_with(prefix, "Time"))
			show_time(&b, json_object_get_double(o));
		else if (o)
			show_escaped(&b, json_object_get_string(o), strlen(json_object_get_string(o)));
		printf("  %-28s %s\n", prefix, b.n ? buf_text(&b) : "-");
	}
}

/* All features are for machines and `doctor`; people get those that are off. */
static void print_features(struct json_object *status)
{
	struct json_object *features = member_at(status, "features");

	if (!json_object_is_type(features, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(features); i++) {
		struct json_object *f = json_object_array_get_idx(features, i);

		if (!json_object_get_boolean(member_at(f, "on")))
			printf("  %-28s off: %s\n", member_text(f, "name"), member_text(f, "why"));
	}
	json_object_object_del(status, "features");
}

static int print_program(const char *name, struct json_object *status, const char *why, const struct show *show)
{
	const char *paint = !show->colour ? "" : status ? "\033[32m" : "\033[31m";

	if (show->format == SHOW_JSON) {
		_cleanup_json_ struct json_object *o = json_object_new_object();

		json_object_object_add(o, "name", json_object_new_string(name));
		json_object_object_add(o, "up", json_object_new_boolean(status != NULL));
		json_object_object_add(o, "status", json_object_get(status));
		if (!status)
			json_object_object_add(o, "why", json_object_new_string(why));
		printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		return !status;
	}
	printf("%s: %s%s%s%s%s\n", name, paint, status ? "up" : "down", show->colour ? "\033[0m" : "", status ? "" : ": ",
	       status ? "" : why);
	if (status) {
		print_features(status);
		print_tree("", status);
	}
	return !status;
}

static int local_program(const struct instance *i, const char *name, const struct show *show)
{
	_cleanup_json_ struct json_object *status = NULL;
	char socket[64];

	snprintf(socket, sizeof(socket), "%s.sock", name);
	status = up_status(i, socket);
	return print_program(name, status, "its status socket does not answer", show);
}

static int store(const struct instance *i, const struct show *show)
{
	_cleanup_client_ struct client *client = NULL;
	_cleanup_json_ struct json_object *status = NULL;
	char why[256] = "";
	int r;

	r = client_open(i, &client, why);
	if (r >= 0)
		r = client_call(client, HOSTTRAIL_OP("Status"), NULL, &status, why);
	return print_program("hosttrail-store", r < 0 ? NULL : status, why, show);
}

static int run(const struct command *c, int argc, char **argv)
{
	const char *arg, *dir = NULL, *format = NULL;
	struct instance instance;
	struct show show;
	int id, at, down;

	while ((id = command_option(c, argc, argv, &arg, &at))) {
		if (id == OPT_FORMAT_ID)
			format = arg;
		else if (id == 'd')
			dir = arg;
	}
	if (at < argc)
		command_misused(c, "%s: takes no arguments", argv[at]);
	if (show_init(&show, stdout, format) < 0)
		command_misused(c, "--format: json or compact, not \"%s\"", format);
	if (instance_find(dir, &instance) < 0)
		return EXIT_FAILED;
	down = local_program(&instance, "hosttraild", &show);
	down += local_program(&instance, "hosttrail-forward", &show);
	down += store(&instance, &show);
	return down ? EXIT_FAILED : EXIT_DONE;
}

const struct command cmd_status = {
	.name = "status",
	.usage = "[--format json|compact]",
	.summary = "say how agent, forwarder and store are doing",
	.details = "Exit status 1 if one of them is not up.",
	.opts = opts,
	.run = run,
};

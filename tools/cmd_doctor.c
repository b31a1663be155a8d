/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail doctor - what this kernel allows, which probes would be on, and why others would not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <json-c/json.h>

#include "agent/probes.h"
#include "client.h"
#include "command.h"
#include "show.h"

#define FEATURES_MAX 128

static const struct opt opts[] = { OPT_FORMAT, { 0 } };

static void print_compact(const struct probes_feature *f, bool colour)
{
	const char *state = f->on ? "on" : f->required ? "MISSING" : "off";
	const char *paint = !colour ? "" : f->on ? "\033[32m" : f->required ? "\033[31m" : "\033[2m";

	printf("%s%-8s%s%-34s %s\n", paint, state, colour ? "\033[0m" : "", f->name, f->on ? "" : f->why);
}

static void print_json(const struct probes_feature *f)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(f->name));
	json_object_object_add(o, "on", json_object_new_boolean(f->on));
	json_object_object_add(o, "required", json_object_new_boolean(f->required));
	json_object_object_add(o, "why", json_object_new_string(f->on ? "" : f->why));
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
}

static int survey(bool json, bool colour)
{
	static struct probes_feature features[FEATURES_MAX];
	unsigned n = 0, missing = 0;
	struct utsname u;
	int r;

	r = probes_survey(features, FEATURES_MAX, &n);
	if (r < 0)
		return complain("cannot ask the kernel: %s", strerror(-r));
	if (!json && !uname(&u))
		printf("kernel %s, %s\n", u.release, u.machine);
	for (unsigned i = 0; i < n; i++) {
		missing += features[i].required && !features[i].on;
		if (json)
			print_json(&features[i]);
		else
			print_compact(&features[i], colour);
	}
	return missing ? complain("%u thing%s that the agent needs %s missing", missing, missing > 1 ? "s" : "", missing > 1 ? "are" : "is")
		       : EXIT_DONE;
}

static int run(const struct command *c, int argc, char **argv)
{
	const char *arg, *format = NULL;
	struct show show;
	int id, at;

	while ((id = command_option(c, argc, argv, &arg, &at)))
		if (id == OPT_FORMAT_ID)
			format = arg;
	if (at < argc)
		command_misused(c, "%s: takes no arguments", argv[at]);
	if (show_init(&show, stdout, format) < 0)
		command_misused(c, "--format: json or compact, not \"%s\"", format);
	if (geteuid())
		return complain("doctor: must be root, because it asks the kernel by trial loads");
	return survey(show.format == SHOW_JSON, show.colour);
}

const struct command cmd_doctor = {
	.name = "doctor",
	.usage = "[--format json|compact]",
	.summary = "say what this kernel allows, which probes can be on, and why not",
	.details = "Nothing is attached. Exit status 1 if something that the agent cannot do without is missing.",
	.opts = opts,
	.run = run,
};

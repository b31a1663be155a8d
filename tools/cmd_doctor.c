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
#include "doctor_tls.h"
#include "show.h"
#include "up.h"

#define FEATURES_MAX 128

static const struct opt opts[] = { OPT_FORMAT, OPT_DIR, { 0 } };

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
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
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

static void print_check(const char *name, bool on, const char *why, bool json, bool colour)
{
	struct probes_feature f = { .name = name, .on = on };

	snprintf(f.why, sizeof(f.why), "%s", why);
	if (json)
		print_json(&f);
	else
		print_compact(&f, colour);
}

/* What the agent that runs here says of the hooks that it uses and of its self-test. Nothing, if none runs. */
static bool agent_well(const struct instance *i, bool json, bool colour)
{
	_cleanup_json_ struct json_object *status = up_status(i, "hosttraild.sock");
	struct json_object *hooks = member_at(status, "features"), *test = member_at(status, "self_test");
	bool failed = !strcmp(member_text(test, "state"), "failed");
	char name[96], why[160];

	if (!status)
		return true;
	if (!json)
		printf("agent of %s, process %lld\n", i->dir, (long long)json_object_get_int64(member_at(status, "pid")));
	for (size_t n = 0; hooks && n < json_object_array_length(hooks); n++) {
		struct json_object *h = json_object_array_get_idx(hooks, n);

		snprintf(name, sizeof(name), "agent: %.80s", member_text(h, "name"));
		print_check(name, json_object_get_boolean(member_at(h, "on")), member_text(h, "why"), json, colour);
	}
	snprintf(why, sizeof(why), "not recorded: %.140s", json_object_to_json_string(member_at(test, "missing")));
	print_check("agent: self-test", !failed, why, json, colour);
	return !failed;
}

static int run(const struct command *c, int argc, char **argv)
{
	const char *arg, *dir = NULL, *format = NULL;
	struct instance i;
	struct show show;
	int id, at, r;

	while ((id = command_option(c, argc, argv, &arg, &at)))
		if (id == OPT_FORMAT_ID)
			format = arg;
		else if (id == 'd')
			dir = arg;
	if (at < argc)
		command_misused(c, "%s: takes no arguments", argv[at]);
	if (show_init(&show, stdout, format) < 0)
		command_misused(c, "--format: json or compact, not \"%s\"", format);
	if (geteuid())
		return complain("doctor: must be root, because it asks the kernel by trial loads");
	if (dir && instance_find(dir, &i) < 0)
		return EXIT_FAILED;
	r = survey(show.format == SHOW_JSON, show.colour);
	if ((dir || instance_known(&i)) && !agent_well(&i, show.format == SHOW_JSON, show.colour))
		r = complain("calls of the agent's self-test were not recorded");
	id = doctor_tls(show.format == SHOW_JSON, show.colour);
	if (id < 0)
		r = complain("cannot look for TLS: %s", strerror(-id));
	return r;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.usage = "[--format json|compact] [--dir DIR]",
	.summary = "say what this kernel allows, which probes can be on, and why not",
	.details = "Nothing is attached. If an agent runs here, its hooks and its self-test follow; then the files in which TLS was\n"
		   "found, and the instructions that would be probed in each: those that the kernel emulates cost least, those that\n"
		   "it single-steps thirty times as much in a virtual machine; and the processes whose TLS is not recorded, because a\n"
		   "file of theirs cannot be probed. Exit status 1 if something that the agent cannot do\n"
		   "without is missing, or if calls of its self-test were not recorded.",
	.opts = opts,
	.run = run,
};

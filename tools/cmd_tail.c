/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail tail - prints records as they arrive at the store. */
#include "tail.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "command.h"
#include "show.h"

enum { OPT_OLDEST = OPT_LONG + 1 };
#define RETRIES 150	/* of 200 ms */

static const struct opt opts[] = {
	{ OPT_OLDEST, "oldest", NULL, "begin with the oldest record that the store has" },
	OPT_FORMAT,
	OPT_DIR,
	{ 0 },
};

static volatile sig_atomic_t stopping;

static void stop(int signal)
{
	(void)signal;
	stopping = 1;
}

/* One answer. *ret_n: how many records it had. */
static int step(struct client *client, struct show *show, struct json_object *request, double wait, size_t *ret_n, char why[256])
{
	_cleanup_json_ struct json_object *reply = NULL;
	int r;

	json_object_object_add(request, "MaxResults", json_object_new_int(1000));
	json_object_object_add(request, "WaitSeconds", json_object_new_double(wait));
	r = client_call(client, HOSTTRAIL_OP("Tail"), request, &reply, why);
	if (r < 0)
		return r;
	if (*member_text(reply, "Token"))
		json_object_object_add(request, "Token", json_object_new_string(member_text(reply, "Token")));
	r = show_events(show, reply, ret_n);
	if (r < 0)
		snprintf(why, 256, "cannot print: %s", strerror(-r));
	return r < 0 ? -EPIPE : 0;
}

/* The store is being restarted: what was printed last is known by the token, so nothing is lost by asking again. */
static bool worth_another_try(int r, unsigned *tries)
{
	static const struct timespec pause = { .tv_nsec = 200 * 1000 * 1000 };

	if (r >= 0)
		*tries = 0;
	if (r >= 0 || r == -EREMOTEIO || r == -EBADMSG || r == -EPIPE || stopping || ++*tries > RETRIES)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

int tail_follow(struct client *client, struct show *show, const char *from, char why[256])
{
	_cleanup_json_ struct json_object *request = json_object_new_object();
	struct sigaction action = { .sa_handler = stop, .sa_flags = SA_RESTART };
	unsigned tries = 0;
	size_t n = 1;
	int r = 0;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	json_object_object_add(request, "From", json_object_new_string(from));
	/* waits are short, so that a signal is obeyed soon; after it, what the store has already is printed yet */
	while (!r && !(stopping && !n))
		do
			r = step(client, show, request, stopping ? 0 : 0.5, &n, why);
		while (worth_another_try(r, &tries));
	return r;
}

static int run(const struct command *c, int argc, char **argv)
{
	_cleanup_client_ struct client *client = NULL;
	_cleanup_show_ struct show show = { 0 };
	const char *arg, *dir = NULL, *format = NULL, *from = "now";
	struct instance instance;
	char why[256];
	int id, at;

	while ((id = command_option(c, argc, argv, &arg, &at))) {
		if (id == OPT_OLDEST)
			from = "oldest";
		else if (id == OPT_FORMAT_ID)
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
	if (client_open(&instance, &client, why) < 0 || tail_follow(client, &show, from, why) < 0)
		return complain("%s", why);
	return EXIT_DONE;
}

const struct command cmd_tail = {
	.name = "tail",
	.usage = "[--oldest] [--format json|compact]",
	.summary = "print records as they arrive at the store, until Ctrl-C",
	.opts = opts,
	.run = run,
};

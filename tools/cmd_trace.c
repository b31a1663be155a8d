/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail trace - records one command's tree, without a daemon and beside any. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/api/api.h"
#include "agent/trace.h"
#include "command.h"
#include "lib/cleanup.h"
#include "show.h"

enum { OPT_NO_WAIT = OPT_LONG + 1, OPT_SELECTORS, OPT_NO_TLS, OPT_APIS, OPT_TLS_EXCLUDE, OPT_TLS_BROWSERS };

static const struct opt opts[] = {
	{ 'o', "output", "FILE", "write the records to FILE instead of standard output" },
	OPT_FORMAT,
	{ OPT_SELECTORS, "selectors", "FILE", "only the calls that the event selectors in FILE select" },
	{ OPT_APIS, "apis", "FILE", "rule files that say what HTTP calls mean, a file or a directory (default: " API_RULES_DIR ")" },
	{ OPT_NO_TLS, "no-tls", NULL, "system calls alone: no API calls inside TLS" },
	{ OPT_TLS_EXCLUDE, "tls-exclude", "PROGRAM", "no API calls of this program: its name or path, * is any text; can be repeated" },
	{ OPT_TLS_BROWSERS, "tls-browsers", NULL, "API calls of browsers, too, which are left out otherwise" },
	{ OPT_NO_WAIT, "no-wait", NULL, "end with CMD, not with the last process that it started" },
	{ 0 },
};

struct writer {
	struct show show;
	struct buf json;
	int error;
};

static int write_record(void *ctx, struct reader *reader, unsigned i)
{
	struct writer *w = ctx;

	buf_reset(&w->json);
	w->error = reader_json(reader, i, &w->json);
	if (!w->error)
		w->error = show_record(&w->show, (const char *)w->json.p, w->json.n);
	return w->error;
}

static void cleanup_file(FILE **f)
{
	if (*f && *f != stdout)
		fclose(*f);
}

/* Exit status as a shell would have it. */
static int status_of(int wait_status)
{
	return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

static int trace_to(FILE *out, const char *format, const struct command *c, const struct trace_options *o)
{
	struct writer w = { 0 };
	struct trace_result result = { 0 };
	char why[256] = "";
	int r;

	if (show_init(&w.show, out, format) < 0)
		command_misused(c, "--format: json or compact, not \"%s\"", format);
	r = trace_run(o, write_record, &w, &result, why);
	if (fflush(out) && !w.error)
		w.error = -EIO;
	show_free(&w.show);
	buf_free(&w.json);
	if (r < 0 || w.error)
		return complain("%s", r < 0 && *why ? why : strerror(-(w.error ? w.error : r)));
	if (result.not_boosted)
		fprintf(stderr, "hosttrail: cannot raise the reader's priority: %s\n", strerror(-result.not_boosted));
	if (*result.tls)
		fprintf(stderr, "hosttrail: API calls inside TLS are not recorded: %s\n", result.tls);
	fprintf(stderr, "hosttrail: %llu records, %llu lost\n", (unsigned long long)result.records,
		(unsigned long long)result.lost);
	return status_of(result.status);
}

static void leave_out(const struct command *c, struct optout_config *o, const char *program)
{
	if (o->programs.n == HT_OPTOUT_PATTERNS)
		command_misused(c, "--tls-exclude: more than %d times", HT_OPTOUT_PATTERNS);
	o->programs.v[o->programs.n++] = (char *)program;
}

static int run(const struct command *c, int argc, char **argv)
{
	char *programs[HT_OPTOUT_PATTERNS];
	struct optout_config optouts = { .programs = { programs, 0 } };
	_cleanup_(cleanup_file) FILE *out = NULL;
	const char *arg, *format = NULL, *path = NULL, *rules = NULL;
	char why[SELECTORS_WHY_MAX];
	struct trace_options o = { .optouts = &optouts };
	int id, at;

	while ((id = command_option(c, argc, argv, &arg, &at))) {
		if (id == 'o')
			path = arg;
		else if (id == OPT_FORMAT_ID)
			format = arg;
		else if (id == OPT_SELECTORS)
			rules = arg;
		else if (id == OPT_APIS)
			o.apis = arg;
		else if (id == OPT_TLS_EXCLUDE)
			leave_out(c, &optouts, arg);
		else if (id == OPT_TLS_BROWSERS)
			optouts.browsers = true;
		else if (id == OPT_NO_TLS)
			o.no_tls = true;
		else if (id == OPT_NO_WAIT)
			o.no_wait = true;
	}
	if (at >= argc)
		command_misused(c, "which command?");
	o.argv = argv + at;
	if (rules && selection_load(rules, &o.selection, why) < 0) {
		complain("%s", why);
		return 2;
	}
	out = path ? fopen(path, "we") : stdout;
	if (!out) {
		selection_free(&o.selection);
		return complain("%s: %s", path, strerror(errno));
	}
	return trace_to(out, format, c, &o);
}

const struct command cmd_trace = {
	.name = "trace",
	.usage = "[-o FILE] [--selectors FILE] [--format json|compact] [--apis FILE] [--no-tls] [--tls-exclude PROGRAM]... [--tls-browsers] [--no-wait] -- CMD [ARG...]",
	.summary = "run CMD and print a record for every call that it and its descendants make, API calls inside TLS among them",
	.details = "Nothing else on the host is recorded. The exit status is CMD's. The last line on standard error\n"
		   "is \"hosttrail: N records, N lost\".",
	.opts = opts,
	.run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(const struct command *c)
{
	printf("Usage: hosttrail %s %s\n\n%s.\n", c->name, c->usage, c->summary);
	if (c->details)
		printf("\n%s\n", c->details);
	printf("\nOptions:\n");
	for (const struct opt *o = c->opts; o->name; o++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->id < OPT_LONG ? "-" : " ", o->id < OPT_LONG ? o->id : ' ',
			 o->id < OPT_LONG ? ", " : "  ", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		printf("  %-24s %s\n", left, o->help);
	}
	printf("  %-24s %s\n", "-h, --help", "print this");
}

/* getopt_long's two tables, from ours. */
static void getopt_tables(const struct command *c, struct option longs[COMMAND_OPTS_MAX + 2], char shorts[COMMAND_OPTS_MAX * 2 + 8])
{
	size_t n = 0, at = 0;

	at += (size_t)sprintf(shorts, "+:h");
	for (const struct opt *o = c->opts; o->name && n < COMMAND_OPTS_MAX; o++) {
		longs[n++] = (struct option){ o->name, o->arg ? required_argument : no_argument, NULL, o->id };
		if (o->id < OPT_LONG)
			at += (size_t)sprintf(shorts + at, "%c%s", o->id, o->arg ? ":" : "");
	}
	longs[n++] = (struct option){ "help", no_argument, NULL, 'h' };
	longs[n] = (struct option){ 0 };
}

int command_option(const struct command *c, int argc, char **argv, const char **ret_arg, int *ret_at)
{
	struct option longs[COMMAND_OPTS_MAX + 2];
	char shorts[COMMAND_OPTS_MAX * 2 + 8];
	int id;

	getopt_tables(c, longs, shorts);
	opterr = 0;
	id = getopt_long(argc, argv, shorts, longs, NULL);
	if (id == 'h') {
		print_help(c);
		exit(EXIT_DONE);
	}
	if (id == ':')
		command_misused(c, "%s needs an argument", argv[optind - 1]);
	if (id == '?' && optopt && optopt < OPT_LONG && argv[optind - 1][1] != '-')
		command_misused(c, "unknown option -%c", optopt);
	if (id == '?')
		command_misused(c, "%s: unknown or wrongly used option", argv[optind - 1]);
	if (id == -1) {
		if (ret_at)
			*ret_at = optind;
		return 0;
	}
	*ret_arg = optarg;
	return id;
}

static void say(const char *name, const char *fmt, va_list ap, const char *end)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	fflush(stdout);
	fprintf(stderr, "hosttrail%s%s: %s%s\n", name ? " " : "", name ? name : "", text, end);
}

void command_misused(const struct command *c, const char *fmt, ...)
{
	char end[64];
	va_list ap;

	snprintf(end, sizeof(end), " (see: hosttrail %s --help)", c->name);
	va_start(ap, fmt);
	say(c->name, fmt, ap, end);
	va_end(ap);
	exit(EXIT_USAGE);
}

long command_number(const struct command *c, const char *what, const char *text, long min, long max)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || !*text || *end || v < min || v > max)
		command_misused(c, "%s: want a number from %ld to %ld, not \"%s\"", what, min, max, text);
	return v;
}

int complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(NULL, fmt, ap, "");
	va_end(ap);
	return EXIT_FAILED;
}

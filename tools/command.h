/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.h - what the commands of `hosttrail` share: a table row for each command, its options as a
 * table too (which parses them and prints --help), and one way to complain.
 *
 * Exit status of every command: 0 done, 1 failed, 2 wrong usage. One line on standard error says why.
 */
#ifndef HOSTTRAIL_TOOLS_COMMAND_H
#define HOSTTRAIL_TOOLS_COMMAND_H

#include <stddef.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define COMMAND_OPTS_MAX 16

struct opt {
	int id;			/* its letter (-o works too), or OPT_LONG + n: long form only */
	const char *name;
	const char *arg;	/* NULL: takes none */
	const char *help;
};
enum { OPT_LONG = 256 };
#define OPT_DIR { 'd', "dir", "DIR", "the instance's directory (default: $HOSTTRAIL_DIR, /var/lib/hosttrail, build/run)" }
#define OPT_FORMAT { OPT_LONG, "format", "FORMAT", "json (one record a line) or compact (default: compact on a terminal)" }
enum { OPT_FORMAT_ID = OPT_LONG };

struct command {
	const char *name;
	const char *usage;	/* what follows the name */
	const char *summary;	/* one line */
	const char *details;	/* NULL, or more text for --help */
	const struct opt *opts;	/* ends with a row whose name is NULL */
	int (*run)(const struct command *c, int argc, char **argv);	/* argv[0] is the command's name */
};

extern const struct command cmd_trace, cmd_up, cmd_lookup, cmd_tail, cmd_status, cmd_doctor, cmd_verify, cmd_selectors, cmd_apis,
	cmd_query, cmd_retention, cmd_hold;

/* Next option's id and argument, 0 after the last; then *ret_at (may be NULL) is the index of the first operand.
 * Options end at the first operand. Prints --help and ends the program with 0; for an unknown option ends it with 2. */
int command_option(const struct command *c, int argc, char **argv, const char **ret_arg, int *ret_at);
/* Ends the program with 2. */
void command_misused(const struct command *c, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
/* A whole number within [min, max], or ends the program with 2. */
long command_number(const struct command *c, const char *what, const char *text, long min, long max);

/* "hosttrail: text" on standard error. Returns EXIT_FAILED. */
int complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

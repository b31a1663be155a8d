/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail - the operator's command line. One command a file: cmd_<name>.c. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "lib/cleanup.h"
#include "lib/log.h"

static const struct command *const commands[] = {
	&cmd_trace, &cmd_up, &cmd_lookup, &cmd_query, &cmd_tail, &cmd_status, &cmd_doctor, &cmd_verify, &cmd_selectors, &cmd_apis,
	&cmd_retention, &cmd_hold,
};

static void print_help(void)
{
	printf("Usage: hosttrail COMMAND [OPTIONS]\n\nRecords what happens on this host as CloudTrail records, and answers questions about it.\n\n"
	       "Commands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	printf("\n`hosttrail COMMAND --help` tells more. `hosttrail --version` prints the version.\n");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	log_init("hosttrail", LOG_LEVEL_WARN);
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		print_help();
		return EXIT_DONE;
	}
	if (!strcmp(name, "--version")) {
		printf("hosttrail %s\n", HOSTTRAIL_VERSION);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i]->name))
			return commands[i]->run(commands[i], argc - 1, argv + 1);
	complain(*name ? "%s: no such command (see: hosttrail --help)" : "%swhat? (see: hosttrail --help)", name);
	return EXIT_USAGE;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>

#include "conf.h"

static void help_flag(const char *flag, const char *what)
{
	if (what)
		printf("  %-14s %s\n", flag, what);
}

static void help(const struct options_about *a)
{
	printf("usage: %s [--config FILE] [--check]%s%s\n\n%s\n\n"
	       "  --config FILE  settings (default %s)\n"
	       "  --check        read the settings, say what is wrong with them, and end\n",
	       a->program, a->dry_run ? " [--dry-run]" : "", a->rebuild ? " [--rebuild]" : "", a->what, a->config);
	help_flag("--dry-run", a->dry_run);
	help_flag("--rebuild", a->rebuild);
	printf("  --help         this text\n"
	       "  --version      say which version this is\n\nSettings:\n");
	conf_help(a->keys, a->nkeys, stdout);
}

int options_read(int argc, char **argv, const struct options_about *a, struct options *ret_o)
{
	const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },	    { "version", no_argument, NULL, 'v' },
		{ a->dry_run ? "dry-run" : a->rebuild ? "rebuild" : NULL, no_argument, NULL, a->dry_run ? 'n' : 'r' },
		{ 0 },
	};
	int id;

	*ret_o = (struct options){ .config = a->config };
	while ((id = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (id) {
		case 'c':
			ret_o->config = optarg;
			break;
		case 'k':
			ret_o->check = true;
			break;
		case 'n':
			ret_o->dry_run = true;
			break;
		case 'r':
			ret_o->rebuild = true;
			break;
		case 'h':
			help(a);
			return 0;
		case 'v':
			printf("%s " HOSTTRAIL_VERSION "\n", a->program);
			return 0;
		default:	/* getopt has said what is wrong */
			return 2;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "%s: %s: takes no arguments (see: %s --help)\n", a->program, argv[optind], a->program);
	return 2;
}

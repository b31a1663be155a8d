/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>

#include "conf.h"

static void help(const struct options_about *a)
{
	printf("usage: %s [--config FILE] [--check]%s\n\n%s\n\n"
	       "  --config FILE  settings (default %s)\n"
	       "  --check        read the settings, say what is wrong with them, and end\n"
	       "%s%s%s"
	       "  --help         this text\n"
	       "  --version      say which version this is\n\nSettings:\n",
	       a->program, a->dry_run ? " [--dry-run]" : "", a->what, a->config, a->dry_run ? "  --dry-run      " : "", a->dry_run ?: "", a->dry_run ? "\n" : "");
	conf_help(a->keys, a->nkeys, stdout);
}

int options_read(int argc, char **argv, const struct options_about *a, struct options *ret_o)
{
	const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },	    { "version", no_argument, NULL, 'v' },
		{ a->dry_run ? "dry-run" : NULL, no_argument, NULL, 'n' },
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

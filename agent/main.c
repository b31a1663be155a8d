// SPDX-License-Identifier: Apache-2.0
/* hosttraild - records what programs on this host do, into signed frames in a spool. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "lib/log.h"
#include "parent.h"

#define DEFAULT_CONFIG "/etc/hosttrail/hosttraild.yaml"

static void usage(void)
{
	printf("usage: hosttraild [--config FILE] [--check]\n"
	       "Records what programs on this host do. Needs root; keeps it in one of its three processes.\n\n"
	       "  --config FILE  configuration (default " DEFAULT_CONFIG ")\n"
	       "  --check        read the configuration, say what is wrong with it, and end\n"
	       "  --help, --version\n\n"
	       "Keys of the configuration:\n");
	conf_help(agent_keys, agent_nkeys, stdout);
}

static int run(const char *path, bool check)
{
	struct agent_config c;
	char why[CONF_WHY_MAX];
	int status = 0;

	if (agent_config_load(&c, path, why) < 0) {
		log_errx("%s", why);
		return 1;
	}
	log_setlevel((enum log_level)c.log_level);
	if (!check)
		status = parent_run(&c);
	agent_config_free(&c);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },	    { "version", no_argument, NULL, 'v' }, { 0 },
	};
	const char *path = DEFAULT_CONFIG;
	bool check = false;
	int o;

	if (argc == 5 && (!strcmp(argv[1], ROLE_WORKER) || !strcmp(argv[1], ROLE_RESOLVER)))
		return child_main(argv);
	log_init("hosttraild", LOG_LEVEL_INFO);
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			path = optarg;
			break;
		case 'k':
			check = true;
			break;
		case 'h':
			usage();
			return 0;
		case 'v':
			puts("hosttraild " HOSTTRAIL_VERSION);
			return 0;
		default:	/* getopt has said what is wrong */
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "hosttraild: %s: takes no arguments (see: hosttraild --help)\n", argv[optind]);
		return 2;
	}
	return run(path, check);
}

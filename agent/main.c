// SPDX-License-Identifier: Apache-2.0
/* hosttraild - records what programs on this host do, into signed frames in a spool. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "dryrun.h"
#include "lib/log.h"
#include "lib/options.h"
#include "parent.h"

#define CONFIG "/etc/hosttrail/hosttraild.yaml"

/* Whether to install this at all: that is asked before there are settings. */
static const char *settings(const struct options *o)
{
	if (!o->dry_run || strcmp(o->config, CONFIG) || !access(o->config, F_OK) || errno != ENOENT)
		return o->config;
	printf("no %s: with the defaults\n", o->config);
	return NULL;
}

static int run(const struct options *o)
{
	struct agent_config c;
	char why[CONF_WHY_MAX];
	int status = 0;

	if (agent_config_load(&c, settings(o), why) < 0) {
		log_errx("%s", why);
		return 1;
	}
	log_setlevel((enum log_level)c.log_level);
	if (o->dry_run)
		status = dryrun(&c, stdout);
	else if (!o->check)
		status = parent_run(&c);
	agent_config_free(&c);
	return status;
}

int main(int argc, char **argv)
{
	const struct options_about about = {
		.program = "hosttraild",
		.what = "Records what programs on this host do. Needs root; keeps it in one of its five processes.",
		.config = CONFIG,
		.keys = agent_keys,
		.nkeys = agent_nkeys,
		.dry_run = "say which files would be probed for API calls inside TLS, and end",
	};
	struct options o;
	int r;

	if (argc == 5 && (!strcmp(argv[1], ROLE_WORKER) || !strcmp(argv[1], ROLE_RESOLVER) || !strcmp(argv[1], ROLE_PROBER) ||
			  !strcmp(argv[1], ROLE_PLANNER)))
		return child_main(argv);
	r = options_read(argc, argv, &about, &o);
	if (r >= 0)
		return r;
	log_init(about.program, LOG_LEVEL_INFO);
	return run(&o);
}

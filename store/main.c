/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail-store - takes frames in, keeps them, answers questions about them. See README.md in this folder. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "config.h"
#include "lake/work.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/options.h"
#include "lib/privileges.h"
#include "setup.h"

#define PROGRAM "hosttrail-store"

/* ---- running */

/* Before any thread starts, so that all of them inherit it. */
static void block_signals(sigset_t *ret_set)
{
	sigemptyset(ret_set);
	sigaddset(ret_set, SIGTERM);
	sigaddset(ret_set, SIGINT);
	sigprocmask(SIG_BLOCK, ret_set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int wait_for_end(struct setup *s, const sigset_t *set)
{
	const struct timespec second = { .tv_sec = 1 };
	const char *failed;

	for (;;) {
		int sig = sigtimedwait(set, NULL, &second);

		if (sig > 0)
			return 0;
		failed = setup_round(s);
		if (failed) {
			log_errx("%s", failed);
			return -EIO;
		}
	}
}

static int run(const struct store_config *c)
{
	struct setup *s = NULL;
	sigset_t set;
	int r;

	block_signals(&set);
	umask(027);
	r = setup_secrets(c, &s);
	if (r < 0)
		return r;
	r = privileges_drop(c->user, c->group);	/* before a stranger's byte is read */
	if (r > 0)
		log_warnx("runs as root: set user in the settings");
	if (r < 0)
		log_err(r, "cannot become %s", c->user);
	else
		r = setup_start(s);
	if (!r)
		r = wait_for_end(s, &set);
	setup_stop(&s, r ? NULL : "signal");
	return r;
}

int main(int argc, char **argv)
{
	const struct options_about about = {
		.program = PROGRAM,
		.what = "Keeps the records that hosttrail-forward ships, and answers CloudTrail's API over them.",
		.config = "/etc/hosttrail/" PROGRAM ".yaml",
		.keys = store_keys,
		.nkeys = store_nkeys,
		.rebuild = "seal all segments of the lake anew, from the journal",
	};
	char why[CONF_WHY_MAX];
	struct options o;
	struct store_config c = { 0 };
	int r;

	if (argc > 1 && !strcmp(argv[1], WORK_MODE))
		return work_main(argc - 2, argv + 2);
	r = options_read(argc, argv, &about, &o);
	if (r >= 0)
		return r;
	log_init(PROGRAM, LOG_LEVEL_INFO);
	r = store_config_read(&c, o.config, why);
	if (r < 0)
		log_errx("%s", why);
	if (!r && !o.check) {
		log_setlevel((enum log_level)c.log_level);
		c.rebuild_lake = o.rebuild;
		r = run(&c);
	}
	conf_free(store_keys, store_nkeys, &c);
	return r < 0 ? 1 : 0;
}

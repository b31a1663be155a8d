/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail-store - takes frames in, keeps them, answers questions about them. See README.md in this folder. */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "config.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "setup.h"

#define PROGRAM "hosttrail-store"
#define CONFIG_FILE "/etc/hosttrail/hosttrail-store.yaml"
#define USAGE "usage: " PROGRAM " [--config FILE] [--check]\n"

struct options {
	const char *config;
	bool check;
};

/* ---- command line and settings */

static void help(void)
{
	printf(USAGE "\nKeeps the records that hosttrail-forward ships, and answers CloudTrail's API over them.\n\n"
		     "  --config FILE  settings (default " CONFIG_FILE ")\n"
		     "  --check        read the settings, say what is wrong with them, and end\n"
		     "  --help         this text\n"
		     "  --version      say which version this is\n\nSettings:\n");
	conf_help(store_keys, store_nkeys, stdout);
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },	    { "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	int id;

	while ((id = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (id) {
		case 'c':
			o->config = optarg;
			break;
		case 'k':
			o->check = true;
			break;
		case 'h':
			help();
			return 0;
		case 'v':
			printf(PROGRAM " " HOSTTRAIL_VERSION "\n");
			return 0;
		default:	/* getopt has said what is wrong */
			return 2;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, PROGRAM ": %s: takes no arguments (see: " PROGRAM " --help)\n", argv[optind]);
	return 2;
}

static int load(struct store_config *c, const char *path)
{
	char why[CONF_WHY_MAX];
	int r = conf_defaults(store_keys, store_nkeys, c);

	if (r < 0)
		return r;
	r = conf_load(store_keys, store_nkeys, c, path, why);
	if (r < 0) {
		log_errx("%s", why);
		return r;
	}
	r = store_config_check(c, why);
	if (r < 0)
		log_errx("%s: %s", path, why);
	return r;
}

/* ---- privileges */

static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *p;
	char *end;

	*ret_uid = (uid_t)strtoul(name, &end, 10);
	if (!*end)
		return 0;
	p = getpwnam(name);
	if (!p)
		return -ENOENT;
	*ret_uid = p->pw_uid;
	*ret_gid = p->pw_gid;
	return 0;
}

static int find_group(const char *name, gid_t *ret_gid)
{
	const struct group *g;
	char *end;

	*ret_gid = (gid_t)strtoul(name, &end, 10);
	if (!*end)
		return 0;
	g = getgrnam(name);
	if (!g)
		return -ENOENT;
	*ret_gid = g->gr_gid;
	return 0;
}

/* Started as root with a user to become: becomes it before a stranger's byte is read. */
static int drop_privileges(const struct store_config *c)
{
	uid_t uid = 0;
	gid_t gid = 0;
	int r;

	if (geteuid() != 0)
		return 0;
	if (!c->user || !*c->user) {
		log_warnx("runs as root: set user in the settings");
		return 0;
	}
	r = find_user(c->user, &uid, &gid);
	if (!r && c->group && *c->group)
		r = find_group(c->group, &gid);
	if (!r && (!uid || !gid))
		r = -EINVAL;
	if (r < 0)
		return r;
	if (setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	if (!setuid(0))
		return -EPERM;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

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
	r = drop_privileges(c);
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
	struct options o = { .config = CONFIG_FILE };
	struct store_config c = { 0 };
	int r = read_options(argc, argv, &o);

	if (r >= 0)
		return r;
	log_init(PROGRAM, LOG_LEVEL_INFO);
	r = load(&c, o.config);
	if (!r && !o.check) {
		log_setlevel((enum log_level)c.log_level);
		r = run(&c);
	}
	conf_free(store_keys, store_nkeys, &c);
	return r < 0 ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail-forward - ships what the agent spooled to the store. See README.md in this folder. */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include <openssl/ssl.h>

#include "config.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "ship.h"
#include "status.h"

#define PROGRAM "hosttrail-forward"
#define CONFIG_FILE "/etc/hosttrail/hosttrail-forward.yaml"
#define USAGE "usage: " PROGRAM " [--config FILE] [--check]\n"

struct options {
	const char *config;
	bool check;
};

/* ---- command line */

static void help(void)
{
	printf(USAGE "\nShips what hosttraild spooled to hosttrail-store.\n\n"
		     "  --config FILE  settings (default " CONFIG_FILE ")\n"
		     "  --check        read the settings, say what is wrong with them, and end\n"
		     "  --help         this text\n"
		     "  --version      say which version this is\n\nSettings:\n");
	conf_help(config_keys, config_nkeys, stdout);
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
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

static int load(struct config *c, const char *path)
{
	char why[CONF_WHY_MAX];
	int r = conf_defaults(config_keys, config_nkeys, c);

	if (r < 0)
		return r;
	r = conf_load(config_keys, config_nkeys, c, path, why);
	if (!r) {
		char fault[CONF_WHY_MAX - 64];

		r = config_check(c, why);
		snprintf(fault, sizeof(fault), "%.*s", (int)sizeof(fault) - 1, why);
		if (r < 0)
			snprintf(why, sizeof(why), "%.60s: %s", path, fault);
	}
	if (r < 0)
		log_errx("%s", why);
	return r;
}

/* ---- privileges */

static int find_ids(const struct config *c, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *p;
	const struct group *g;
	char *end;

	*ret_gid = (gid_t)-1;
	*ret_uid = (uid_t)strtoul(c->user, &end, 10);
	if (*end) {
		p = getpwnam(c->user);
		if (!p)
			return -ENOENT;
		*ret_uid = p->pw_uid;
		*ret_gid = p->pw_gid;
	}
	if (c->group && *c->group) {
		*ret_gid = (gid_t)strtoul(c->group, &end, 10);
		if (*end) {
			g = getgrnam(c->group);
			if (!g)
				return -ENOENT;
			*ret_gid = g->gr_gid;
		}
	}
	return *ret_gid == (gid_t)-1 || !*ret_uid || !*ret_gid ? -EINVAL : 0;
}

/* Started as root with a user to become: becomes it before a byte is read or sent. */
static int drop_privileges(const struct config *c)
{
	uid_t uid;
	gid_t gid;
	int r;

	if (geteuid() != 0)
		return 0;
	if (!c->user || !*c->user) {
		log_warnx("runs as root: set user in the settings");
		return 0;
	}
	r = find_ids(c, &uid, &gid);
	if (r < 0)
		return r;
	if (setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	if (!setuid(0))
		return -EPERM;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* ---- running */

static volatile bool stopping;

static void on_signal(void *ctx, uint32_t events)
{
	stopping = true;
}

static int watch_signals(struct loop *loop, struct loop_source *source)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	*source = (struct loop_source){ on_signal, NULL };
	return loop_add(loop, fd, EPOLLIN, source);
}

static int run(const struct config *c, SSL_CTX *tls)
{
	struct loop_source signals;
	struct status status;
	struct ship ship = { 0 };
	struct loop loop;
	int r = loop_init(&loop);

	if (!r)
		r = watch_signals(&loop, &signals);
	if (!r)
		r = ship_init(&ship, c, &loop, tls);
	if (r < 0) {
		log_err(r, "cannot start");
		return r;
	}
	r = status_open(&status, &loop, &ship, c->status_socket);
	if (r < 0)
		log_err(r, "status socket %s", c->status_socket);
	while (!r && !stopping)
		r = loop_turn(&loop, ship_tick(&ship));
	status_close(&status);
	ship_close(&ship);
	loop_close(&loop);
	return r;
}

int main(int argc, char **argv)
{
	struct options o = { .config = CONFIG_FILE };
	struct config c = { 0 };
	SSL_CTX *tls = NULL;
	char why[256];
	int r = read_options(argc, argv, &o);

	if (r >= 0)
		return r;
	log_init(PROGRAM, LOG_LEVEL_INFO);
	r = load(&c, o.config);
	if (!r && !o.check) {
		log_setlevel((enum log_level)c.log_level);
		r = drop_privileges(&c);
		if (r < 0)
			log_err(r, "cannot become %s", c.user);
		if (!r) {
			r = link_tls_new(c.ca, c.cert, c.key, &tls, why);
			if (r < 0)
				log_errx("%s", why);
		}
		if (!r)
			r = run(&c, tls);
	}
	SSL_CTX_free(tls);
	conf_free(config_keys, config_nkeys, &c);
	return r < 0 ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail-forward - ships what the agent spooled to the store. See README.md in this folder. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <openssl/ssl.h>

#include "config.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/options.h"
#include "lib/privileges.h"
#include "ship.h"
#include "status.h"

#define PROGRAM "hosttrail-forward"

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

static int ship_until_end(const struct config *c, SSL_CTX *tls)
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

static int run(const struct config *c)
{
	SSL_CTX *tls = NULL;
	char why[256];
	int r = privileges_drop(c->user, c->group);	/* before a byte is read or sent */

	if (r < 0) {
		log_err(r, "cannot become %s", c->user);
		return r;
	}
	if (r)
		log_warnx("runs as root: set user in the settings");
	r = link_tls_new(c->ca, c->cert, c->key, &tls, why);
	if (r < 0)
		log_errx("%s", why);
	else
		r = ship_until_end(c, tls);
	SSL_CTX_free(tls);
	return r;
}

int main(int argc, char **argv)
{
	const struct options_about about = {
		.program = PROGRAM,
		.what = "Ships what hosttraild spooled to hosttrail-store.",
		.config = "/etc/hosttrail/" PROGRAM ".yaml",
		.keys = config_keys,
		.nkeys = config_nkeys,
	};
	char why[CONF_WHY_MAX];
	struct options o;
	struct config c = { 0 };
	int r = options_read(argc, argv, &about, &o);

	if (r >= 0)
		return r;
	log_init(PROGRAM, LOG_LEVEL_INFO);
	r = config_read(&c, o.config, why);
	if (r < 0)
		log_errx("%s", why);
	if (!r && !o.check) {
		log_setlevel((enum log_level)c.log_level);
		r = run(&c);
	}
	conf_free(config_keys, config_nkeys, &c);
	return r < 0 ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail up - store, forwarder and agent on this host, until Ctrl-C or until a command ends. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "tail.h"
#include "up.h"

enum { OPT_SCOPE = OPT_LONG + 1, OPT_SELECTORS, OPT_API, OPT_INGEST };
enum { READY_SECONDS = 30, STOP_SECONDS = 20, DRAIN_MS = 15000 };

static const struct opt opts[] = {
	{ OPT_SCOPE, "scope", "SCOPE", "host (default), tree (only CMD and its descendants), or \"cgroup PATH\"" },
	{ OPT_SELECTORS, "selectors", "WHICH", "which calls: all, default (management, network, file changes, sensitive files), or a file of event\n"
	  "selectors; of a tree all, else default" },
	{ OPT_API, "api", "ADDR:PORT", "the API's address (default 127.0.0.1:7480; port 0: any)" },
	{ OPT_INGEST, "ingest", "ADDR:PORT", "where the store takes frames (default 127.0.0.1:7481; port 0: any)" },
	{ 'q', "quiet", NULL, "do not print the live trail" },
	OPT_FORMAT,
	OPT_DIR,
	{ 0 },
};

struct up {
	struct up_options options;
	struct instance instance;
	const char *format;
	char *const *argv;		/* tree scope: CMD */
	bool quiet, tls;		/* tls: the store's API speaks it */
	struct child store, forward, agent;
	struct gate gate;
	pid_t tail;
	int signals, lock;
	int command_status;		/* wait status, once command_ended */
	bool command_ended, stopping;
};

static void child_init(struct up *u, struct child *c, const char *name, const char *config, const char *ready)
{
	*c = (struct child){ .instance = &u->instance, .name = name, .config = config, .ready = ready };
}

/* Only one `up` for a directory at a time. */
static int take_lock(struct up *u)
{
	char path[PATH_MAX];

	instance_path(&u->instance, "run/up.lock", path);
	u->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (u->lock < 0 || flock(u->lock, LOCK_EX | LOCK_NB) < 0) {
		complain("%s: %s", u->instance.dir, errno == EWOULDBLOCK ? "another `hosttrail up` uses it" : strerror(errno));
		return -EBUSY;
	}
	return 0;
}

static int start_one(struct child *c)
{
	int r = child_start(c);

	if (r < 0) {
		complain("cannot start %s: %s", c->name, strerror(-r));
		return r;
	}
	return child_wait_ready(c, READY_SECONDS);
}

/* Port 0 is for the first start only: a restarted store must be found where it was. */
static int fix_ports(struct up *u, struct instance_ports *ports)
{
	static char api[64], ingest[64];
	int r = instance_ports(&u->instance, ports);

	if (r < 0)
		return complain("%s/store/ports: %s", u->instance.dir, strerror(-r)), r;
	snprintf(api, sizeof(api), "%.*s:%u", (int)(strrchr(u->options.api_listen, ':') - u->options.api_listen),
		 u->options.api_listen, ports->api);
	snprintf(ingest, sizeof(ingest), "%.*s:%u", (int)(strrchr(u->options.ingest_listen, ':') - u->options.ingest_listen),
		 u->options.ingest_listen, ports->ingest);
	u->tls = ports->tls;
	u->options.api_listen = api;
	u->options.ingest_listen = ingest;
	return up_config_store(&u->instance, &u->options);
}

static int start_programs(struct up *u, const sigset_t *mask)
{
	struct instance_ports ports;
	int r;

	r = up_config_store(&u->instance, &u->options);
	if (r >= 0)
		r = start_one(&u->store);
	if (r >= 0)
		r = fix_ports(u, &ports);
	if (r >= 0)
		r = up_config_forward(&u->instance, ports.ingest);
	if (r >= 0)
		r = start_one(&u->forward);
	if (r >= 0 && u->argv)
		r = gate_start(&u->gate, u->argv, mask);
	if (r >= 0)
		r = up_config_agent(&u->instance, &u->options, u->gate.pid);
	if (r >= 0)
		r = start_one(&u->agent);
	return r;
}

static void print_how_to_ask(const struct up *u)
{
	printf("  recording     %s\n", u->argv ? "the command and its descendants" : u->options.scope);
	printf("  ask           AWS_SHARED_CREDENTIALS_FILE=%s/credentials \\\n"
	       "                aws cloudtrail lookup-events --endpoint-url %s://%s --region %s\n",
	       u->instance.dir, u->tls ? "https" : "http", u->options.api_listen, u->options.region);
	if (u->tls)
		printf("                (with AWS_CA_BUNDLE=%s/pki/ca.crt)\n", u->instance.dir);
	printf("  or            %s lookup --dir %s      (also: tail, status, verify)\n", child_program("hosttrail"), u->instance.dir);
	printf("  stop          %s\n\n", u->argv ? "by itself, when the command ends" : "Ctrl-C");
	fflush(stdout);
}

/* The live trail, printed by a child, so that a slow terminal holds up nothing else. With a command it goes to
 * standard error, out of the way of the command's own output. */
static void start_tail(struct up *u)
{
	struct client *client = NULL;
	struct show show;
	char why[256] = "";
	sigset_t none;

	fflush(NULL);
	u->tail = fork();
	if (u->tail)
		return;
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGTTOU, SIG_IGN);
	sigemptyset(&none);
	show_init(&show, u->argv ? stderr : stdout, u->format);
	if (client_open(&u->instance, &client, why) < 0)
		_exit(complain("%s", why));
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (tail_follow(client, &show, "now", why) < 0)
		complain("live trail: %s", why);
	_exit(0);
}

static void reap(struct up *u)
{
	int status;

	child_reap(&u->store);
	child_reap(&u->forward);
	child_reap(&u->agent);
	if (u->tail > 0 && waitpid(u->tail, &status, WNOHANG) == u->tail)
		u->tail = 0;
	if (u->gate.pid && !u->command_ended && waitpid(u->gate.pid, &status, WNOHANG) == u->gate.pid) {
		u->command_ended = true;
		u->command_status = status;
	}
}

/* A terminal sends Ctrl-C to the command as well, which may have a mind of its own about it (a shell has). */
static void interrupted(struct up *u, const struct signalfd_siginfo *s)
{
	if (!u->argv)
		u->stopping = true;
	else if (s->ssi_code != SI_KERNEL)
		kill(u->gate.pid, (int)s->ssi_signo);
}

static void watch(struct up *u)
{
	struct child *const children[] = { &u->store, &u->forward, &u->agent };
	struct pollfd p = { .fd = u->signals, .events = POLLIN };
	struct signalfd_siginfo s;

	while (!u->stopping && !u->command_ended) {
		int timeout = -1;

		for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
			int ms = child_tend(children[i]);

			if (ms >= 0 && (timeout < 0 || ms < timeout))
				timeout = ms;
		}
		if (poll(&p, 1, timeout) <= 0 || read(u->signals, &s, sizeof(s)) != sizeof(s))
			continue;
		if (s.ssi_signo == SIGCHLD)
			reap(u);
		else
			interrupted(u, &s);
	}
}

/* Until the forwarder has shipped all that is in the spool. */
static bool drained(const struct up *u)
{
	_cleanup_json_ struct json_object *status = up_status(&u->instance, "hosttrail-forward.sock");
	struct json_object *lag = member_at(status, "lag");
	int64_t left = 0;

	if (!json_object_is_type(lag, json_type_object))
		return !u->forward.pid;
	json_object_object_foreach(lag, chain, frames) {
		(void)chain;
		left += json_object_get_int64(frames);
	}
	return !left;
}

static void drain(struct up *u)
{
	uint64_t until = clock_boot() + DRAIN_MS * NS_PER_MS;

	while (!drained(u) && clock_boot() < until)
		usleep(20000);
}

static void stop_tail(struct up *u)
{
	int status;

	if (u->tail <= 0)
		return;
	kill(u->tail, SIGTERM);
	if (!child_ended_within(u->tail, 5000, &status)) {
		kill(u->tail, SIGKILL);
		child_ended_within(u->tail, 5000, &status);
	}
	u->tail = 0;
}

static void end_command(struct up *u)
{
	if (!u->gate.pid || u->command_ended)
		return;
	kill(u->gate.pid, SIGTERM);
	u->command_ended = child_ended_within(u->gate.pid, 5000, &u->command_status);
	if (!u->command_ended) {
		kill(u->gate.pid, SIGKILL);
		u->command_ended = child_ended_within(u->gate.pid, 5000, &u->command_status);
	}
}

/* In the order of a record's way, so that what was recorded arrives. */
static void stop_all(struct up *u)
{
	end_command(u);
	child_stop(&u->agent, STOP_SECONDS);
	if (u->forward.pid)
		drain(u);
	child_stop(&u->forward, STOP_SECONDS);
	stop_tail(u);
	child_stop(&u->store, STOP_SECONDS);
	up_remove_pins(&u->instance);
}

static int run_up(struct up *u, const sigset_t *mask)
{
	int r;

	r = start_programs(u, mask);
	if (r >= 0)
		r = up_selftest(&u->instance, u->options.scope, u->argv ? &u->gate : NULL);
	if (r >= 0) {
		print_how_to_ask(u);
		if (!u->quiet)
			start_tail(u);
		if (u->argv)
			r = gate_open(&u->gate);
	}
	if (r >= 0)
		watch(u);
	stop_all(u);
	if (r < 0)
		return EXIT_FAILED;
	if (!u->command_ended)
		return EXIT_DONE;
	return WIFEXITED(u->command_status) ? WEXITSTATUS(u->command_status) : 128 + WTERMSIG(u->command_status);
}

static void options(struct up *u, const struct command *c, int argc, char **argv)
{
	static char *shell[] = { NULL, NULL };
	const char *arg;
	int id, at;

	while ((id = command_option(c, argc, argv, &arg, &at))) {
		if (id == OPT_SCOPE)
			u->options.scope = arg;
		else if (id == OPT_SELECTORS)
			u->options.selectors = arg;
		else if (id == OPT_API)
			u->options.api_listen = arg;
		else if (id == OPT_INGEST)
			u->options.ingest_listen = arg;
		else if (id == 'q')
			u->quiet = true;
		else if (id == OPT_FORMAT_ID)
			u->format = arg;
		else if (id == 'd')
			u->options.dir = arg;
	}
	if (strcmp(u->options.scope, "tree")) {
		if (at < argc)
			command_misused(c, "a command goes with --scope tree");
		return;
	}
	u->argv = argv + at;
	if (at < argc)
		return;
	if (!isatty(STDIN_FILENO))
		command_misused(c, "--scope tree: which command?");
	/* a shell of one's own: the trail would be in its way */
	shell[0] = getenv("SHELL") ? getenv("SHELL") : (char *)"/bin/sh";
	u->argv = shell;
	u->quiet = true;
}

static void check_options(struct up *u, const struct command *c)
{
	struct show show;

	if (!strrchr(u->options.api_listen, ':') || !strrchr(u->options.ingest_listen, ':'))
		command_misused(c, "an address is ADDR:PORT");
	if (strcmp(u->options.scope, "tree") && strcmp(u->options.scope, "host") && strncmp(u->options.scope, "cgroup /", 8))
		command_misused(c, "--scope: host, tree or \"cgroup PATH\", not \"%s\"", u->options.scope);
	if (show_init(&show, stdout, u->format) < 0)
		command_misused(c, "--format: json or compact, not \"%s\"", u->format);
}

/* A file by its absolute path. Who asks for one command's tree wants to see what it does. */
static int find_selectors(struct up *u)
{
	static char path[PATH_MAX];
	const char **which = &u->options.selectors;

	if (!*which)
		*which = strcmp(u->options.scope, "tree") ? "default" : "all";
	if (!strcmp(*which, "all") || !strcmp(*which, "default"))
		return 0;
	if (!realpath(*which, path)) {
		complain("%s: %m", *which);
		return -ENOENT;
	}
	*which = path;
	return 0;
}

static int run(const struct command *c, int argc, char **argv)
{
	static struct up u = { .signals = -1, .lock = -1, .gate.fd = -1 };
	const char *dir = getenv("HOSTTRAIL_DIR");
	sigset_t ours, before;

	u.options = (struct up_options){ .dir = dir ? dir : "/var/lib/hosttrail", .api_listen = "127.0.0.1:7480",
		.ingest_listen = "127.0.0.1:7481", .scope = "host", .region = "local", .account = "000000000000" };
	options(&u, c, argc, argv);
	check_options(&u, c);
	if (geteuid())
		return complain("up: must be root");
	if (up_setup(&u.options, &u.instance) < 0 || take_lock(&u) < 0)
		return EXIT_FAILED;
	if (find_selectors(&u) < 0)
		return EXIT_FAILED;
	child_init(&u, &u.store, "hosttrail-store", "etc/hosttrail-store.yaml", "store/ports");
	child_init(&u, &u.forward, "hosttrail-forward", "etc/hosttrail-forward.yaml", "run/hosttrail-forward.sock");
	child_init(&u, &u.agent, "hosttraild", "etc/hosttraild.yaml", "run/hosttraild.sock");
	child_end_leftover(&u.agent);
	child_end_leftover(&u.forward);
	child_end_leftover(&u.store);
	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ours, &before);
	u.signals = signalfd(-1, &ours, SFD_CLOEXEC);
	if (u.signals < 0)
		return complain("signalfd: %m");
	return run_up(&u, &before);
}

const struct command cmd_up = {
	.name = "up",
	.usage = "[--dir DIR] [--scope host|tree|cgroup PATH] [--selectors all|default|FILE] [-- CMD [ARG...]]",
	.summary = "start store, forwarder and agent on this host and print the live trail",
	.details = "Makes DIR with keys, certificates, credentials and configuration if it is not there, starts the three programs,\n"
		   "watches over them, and tests that a call made now is found in the trail. Ctrl-C stops everything in order and\n"
		   "leaves nothing in the kernel. With --scope tree only CMD's tree is recorded; it ends with CMD, whose exit\n"
		   "status it has. Without CMD, on a terminal, it opens your shell.",
	.opts = opts,
	.run = run,
};

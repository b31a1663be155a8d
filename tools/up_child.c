/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "command.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "show.h"
#include "up.h"

#define BACKOFF_MIN_MS 100u
#define BACKOFF_MAX_MS 10000u
#define HEALTHY_NS (30 * NS_PER_SEC)
#define LOG_TAIL 2048
#define DISK_LITTLE (1u << 20)

static void sleep_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

const char *child_program(const char *name)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);
	char *slash;

	if (n < 0)
		return name;
	path[n] = 0;
	slash = strrchr(path, '/');
	snprintf(slash + 1, 63, "%s", name);
	return path;
}

static void pid_path(const struct child *c, char ret[PATH_MAX])
{
	char rest[64];

	snprintf(rest, sizeof(rest), "run/%s.pid", c->name);
	instance_path(c->instance, rest, ret);
}

static void remember_pid(const struct child *c)
{
	char path[PATH_MAX], text[16];

	pid_path(c, path);
	snprintf(text, sizeof(text), "%d\n", (int)c->pid);
	fsx_replace(path, text, strlen(text), 0644);
}

static void forget_pid(const struct child *c)
{
	char path[PATH_MAX];

	pid_path(c, path);
	unlink(path);
}

/* Is pid still the program that was started under it? Pids are used again. */
static bool is_program(pid_t pid, const char *name)
{
	char path[64], exe[PATH_MAX];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n <= 0)
		return false;
	exe[n] = 0;
	base = strrchr(exe, '/');
	return base && !strncmp(base + 1, name, strlen(name)) && (!base[1 + strlen(name)] || base[1 + strlen(name)] == ' ');
}

void child_end_leftover(const struct child *c)
{
	_cleanup_buf_ struct buf b = { 0 };
	char path[PATH_MAX];
	pid_t pid;

	pid_path(c, path);
	pid = fsx_read(path, 64, &b) == 0 ? (pid_t)atoi(buf_text(&b)) : 0;
	if (pid > 1 && is_program(pid, c->name)) {
		complain("ending %s (%d), which an earlier `up` left running", c->name, (int)pid);
		kill(pid, SIGTERM);
		for (unsigned n = 0; n < 100 && is_program(pid, c->name); n++)
			sleep_ms(100);
		if (is_program(pid, c->name))
			kill(pid, SIGKILL);
	}
	forget_pid(c);
}

/* In the child: its own process group (Ctrl-C is for `up`, which stops all in order), output to its log. */
static void become(const struct child *c, const char *config, int log)
{
	const char *program = child_program(c->name);
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0 && !chdir("/"))
		execl(program, c->name, "--config", config, (char *)NULL);
	dprintf(STDERR_FILENO, "%s: %m\n", program);
	_exit(127);
}

static int open_log(const struct child *c)
{
	char path[PATH_MAX], rest[64];
	int fd;

	snprintf(rest, sizeof(rest), "log/%s.log", c->name);
	instance_path(c->instance, rest, path);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

int child_start(struct child *c)
{
	_cleanup_close_ int log = open_log(c);
	char config[PATH_MAX], ready[PATH_MAX];

	if (log < 0)
		return log;
	instance_path(c->instance, c->config, config);
	instance_path(c->instance, c->ready, ready);
	unlink(ready);
	fflush(NULL);
	c->log_from = (size_t)lseek(log, 0, SEEK_END);
	c->started = clock_boot();
	c->again = 0;
	c->pid = fork();
	if (c->pid < 0) {
		c->pid = 0;
		return -errno;
	}
	if (!c->pid)
		become(c, config, log);
	c->wanted = true;
	remember_pid(c);
	return 0;
}

/* The last lines of its log, for whoever waits in vain. */
static void print_log_end(const struct child *c)
{
	_cleanup_buf_ struct buf b = { 0 };
	char path[PATH_MAX], rest[64];
	size_t from;

	snprintf(rest, sizeof(rest), "log/%s.log", c->name);
	instance_path(c->instance, rest, path);
	if (fsx_read(path, 64u << 20, &b) < 0 || !b.n)
		return;
	from = b.n > LOG_TAIL ? b.n - LOG_TAIL : 0;
	if (from < c->log_from && c->log_from < b.n)
		from = c->log_from;
	while (from && from < b.n && b.p[from - 1] != '\n')
		from++;
	fprintf(stderr, "--- end of %s\n%.*s---\n", path, (int)(b.n - from), (const char *)b.p + from);
}

/* On a full disk its log may not say so. */
static void disk_left(const struct child *c, char ret_text[80])
{
	struct statvfs v;
	unsigned long long free_bytes;

	ret_text[0] = 0;
	if (statvfs(c->instance->dir, &v) < 0)
		return;
	free_bytes = (unsigned long long)v.f_bavail * v.f_frsize;
	if (free_bytes < DISK_LITTLE)
		snprintf(ret_text, 80, ": its disk is full (%llu KiB are left)", free_bytes / 1024);
}

int child_wait_ready(struct child *c, unsigned seconds)
{
	uint64_t until = clock_boot() + seconds * NS_PER_SEC;
	char path[PATH_MAX], left[80];
	int status;

	instance_path(c->instance, c->ready, path);
	while (clock_boot() < until) {
		if (!access(path, F_OK))
			return 0;
		if (waitpid(c->pid, &status, WNOHANG) == c->pid) {
			c->pid = 0;
			forget_pid(c);
			disk_left(c, left);
			complain("%s ended before it was ready%s", c->name, left);
			print_log_end(c);
			return -ECHILD;
		}
		sleep_ms(10);
	}
	complain("%s is not ready after %u s", c->name, seconds);
	print_log_end(c);
	return -ETIMEDOUT;
}

void child_reap(struct child *c)
{
	unsigned wait = BACKOFF_MIN_MS;
	int status;

	if (!c->pid || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return;
	c->pid = 0;
	forget_pid(c);
	if (!c->wanted)
		return;
	c->deaths = clock_boot() - c->started > HEALTHY_NS ? 1 : c->deaths + 1;
	for (unsigned n = 1; n < c->deaths && wait < BACKOFF_MAX_MS; n++)
		wait *= 2;
	if (wait > BACKOFF_MAX_MS)
		wait = BACKOFF_MAX_MS;
	c->again = clock_boot() + wait * NS_PER_MS;
	if (WIFSIGNALED(status))
		complain("%s was killed by signal %d; it is started again in %u ms", c->name, WTERMSIG(status), wait);
	else
		complain("%s ended with status %d; it is started again in %u ms", c->name, WEXITSTATUS(status), wait);
}

int child_tend(struct child *c)
{
	uint64_t now = clock_boot();

	if (c->pid || !c->again)
		return -1;
	if (now < c->again)
		return (int)((c->again - now) / NS_PER_MS) + 1;
	if (child_start(c) < 0) {
		complain("cannot start %s: %m", c->name);
		c->again = now + BACKOFF_MAX_MS * NS_PER_MS;
		return (int)BACKOFF_MAX_MS;
	}
	return -1;
}

bool child_ended_within(pid_t pid, unsigned ms, int *ret_status)
{
	for (unsigned waited = 0;; waited += 10) {
		if (waitpid(pid, ret_status, WNOHANG) != 0)
			return true;
		if (waited >= ms)
			return false;
		sleep_ms(10);
	}
}

void child_stop(struct child *c, unsigned seconds)
{
	int status;

	c->wanted = false;
	c->again = 0;
	if (!c->pid)
		return;
	kill(c->pid, SIGTERM);
	if (!child_ended_within(c->pid, seconds * 1000, &status)) {
		complain("%s does not stop; killing it", c->name);
		kill(c->pid, SIGKILL);
		child_ended_within(c->pid, 5000, &status);
	}
	c->pid = 0;
	forget_pid(c);
}

struct json_object *up_status(const struct instance *i, const char *socket_name)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int dir = open(i->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct timeval limit = { .tv_sec = 2 };
	_cleanup_buf_ struct buf b = { .max = 1 << 20 };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char chunk[4096];
	ssize_t n;

	/* through /proc/self/fd, because a socket's path may be too long for sun_path */
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/run/%.60s", dir, socket_name);
	if (fd < 0 || dir < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return NULL;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (buf_add(&b, chunk, (size_t)n) < 0)
			return NULL;
	return n < 0 ? NULL : json_tokener_parse(buf_text(&b));
}

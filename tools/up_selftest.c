/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "lib/clock.h"
#include "proto/keys.h"
#include "up.h"

#define TIMEOUT_NS (15 * NS_PER_SEC)

void selftest_calls(const char *path, const char *mark)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	unlink(path);
	execl("/bin/true", mark, (char *)NULL);
	_exit(127);
}

/* True when one of the newest records that match has `text` in it. */
static int find(struct client *client, const char *key, const char *value, int64_t since, const char *text, char why[256])
{
	_cleanup_json_ struct json_object *request = json_object_new_object(), *reply = NULL;
	struct json_object *list = json_object_new_array(), *one = json_object_new_object(), *events;
	int r;

	json_object_object_add(one, "AttributeKey", json_object_new_string(key));
	json_object_object_add(one, "AttributeValue", json_object_new_string(value));
	json_object_array_add(list, one);
	json_object_object_add(request, "LookupAttributes", list);
	json_object_object_add(request, "StartTime", json_object_new_int64(since));
	json_object_object_add(request, "MaxResults", json_object_new_int(50));
	r = client_call(client, CLOUDTRAIL_OP("LookupEvents"), request, &reply, why);
	if (r < 0)
		return r;
	events = member_at(reply, "Events");
	for (size_t i = 0; events && i < json_object_array_length(events); i++)
		if (strstr(member_text(json_object_array_get_idx(events, i), "CloudTrailEvent"), text))
			return 1;
	return 0;
}

/* What to look for: a resource that nothing else has, or else the mark in the newest records of a name. The second is
 * for a chroot: there the kernel's path of a file is not the one that we know. */
struct sought {
	const char *resource, *event, *mark;
};

/* Asks until the store knows it. 0 and the ms since `from`, when the calls were made, or -errno. */
static int await(struct client *client, const struct sought *s, uint64_t from, double *ret_ms, char why[256])
{
	static const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	int64_t since = (clock_wall() - (int64_t)(clock_boot() - from)) / (int64_t)NS_PER_SEC - 2;
	int r;

	while (clock_boot() - from < TIMEOUT_NS) {
		r = s->resource ? find(client, "ResourceName", s->resource, since, s->mark, why) : 0;
		if (!r)
			r = find(client, "EventName", s->event, since, s->mark, why);
		if (r == 1) {
			*ret_ms = (double)(clock_boot() - from) / NS_PER_MS;
			return 0;
		}
		if (r < 0 && r != -EAGAIN)
			return r;
		nanosleep(&pause, NULL);
	}
	snprintf(why, 256, "it is not in the trail after %llu s", TIMEOUT_NS / NS_PER_SEC);
	return -ETIMEDOUT;
}

/* Moves this process into a cgroup of the unified hierarchy, wherever that is mounted. */
static int join_cgroup(const char *name)
{
	static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	char path[PATH_MAX];
	int fd = -1, r = 0;

	for (size_t n = 0; fd < 0 && n < sizeof(roots) / sizeof(roots[0]); n++) {
		snprintf(path, sizeof(path), "%s%s/cgroup.procs", roots[n], name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
	}
	if (fd < 0 || write(fd, "0", 1) != 1)
		r = -errno;
	if (fd >= 0)
		close(fd);
	return r;
}

/* The two calls, made by a child of ours inside the scope or, in tree scope, by the gate's. */
static int make_calls(const char *scope, struct gate *g, const char *path, const char *mark)
{
	int status = 0;
	pid_t pid;

	if (g)
		return gate_selftest(g, path, mark);
	fflush(NULL);
	pid = fork();
	if (!pid && !strncmp(scope, "cgroup ", 7) && join_cgroup(scope + 7) < 0)
		_exit(126);
	if (!pid)
		selftest_calls(path, mark);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return status ? -ESRCH : 0;
}

/* The agent's own test: one call of each family. Its state is in its status. */
static int await_families(const struct instance *i, char why[256])
{
	static const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	uint64_t from = clock_boot();

	while (clock_boot() - from < TIMEOUT_NS) {
		_cleanup_json_ struct json_object *status = up_status(i, "hosttraild.sock");
		struct json_object *test = member_at(status, "self_test");
		const char *state = member_text(test, "state");

		if (!strcmp(state, "passed")) {
			printf("  families      a call of each of %d was recorded, the slowest after %.1f ms\n",
			       json_object_get_int(member_at(test, "families")), json_object_get_double(member_at(test, "latency_us")) / 1000);
			return 0;
		}
		if (!strcmp(state, "failed")) {
			snprintf(why, 256, "not recorded: %.230s", json_object_to_json_string(member_at(test, "missing")));
			return -EIO;
		}
		nanosleep(&pause, NULL);
	}
	snprintf(why, 256, "the agent's self-test does not end");
	return -ETIMEDOUT;
}

int up_selftest(const struct instance *i, const char *scope, struct gate *g)
{
	_cleanup_client_ struct client *client = NULL;
	char mark[64] = "selftest-", rest[80], path[PATH_MAX], real[PATH_MAX], why[256];
	double open_ms, exec_ms;
	uint8_t random[8];
	uint64_t from;
	int r;

	r = client_open(i, &client, why);
	if (r < 0 || random_bytes(random, sizeof(random)) < 0)
		return complain("self-test: %s", why), r < 0 ? r : -EIO;
	hex_text(random, sizeof(random), mark + strlen(mark));
	instance_path(i, "run", path);
	if (!realpath(path, real))
		return complain("self-test: %s: %m", path), -errno;
	snprintf(rest, sizeof(rest), "/%s", mark);
	strncat(real, rest, sizeof(real) - strlen(real) - 1);
	from = clock_boot();
	r = make_calls(scope, g, real, mark);
	if (r < 0)
		return complain("self-test: cannot make the calls: %s", strerror(-r)), r;
	r = await(client, &(struct sought){ real, "openat", mark }, from, &open_ms, why);
	if (r < 0)
		return complain("self-test: the open: %s", why), r;
	r = await(client, &(struct sought){ NULL, "execve", mark }, from, &exec_ms, why);
	if (r < 0)
		return complain("self-test: the exec: %s", why), r;
	printf("  self-test     an open was in the trail after %.0f ms, an exec after %.0f ms\n", open_ms, exec_ms);
	r = await_families(i, why);
	return r < 0 ? complain("self-test: %s", why), r : 0;
}

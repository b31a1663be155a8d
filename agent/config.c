// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api/api.h"
#include "config.h"
#include "lib/privileges.h"

#define AT(member) offsetof(struct agent_config, member)
#define MIB (1ll << 20)
#define STR(x) #x
#define XSTR(x) STR(x)

static const char *const levels[] = { "debug", "info", "warn", "error", NULL };

const struct conf_key agent_keys[] = {
	{ .key = "state_dir", .type = CONF_STRING, .offset = AT(state_dir), .fallback = "/var/lib/hosttrail",
	  .help = "holds host.key (Ed25519, PEM) and host_id, both made at enrolment" },
	{ .key = "spool_dir", .type = CONF_STRING, .offset = AT(spool_dir), .fallback = "/var/spool/hosttrail",
	  .help = "frames for the forwarder" },
	{ .key = "cursor", .type = CONF_STRING, .offset = AT(cursor), .fallback = "/var/lib/hosttrail-forward/cursor",
	  .help = "the forwarder's cursor file: what it names as acknowledged is deleted here" },
	{ .key = "instance", .type = CONF_STRING, .offset = AT(instance), .fallback = "default",
	  .help = "pins lie below /sys/fs/bpf/hosttrail/<instance>" },
	{ .key = "scope", .type = CONF_STRING, .offset = AT(scope), .fallback = "host",
	  .help = "what is recorded: host, cgroup PATH, or tree PID" },
	{ .key = "selectors", .type = CONF_STRING, .offset = AT(selectors), .fallback = SELECTION_DEFAULT,
	  .help = "which of that: a file of event selectors, \"default\" (management, network, file changes, sensitive files) or \"all\"" },
	{ .key = "tls", .type = CONF_BOOL, .offset = AT(tls), .fallback = "true",
	  .help = "record API calls inside TLS, too: probes in TLS libraries and programs that have one in them" },
	{ .key = "tls_expedite", .type = CONF_BOOL, .offset = AT(tls_expedite), .fallback = "true",
	  .help = "probe a library that somebody is about to use without the kernel's usual delay (rcu_expedited is 1 for that moment)" },
	{ .key = "tls_browsers", .type = CONF_BOOL, .offset = AT(optouts.browsers), .fallback = "false",
	  .help = "record those of browsers, too, which are known by the names of their executables" },
	{ .key = "tls_exclude_programs", .type = CONF_LIST, .offset = AT(optouts.programs),
	  .help = "executables whose TLS is not read: names, or absolute paths; * is any text, ? any character" },
	{ .key = "tls_exclude_users", .type = CONF_LIST, .offset = AT(optouts.users),
	  .help = "users (names or numbers) whose processes' TLS is not read" },
	{ .key = "tls_exclude_cgroups", .type = CONF_LIST, .offset = AT(optouts.cgroups),
	  .help = "cgroups whose TLS is not read, with what lies below them: paths; * and ? as in programs (*libpod-4f3c*: a container)" },
	{ .key = "apis", .type = CONF_STRING, .offset = AT(apis), .fallback = API_RULES_DIR,
	  .help = "rule files that name the calls of further APIs: a directory of *.yaml, or a file; empty: none" },
	{ .key = "user", .type = CONF_STRING, .offset = AT(user), .fallback = "64101",
	  .help = "user (name or number) that worker and resolver run as" },
	{ .key = "group", .type = CONF_STRING, .offset = AT(group), .fallback = "64100",
	  .help = "their group; may read the spool and the status socket" },
	{ .key = "region", .type = CONF_STRING, .offset = AT(region), .fallback = "local", .help = "awsRegion of records" },
	{ .key = "account", .type = CONF_STRING, .offset = AT(account), .fallback = "000000000000",
	  .help = "recipientAccountId of records" },
	{ .key = "ring_control", .type = CONF_SIZE, .offset = AT(ring_control), .fallback = "1M", .min = 4096,
	  .max = 1024 * MIB, .help = "bytes of the control class's rings (a power of two)" },
	{ .key = "ring_process", .type = CONF_SIZE, .offset = AT(ring_process), .fallback = "4M", .min = 4096,
	  .max = 1024 * MIB, .help = "bytes of the process class's rings" },
	{ .key = "ring_data", .type = CONF_SIZE, .offset = AT(ring_data), .fallback = "8M", .min = 4096,
	  .max = 1024 * MIB, .help = "bytes of the data class's rings" },
	{ .key = "priority_boost", .type = CONF_INT, .offset = AT(priority_boost), .fallback = XSTR(PRIORITY_BOOST), .max = 20,
	  .help = "how far the reader's nice value lies below the agent's: on a busy host it has to get a CPU before the rings are full" },
	{ .key = "spool_control", .type = CONF_SIZE, .offset = AT(spool_control), .fallback = "1G", .min = 64 * 1024,
	  .max = INT64_MAX, .help = "budget of the control chain on disk; beyond it records are counted, not written" },
	{ .key = "spool_data", .type = CONF_SIZE, .offset = AT(spool_data), .fallback = "4G", .min = 64 * 1024,
	  .max = INT64_MAX, .help = "budget of the data chain on disk; beyond it the oldest go" },
	{ .key = "spool_tls", .type = CONF_SIZE, .offset = AT(spool_tls), .fallback = "1G", .min = 64 * 1024,
	  .max = INT64_MAX, .help = "budget of the tls chain on disk; beyond it the oldest go" },
	{ .key = "status_socket", .type = CONF_STRING, .offset = AT(status_socket), .fallback = "/run/hosttrail/hosttraild.sock",
	  .help = "answers each connection with one JSON object" },
	{ .key = "log_level", .type = CONF_ENUM, .offset = AT(log_level), .fallback = "info", .choices = levels,
	  .help = "least level that is logged" },
	{ .key = "self_test", .type = CONF_BOOL, .offset = AT(self_test), .fallback = "true",
	  .help = "make a call of each family at the start, and one a minute, and say when their records do not arrive" },
	{ .key = "unpin_on_stop", .type = CONF_BOOL, .offset = AT(unpin_on_stop), .fallback = "true",
	  .help = "a clean stop also stops the capture; else probes keep recording into the rings until the next start" },
};
const size_t agent_nkeys = sizeof(agent_keys) / sizeof(agent_keys[0]);

int agent_config_selectors(const struct agent_config *c, struct selection **ret_s, char why[CONF_WHY_MAX])
{
	char what[SELECTORS_WHY_MAX] = "";
	int r;

	if (strcmp(c->selectors, SELECTION_ALL) && strcmp(c->selectors, SELECTION_DEFAULT) && c->selectors[0] != '/') {
		snprintf(why, CONF_WHY_MAX, "selectors must be \"" SELECTION_ALL "\", \"" SELECTION_DEFAULT "\" or a file's absolute path");
		return -EINVAL;
	}
	if (strlen(c->selectors) >= PATH_MAX / 2) {
		snprintf(why, CONF_WHY_MAX, "selectors must be shorter than %d bytes", PATH_MAX / 2);
		return -EINVAL;
	}
	r = selection_load(c->selectors, ret_s, what);
	if (r < 0)
		snprintf(why, CONF_WHY_MAX, "selectors: %s", what);
	return r;
}

/* Every worker reads them again: here only whether it will be able to. */
static int check_apis(const struct agent_config *c, char why[CONF_WHY_MAX])
{
	char what[API_WHY_MAX];
	int r;

	if (!c->apis)
		return 0;
	if (c->apis[0] != '/' || strlen(c->apis) >= PATH_MAX / 2) {
		snprintf(why, CONF_WHY_MAX, "apis must be an absolute path of less than %d bytes", PATH_MAX / 2);
		return -EINVAL;
	}
	r = api_rules_load(c->apis, what);
	api_rules_free();
	if (r < 0)
		snprintf(why, CONF_WHY_MAX, "apis: %.500s", what);
	return r < 0 ? r : 0;
}

static int check(const void *settings, char why[CONF_WHY_MAX])
{
	const struct agent_config *c = settings;
	const uint64_t rings[] = { c->ring_control, c->ring_process, c->ring_data };
	struct selection *selection = NULL;
	struct ht_optouts optouts;
	struct agent_scope scope;
	int r;

	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++)
		if (rings[i] & (rings[i] - 1)) {
			snprintf(why, CONF_WHY_MAX, "ring sizes must be powers of two");
			return -EINVAL;
		}
	if (!c->instance[0] || strchr(c->instance, '/') || c->instance[0] == '.') {
		snprintf(why, CONF_WHY_MAX, "instance must be a plain name");
		return -EINVAL;
	}
	if (strlen(c->spool_dir) >= PATH_MAX / 2 || strlen(c->cursor) >= PATH_MAX / 2) {
		snprintf(why, CONF_WHY_MAX, "spool_dir and cursor must be shorter than %d bytes", PATH_MAX / 2);
		return -EINVAL;
	}
	r = agent_config_scope(c, &scope, why);
	if (!r)
		r = agent_config_selectors(c, &selection, why);
	selection_free(&selection);
	return r ?: optout_make(&c->optouts, &optouts, why) ?: check_apis(c, why);
}

int agent_config_load(struct agent_config *c, const char *path, char why[CONF_WHY_MAX])
{
	int r;

	memset(c, 0, sizeof(*c));
	c->path = path;
	r = conf_read(agent_keys, agent_nkeys, c, path, check, why);
	if (r < 0)
		agent_config_free(c);
	return r;
}

void agent_config_free(struct agent_config *c)
{
	conf_free(agent_keys, agent_nkeys, c);
}

int agent_config_scope(const struct agent_config *c, struct agent_scope *ret_s, char why[CONF_WHY_MAX])
{
	char *end;
	long pid;

	*ret_s = (struct agent_scope){ .kind = HT_SCOPE_HOST };
	if (!strcmp(c->scope, "host"))
		return 0;
	if (!strncmp(c->scope, "cgroup ", 7) && c->scope[7] == '/') {
		ret_s->kind = HT_SCOPE_CGROUP;
		ret_s->cgroup = c->scope + 7;
		return 0;
	}
	if (!strncmp(c->scope, "tree ", 5)) {
		pid = strtol(c->scope + 5, &end, 10);
		if (pid > 0 && pid <= INT_MAX && !*end) {
			ret_s->kind = HT_SCOPE_TREE;
			ret_s->tree = (pid_t)pid;
			return 0;
		}
	}
	snprintf(why, CONF_WHY_MAX, "scope must be \"host\", \"cgroup /PATH\" or \"tree PID\"");
	return -EINVAL;
}

int agent_config_ids(const struct agent_config *c, uid_t *ret_uid, gid_t *ret_gid)
{
	return privileges_find(c->user, c->group, ret_uid, ret_gid);
}

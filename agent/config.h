/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - hosttraild's configuration: one table of keys, see conf.h. */
#ifndef HOSTTRAIL_AGENT_CONFIG_H
#define HOSTTRAIL_AGENT_CONFIG_H

#include <stdbool.h>
#include <sys/types.h>

#include "bpf/event.h"
#include "lib/conf.h"
#include "optout.h"
#include "selection.h"

struct agent_config {
	const char *path;		/* the file that it was read from, NULL: none; the caller's */
	char *state_dir, *spool_dir, *cursor, *instance, *scope, *user, *group, *region, *account, *status_socket, *selectors, *apis;
	uint64_t ring_control, ring_process, ring_data;
	uint64_t spool_control, spool_data, spool_tls;
	int64_t priority_boost;
	int log_level;
	bool self_test, tls, tls_expedite;
	struct optout_config optouts;	/* whose TLS is not recorded */
	bool unpin_on_stop;
};

#define PRIORITY_BOOST 4	/* `priority_boost` where nothing is configured; also of hosttrail trace */
/* Of those between a library's first user and its probes: what they do is over in less, and that one does not wait. In nanoseconds. */
#define PROMPT_SLICE 100000

/* `scope` taken apart. */
struct agent_scope {
	enum ht_scope kind;
	const char *cgroup;		/* into the config */
	pid_t tree;
};

extern const struct conf_key agent_keys[];
extern const size_t agent_nkeys;

/* Is `selectors` readable and right? Also when it is read again. 0 or -errno with a line in why. */
int agent_config_selectors(const struct agent_config *c, struct selection **ret_s, char why[CONF_WHY_MAX]);
/* Defaults, then the file (NULL: defaults only), then checks that need more than one key. 0 or -errno with a line in why. */
int agent_config_load(struct agent_config *c, const char *path, char why[CONF_WHY_MAX]);
void agent_config_free(struct agent_config *c);
int agent_config_scope(const struct agent_config *c, struct agent_scope *ret_s, char why[CONF_WHY_MAX]);
/* Names or numbers; -ENOENT: no such user or group, -EINVAL: root. */
int agent_config_ids(const struct agent_config *c, uid_t *ret_uid, gid_t *ret_gid);

#endif

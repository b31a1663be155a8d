/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - what /etc/hosttrail/hosttrail-forward.yaml may say. */
#ifndef HOSTTRAIL_FORWARDER_CONFIG_H
#define HOSTTRAIL_FORWARDER_CONFIG_H

#include "lib/conf.h"

struct config {
	char *spool_dir, *cursor_dir;
	struct conf_list stores;
	char *ca, *cert, *key;
	int64_t inflight;
	int64_t retry_min, retry_max;	/* ms */
	char *status_socket;
	char *user, *group;
	int log_level;
};

extern const struct conf_key config_keys[];
extern const size_t config_nkeys;

/* Defaults, the file over them, and what no single key's bounds can say. 0, or -errno and why; conf_free() frees it in any case. */
int config_read(struct config *c, const char *path, char why[CONF_WHY_MAX]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"

static const char *const levels[] = { "debug", "info", "warn", "error", NULL };

#define AT(field) offsetof(struct config, field)

const struct conf_key config_keys[] = {
	{ "spool_dir", CONF_STRING, AT(spool_dir), "/var/spool/hosttrail", 0, 0, NULL, "where the agent puts frames" },
	{ "cursor_dir", CONF_STRING, AT(cursor_dir), "/var/lib/hosttrail-forward", 0, 0, NULL,
	  "our own folder: what is acknowledged is kept in its file cursor" },
	{ "stores", CONF_LIST, AT(stores), NULL, 0, 0, NULL, "addresses of the store, host:port, tried in turn" },
	{ "ca", CONF_STRING, AT(ca), "/etc/hosttrail/pki/ca.crt", 0, 0, NULL, "certificate that the store's must be signed by" },
	{ "cert", CONF_STRING, AT(cert), "/etc/hosttrail/pki/host.crt", 0, 0, NULL, "this host's certificate" },
	{ "key", CONF_STRING, AT(key), "/etc/hosttrail/pki/host.key", 0, 0, NULL, "its private key" },
	{ "inflight", CONF_INT, AT(inflight), "32", 1, 64, NULL, "requests that may wait for their acknowledgement at once" },
	{ "retry_min", CONF_MS, AT(retry_min), "100ms", 1, 3600000, NULL, "longest pause before the first retry" },
	{ "retry_max", CONF_MS, AT(retry_max), "30s", 1, 3600000, NULL, "longest pause before any retry" },
	{ "status_socket", CONF_STRING, AT(status_socket), NULL, 0, 0, NULL, "Unix socket that tells our state as JSON" },
	{ "user", CONF_STRING, AT(user), NULL, 0, 0, NULL, "user or number to become when started as root" },
	{ "group", CONF_STRING, AT(group), NULL, 0, 0, NULL, "group or number to become when started as root" },
	{ "log_level", CONF_ENUM, AT(log_level), "info", 0, 0, levels, "what is worth a line" },
};

const size_t config_nkeys = ARRAY_SIZE(config_keys);

static int check(const void *settings, char why[CONF_WHY_MAX])
{
	const struct config *c = settings;
	const char *fault = NULL;

	if (!c->spool_dir || !*c->spool_dir || !c->cursor_dir || !*c->cursor_dir)
		fault = "spool_dir and cursor_dir must be set";
	else if (!c->stores.n)
		fault = "stores: at least one host:port is needed";
	else if (c->retry_min > c->retry_max)
		fault = "retry_min is more than retry_max";
	for (size_t i = 0; !fault && i < c->stores.n; i++) {
		const char *colon = strrchr(c->stores.v[i], ':');

		if (!colon || colon == c->stores.v[i] || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1))
			fault = "stores: each must be host:port";
	}
	if (!fault)
		return 0;
	snprintf(why, CONF_WHY_MAX, "%s", fault);
	return -EINVAL;
}

int config_read(struct config *c, const char *path, char why[CONF_WHY_MAX])
{
	return conf_read(config_keys, config_nkeys, c, path, check, why);
}

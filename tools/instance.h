/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instance.h - where a local store, forwarder and agent keep their things, and how to find it.
 *
 *   etc/                   the programs' configuration
 *   pki/                   certificates and TLS keys      key/  signing keys and host ids
 *   spool/ cursor/ store/  data of agent, forwarder and store
 *   run/                   status sockets, pid files      log/  what the programs say
 *   credentials            AWS credentials file for the store's API
 */
#ifndef HOSTTRAIL_TOOLS_INSTANCE_H
#define HOSTTRAIL_TOOLS_INSTANCE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct instance {
	char dir[PATH_MAX - 64];	/* so that dir and any name in it fit PATH_MAX */
};

struct instance_ports {
	uint16_t api, ingest;
	bool tls;		/* the API speaks TLS */
};

/* wanted: --dir's value or NULL. -ENOENT: there is none, or no such directory; the message was printed. */
int instance_find(const char *wanted, struct instance *ret_i);
/* The same without a message, where none is wanted. False: there is none. */
bool instance_known(struct instance *ret_i);
/* dir/rest; rest is at most 63 bytes. */
void instance_path(const struct instance *i, const char *rest, char ret[PATH_MAX]);
/* The store's ports, from the file that it writes when it is ready. -ENOENT: it is not. */
int instance_ports(const struct instance *i, struct instance_ports *ret_p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostcerts.h - the certificates that senders have shown, kept so that who asks for a proof can see himself which key the CA gave to which host.
 *
 * One file for each host and key, DER, the latest: <dir>/<host id>-<key, 64 hex digits>.crt. What is lost comes again with the
 * sender's next connection. Threads: any; errors: 0 or -errno.
 */
#ifndef HOSTTRAIL_STORE_HOSTCERTS_H
#define HOSTTRAIL_STORE_HOSTCERTS_H

#include "lib/buf.h"
#include "proto/pki.h"

#define HOSTCERT_MAX 16384

int hostcerts_keep(const char *dir, const struct pki_binding *peer, const void *der, size_t n);
/* -ENOENT: none was shown. */
int hostcerts_get(const char *dir, const char *host_id, const uint8_t key[32], struct buf *out);

#endif

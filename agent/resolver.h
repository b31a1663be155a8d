/* SPDX-License-Identifier: Apache-2.0 */
/* resolver.h - the process that turns numbers into names (NSS can block) and hashes open files. */
#ifndef HOSTTRAIL_RESOLVER_H
#define HOSTTRAIL_RESOLVER_H

/* Serves MSG_NAME and MSG_HASH on the socket until its other end closes. Exit status. */
int resolver_run(int sock);

#endif

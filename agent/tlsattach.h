/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlsattach.h - puts the programs of TLS capture on the sites of one file's plan (tls/plan.h).
 *
 * Runs with privileges, so it believes nothing of a plan: offsets must lie in executable segments of the file, functions in the
 * table, and what is Go's never gets a return probe, which would crash it. A file is attached for all processes that map it,
 * now and later, by any name; that ends when the links are closed. One link for all sites (a session), or for
 * each kind of them (uprobe_multi), or one for each site.
 */
#ifndef HOSTTRAIL_TLSATTACH_H
#define HOSTTRAIL_TLSATTACH_H

#include "probes.h"
#include "tls/plan.h"

struct tls_links {
	int *fd;
	unsigned n;
};

/* fd: the file, open for reading. 0 (also when there is nothing to attach), or -errno with nothing attached: -EINVAL a bad plan,
 * -EBADMSG no ELF file, -EOPNOTSUPP the programs are not loaded. */
int tls_attach(const struct probes *p, int fd, const struct tls_site *sites, unsigned n, struct tls_links *ret_l);
void tls_detach(struct tls_links *l);	/* leaves it empty */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * optout.h - whose TLS is not recorded: browsers, and the programs, users and cgroups that the configuration names.
 *
 * The kernel side decides by it (bpf/tls_who.bpf.h) before anything is read. Here it is made of the configuration, asked for files that need
 * no probes then, and told to people.
 *
 * A pattern's '*' is any text, '/' among it, and '?' any character. A program's without a slash is of the executable's name, with one of its whole path;
 * a cgroup's is of its path, and what lies below fits, too.
 */
#ifndef HOSTTRAIL_OPTOUT_H
#define HOSTTRAIL_OPTOUT_H

#include <stdbool.h>

#include "bpf/event.h"
#include "lib/conf.h"

struct optout_config {
	struct conf_list programs, users, cgroups;
	bool browsers;			/* record them, too */
};

/* 0, or -EINVAL (a line in why), -ENOENT (no such user, the same), -E2BIG. Asks for users' numbers (NSS). */
int optout_make(const struct optout_config *c, struct ht_optouts *ret_o, char why[CONF_WHY_MAX]);
/* Is the file one that no process executes whose TLS is recorded? Never a shared library: those have other users. */
enum ht_optout optout_file(const struct ht_optouts *o, const char *path);
const char *optout_name(enum ht_optout kind);	/* "browser", "program", "cgroup", "user" */

/* What there is to say, a line each: "TLS of programs", "/opt/a, /opt/b". The i-th; false: there are no more. */
struct optout_line {
	char name[62], why[160];
};
bool optout_line(const struct ht_optouts *o, unsigned i, struct optout_line *ret_l);

#endif

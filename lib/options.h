/* SPDX-License-Identifier: Apache-2.0 */
/* options.h - the command line that the three daemons share: --config, --check, --help, --version, and no arguments.
 * Not thread-safe (getopt). */
#ifndef HOSTTRAIL_OPTIONS_H
#define HOSTTRAIL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct conf_key;

struct options_about {
	const char *program;		/* "hosttrail-store" */
	const char *what;		/* one sentence for --help */
	const char *config;		/* default configuration file */
	const struct conf_key *keys;	/* listed by --help */
	size_t nkeys;
	const char *dry_run;	/* what --dry-run shows; NULL: there is no such option */
	const char *rebuild;	/* likewise, what --rebuild does; a program has one of the two */
};

struct options {
	const char *config;		/* borrowed from argv or from about */
	bool check, dry_run, rebuild;
};

/* Fills *ret_o. -1: go on; else the status to exit with: 0 after --help and --version, 2 for
 * wrong usage, after one line on standard error. */
int options_read(int argc, char **argv, const struct options_about *about, struct options *ret_o);

#endif

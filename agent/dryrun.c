// SPDX-License-Identifier: Apache-2.0
#include "dryrun.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "probes.h"
#include "tls/discover.h"
#include "tlsfiles.h"

#define FOUND_MAX 65536
#define FEATURES_ROOM 128

static int take(int fd, const struct tls_found *f, void *arg)
{
	tlsfiles_take(arg, fd, f->path);
	return 0;
}

/* What keeps the whole of it off; NULL: nothing. */
static const char *missing(const struct agent_config *c, struct probes_feature *v)
{
	unsigned n = 0;

	if (!c->tls)
		return "tls: false in the configuration";
	if (probes_survey(v, FEATURES_ROOM, &n) < 0)
		return "the kernel cannot be asked";
	for (unsigned i = 0; i < n; i++)
		if ((!strcmp(v[i].name, "uprobe") || !strcmp(v[i].name, "uretprobe")) && !v[i].on)
			return v[i].why;
	return NULL;
}

static void show(const struct tlsfile *x, FILE *out)
{
	fprintf(out, "%s\t%s\t", x->path, *x->stack ? x->stack : "-");
	if (x->sites)
		fprintf(out, "%u probes, %u on emulated instructions, %u on single-stepped ones", x->sites, x->emulated, x->sites - x->emulated);
	else
		fputs("not probed", out);
	if (*x->why)
		fprintf(out, "\t%s", x->why);
	fputc('\n', out);
}

static void show_all(const struct tlsfiles *f, bool off, FILE *out)
{
	unsigned files = 0, sites = 0, blind = 0;
	const struct tlsfile *x;

	for (unsigned i = 0; (x = tlsfiles_at(f, i)); i++) {
		show(x, out);
		files += x->sites > 0;
		sites += x->sites;
		blind += !x->sites;
	}
	if (!off)
		fprintf(out, "%u files would be probed at %u places, %u not; nothing was attached\n", files, sites, blind);
}

int dryrun(const struct agent_config *c, FILE *out)
{
	_cleanup_(tls_discovery_free) struct tls_discovery *d = NULL;
	_cleanup_(tlsfiles_free) struct tlsfiles *f = NULL;
	struct probes_feature features[FEATURES_ROOM];
	const char *off = missing(c, features);
	struct ht_optouts optouts;
	char why[CONF_WHY_MAX];
	struct optout_line line;
	int r;

	if (geteuid()) {
		log_errx("--dry-run: must be root, to look at what processes have mapped");
		return 1;
	}
	if (off)
		fprintf(out, "nothing would be probed: %s\n", off);
	r = optout_make(&c->optouts, &optouts, why);
	if (!r)
		r = tlsfiles_new(NULL, &f);
	for (unsigned i = 0; !r && optout_line(&optouts, i, &line); i++)
		fprintf(out, "not recorded: %s\t%s\n", line.name, line.why);
	if (!r)
		tlsfiles_leave_out(f, &optouts);
	if (!r)
		r = tls_discovery_new(FOUND_MAX, &d);
	if (!r)
		tlsfiles_libraries(f);
	if (!r)
		r = tls_discover_host(d, take, f);
	if (r < 0) {
		log_err(r, "--dry-run");
		return 1;
	}
	show_all(f, off, out);
	return 0;
}

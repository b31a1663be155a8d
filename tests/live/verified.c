// SPDX-License-Identifier: Apache-2.0
/* verified: loads and attaches the probes as a tree's trace does, and says for each one how many instructions this kernel's
 * verifier looked at: "NAME NUMBER". Nothing is recorded. */
#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/optout.h"
#include "agent/probes_internal.h"
#include "lib/cleanup.h"

static void say(void *ctx, enum probes_object kind, uint32_t id, const char *name)
{
	struct bpf_prog_info p = {};
	__u32 n = sizeof(p);
	_cleanup_close_ int fd = -1;
	int *error = ctx;

	if (kind != PROBES_PROG)
		return;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &p, &n) < 0)
		*error = -1;
	else
		printf("%s %u\n", p.name, p.verified_insns);
}

/* With all that the kernel has, at the first attempt: what it does not like is left out at the second one, which costs time and at every call, and nobody is told. */
static int loaded_whole(const struct probes *p)
{
	for (unsigned i = 0; i < p->features.n; i++)
		if (strstr(p->features.v[i].why, "not load")) {
			fprintf(stderr, "verified: %s: %s\n", p->features.v[i].name, p->features.v[i].why);
			return -1;
		}
	return 0;
}

int main(void)
{
	/* one of each kind: what nobody opted out of is not verified */
	char *programs[] = { (char *)"/opt/*" }, *users[] = { (char *)"1" }, *cgroups[] = { (char *)"/x" };
	struct optout_config who = { .programs = { programs, 1 }, .users = { users, 1 }, .cgroups = { cgroups, 1 } };
	struct ht_optouts optouts;
	struct probes_config c = { .scope = HT_SCOPE_TREE, .tls = true, .optouts = &optouts };
	struct probes *p = NULL;
	char why[CONF_WHY_MAX] = "";
	int r = optout_make(&who, &optouts, why) ?: probes_open(&c, &p, why);

	if (r < 0) {
		fprintf(stderr, "verified: %s\n", *why ? why : strerror(-r));
		return 1;
	}
	probes_objects(p, say, &r);
	if (!r && loaded_whole(p) < 0) {
		probes_close(&p, true);
		return 1;
	}
	probes_close(&p, true);
	if (r)
		fprintf(stderr, "verified: the kernel does not tell\n");
	return r ? 1 : 0;
}

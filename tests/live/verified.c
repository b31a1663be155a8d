// SPDX-License-Identifier: Apache-2.0
/* verified: loads and attaches the probes as a tree's trace does, and says for each one how many instructions this kernel's
 * verifier looked at: "NAME NUMBER". Nothing is recorded. */
#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/probes_internal.h"
#include "lib/cleanup.h"

static int say(int link)
{
	struct bpf_link_info l = {};
	struct bpf_prog_info p = {};
	__u32 n = sizeof(l);
	_cleanup_close_ int fd = -1;

	if (bpf_obj_get_info_by_fd(link, &l, &n) < 0)
		return -1;
	fd = bpf_prog_get_fd_by_id(l.prog_id);
	n = sizeof(p);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &p, &n) < 0)
		return -1;
	printf("%s %u\n", p.name, p.verified_insns);
	return 0;
}

int main(void)
{
	struct probes_config c = { .scope = HT_SCOPE_TREE };
	struct probes *p = NULL;
	char why[256] = "";
	int r = probes_open(&c, &p, why);

	if (r < 0) {
		fprintf(stderr, "verified: %s\n", *why ? why : strerror(-r));
		return 1;
	}
	for (unsigned i = 0; i < p->nlinks && !r; i++)
		r = say(p->links[i]);
	probes_close(&p, true);
	if (r)
		fprintf(stderr, "verified: the kernel does not tell\n");
	return r ? 1 : 0;
}

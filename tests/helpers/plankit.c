/* SPDX-License-Identifier: Apache-2.0 */
/* plankit FILE... - prints what tls_plan_file() says of each file, one line of JSON a file, for the scripts that check it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/tls/plan.h"
#include "agent/tls/stacks.h"
#include "lib/cleanup.h"

static void print_site(const struct tls_site *s, bool first)
{
	const struct tls_func *f = &tls_funcs[s->func];

	printf("%s{\"offset\":%llu,\"kind\":%d,\"insn\":%d,\"func\":%u,\"row\":\"%s\",\"stack\":\"%s\",\"op\":%u,\"symbol\":\"%s\"}", first ? "" : ",",
	       (unsigned long long)s->offset, s->kind, s->insn, s->func, f->symbol, f->stack, f->k.op, s->symbol);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		_cleanup_close_ int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
		struct tls_plan p = { 0 };
		int r = fd < 0 ? -1 : tls_plan_file(fd, &p);

		printf("{\"file\":\"%s\",\"result\":%d,\"stack\":\"%s\",\"uses_tls\":%s,\"build_id\":\"%s\",\"why\":\"%s\",\"sites\":[", argv[i], r, p.stack,
		       p.uses_tls ? "true" : "false", p.build_id, p.why);
		for (unsigned n = 0; n < p.nsites; n++)
			print_site(&p.sites[n], n == 0);
		printf("]}\n");
		tls_plan_done(&p);
	}
	return 0;
}

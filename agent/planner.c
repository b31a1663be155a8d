// SPDX-License-Identifier: Apache-2.0
#include "planner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "lib/log.h"
#include "msg.h"
#include "tls/discover.h"
#include "tls/ldcache.h"
#include "tls/plan.h"

_Static_assert(MSG_TLS_SITES_MAX >= TLS_SITES_MAX, "a plan fits into an answer");

struct answer {
	struct msg_tls_plan head;
	struct msg_tls_site site[MSG_TLS_SITES_MAX];
};

static void fill(struct answer *a, const struct tls_plan *plan)
{
	a->head.nsites = plan->nsites < MSG_TLS_SITES_MAX ? plan->nsites : MSG_TLS_SITES_MAX;
	a->head.uses_tls = plan->uses_tls;
	snprintf(a->head.stack, sizeof(a->head.stack), "%s", plan->stack);
	snprintf(a->head.build_id, sizeof(a->head.build_id), "%s", plan->build_id);
	snprintf(a->head.why, sizeof(a->head.why), "%s", plan->why);
	for (unsigned i = 0; i < a->head.nsites; i++)
		a->site[i] = (struct msg_tls_site){
			.offset = plan->sites[i].offset, .func = plan->sites[i].func,
			.kind = (uint8_t)plan->sites[i].kind, .insn = (uint8_t)plan->sites[i].insn,
		};
}

/* ---- a linker's cache */

static int note(const char *name, const char *path, void *arg)
{
	struct msg_tls_cached *a = arg;
	size_t n = strlen(path) + 1;

	if (!tls_plan_name(name) || path[0] != '/')
		return 0;
	if (n > sizeof(a->text) - a->n)
		return 1;		/* more than anybody has */
	memcpy(a->text + a->n, path, n);
	a->n += (uint32_t)n;
	return 0;
}

static void read_cache(int fd, struct msg_tls_cached *a)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > TLS_CACHE_MAX || buf_reserve(&b, (size_t)st.st_size) ||
	    fsx_pread_all(fd, b.p, (size_t)st.st_size, 0))
		return;
	ldcache_each(b.p, (size_t)st.st_size, note, a);
}

static int serve_cache(int sock, uint64_t id, int fd)
{
	static struct msg_tls_cached a;

	a.id = id;
	a.n = 0;
	read_cache(fd, &a);
	return msg_send(sock, MSG_TLS_CACHED, &a, (uint32_t)offsetof(struct msg_tls_cached, text) + a.n, -1);
}

static int serve_one(int sock)
{
	static struct answer a;
	static struct msg m;
	_cleanup_(tls_plan_done) struct tls_plan plan = { 0 };
	_cleanup_close_ int fd = -1;
	int r = msg_recv(sock, &m);

	if (r <= 0)
		return r ?: -EPIPE;
	fd = m.fd;
	if (m.type == MSG_TLS_CACHE)
		return serve_cache(sock, m.body.tls_file.id, fd);
	if (m.type != MSG_TLS_FILE)
		return -EBADMSG;
	memset(&a.head, 0, sizeof(a.head));
	a.head.id = m.body.tls_file.id;
	a.head.error = tls_plan_file(fd, &plan);
	if (!a.head.error)
		fill(&a, &plan);
	return msg_send(sock, MSG_TLS_PLAN, &a, (uint32_t)(sizeof(a.head) + a.head.nsites * sizeof(a.site[0])), -1);
}

int planner_run(int sock)
{
	int r;

	do
		r = serve_one(sock);
	while (!r);
	if (r == -EPIPE || r == -ECONNRESET)	/* the parent wants no more */
		return 0;
	log_err(r, "planner");
	return 1;
}

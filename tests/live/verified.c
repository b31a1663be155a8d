// SPDX-License-Identifier: Apache-2.0
/* verified [FILE CMD ARG...]: loads and attaches the probes as a tree's trace does, and says for each one how many instructions this kernel's
 * verifier looked at: "NAME NUMBER". Nothing is recorded, or with a command what `hosttrail trace -o FILE` would, under the same programs: to load
 * them is what takes an emulated kernel minutes. Records with the text HT_LEFT_OUT in them are not written. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/optout.h"
#include "agent/probes_internal.h"
#include "agent/trace.h"
#include "lib/buf.h"
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

static int tell(struct probes *p)
{
	int r = 0;

	probes_objects(p, say, &r);
	if (!r && loaded_whole(p) < 0)
		return -ENOEXEC;
	if (r)
		fprintf(stderr, "verified: the kernel does not tell\n");
	fflush(stdout);
	return r ? -EIO : 0;
}

struct written {
	FILE *out;
	const char *left_out;		/* NULL: nothing */
};

static int write_record(void *ctx, struct reader *reader, unsigned i)
{
	const struct written *to = ctx;
	_cleanup_buf_ struct buf line = { 0 };
	int r = reader_json(reader, i, &line) ?: buf_addc(&line, '\n');

	if (!r && to->left_out && strstr(buf_text(&line), to->left_out))
		return 0;
	return r ?: fwrite(line.p, 1, line.n, to->out) == line.n ? 0 : -EIO;
}

static int traced(const struct optout_config *who, char **argv, char why[CONF_WHY_MAX])
{
	struct written to = { .out = fopen(argv[1], "we"), .left_out = getenv("HT_LEFT_OUT") };
	struct trace_options o = { .argv = argv + 2, .optouts = who, .opened = tell };
	struct trace_result result = { 0 };
	int r = to.out ? trace_run(&o, write_record, &to, &result, why) : -errno;

	if (to.out && fclose(to.out) && !r)
		r = -EIO;
	if (r < 0)
		return r;
	fprintf(stderr, "hosttrail: %llu records, %llu lost\n", (unsigned long long)result.records, (unsigned long long)result.lost);
	return WIFEXITED(result.status) ? WEXITSTATUS(result.status) : 128 + WTERMSIG(result.status);
}

static int untraced(const struct optout_config *who, char why[CONF_WHY_MAX])
{
	struct ht_optouts optouts;
	struct probes_config c = { .scope = HT_SCOPE_TREE, .tls = true, .optouts = &optouts };
	struct probes *p = NULL;
	int r = optout_make(who, &optouts, why) ?: probes_open(&c, &p, why) ?: tell(p);

	probes_close(&p, true);
	return r;
}

int main(int argc, char **argv)
{
	/* one of each kind: what nobody opted out of is not verified */
	char *programs[] = { (char *)"/opt/*" }, *users[] = { (char *)"1" }, *cgroups[] = { (char *)"/x" };
	struct optout_config who = { .programs = { programs, 1 }, .users = { users, 1 }, .cgroups = { cgroups, 1 } };
	char why[CONF_WHY_MAX] = "";
	int r = argc > 2 ? traced(&who, argv, why) : untraced(&who, why);

	if (r >= 0)
		return r;
	fprintf(stderr, "verified: %s\n", *why ? why : strerror(-r));
	return 1;
}

// SPDX-License-Identifier: Apache-2.0
/* smallrings FILE CONTROL PROCESS DATA -- CMD ARG...: like `hosttrail trace -o FILE`, with rings of so many bytes (0: the
 * default), so that a flood overruns them. For "--": "all": the high-rate calls are captured, too; "kernel=SELECTORS": with these, as
 * `hosttrail trace --selectors`; "agent=SELECTORS": the same, but the kernel drops nothing; "tls=BYTES": the ring of TLS has so many, and each
 * record is in FILE at once. Says the same last line, before it how much plaintext the kernel gave, and exits with CMD's status. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "agent/callselect.h"
#include "agent/trace.h"
#include "bpf/event.h"
#include "lib/buf.h"

static int write_record(void *ctx, struct reader *reader, unsigned i)
{
	_cleanup_buf_ struct buf line = { 0 };
	FILE *out = ctx;
	int r = reader_json(reader, i, &line);

	if (!r)
		r = buf_addc(&line, '\n');
	if (!r && fwrite(line.p, 1, line.n, out) != line.n)
		r = -EIO;
	return r;
}

/* 0: not such a mode, or bad selectors. */
static int with_mode(const char *mode, struct trace_options *o, uint64_t *calls)
{
	char why[SELECTORS_WHY_MAX];
	bool agent = !strncmp(mode, "agent=", 6);

	if (!strncmp(mode, "tls=", 4)) {
		o->ring_bytes[HT_CLASS_TLS] = (uint32_t)strtoul(mode + 4, NULL, 0);
		return 1;
	}
	if ((!agent && strncmp(mode, "kernel=", 7) != 0) || selection_load(strchr(mode, '=') + 1, &o->selection, why) < 0)
		return 0;
	callselect(o->selection->selectors, calls);
	if (agent)
		o->calls = calls;
	return 1;
}

int main(int argc, char **argv)
{
	struct trace_options o = { .argv = argv + 6 };
	struct trace_result result = { 0 };
	uint64_t every[HT_CALLS_MAX / 64], chosen[HT_CALLS_MAX / 64];
	char why[256] = "";
	FILE *out;
	int r;

	if (argc < 7 || (strcmp(argv[5], "--") && strcmp(argv[5], "all") && !with_mode(argv[5], &o, chosen))) {
		fprintf(stderr, "usage: smallrings FILE CONTROL PROCESS DATA {--|all|kernel=SELECTORS|agent=SELECTORS|tls=BYTES} CMD ARG...\n");
		return 2;
	}
	memset(every, 0xff, sizeof(every));
	for (int i = 0; i < 3; i++)
		o.ring_bytes[i] = (uint32_t)strtoul(argv[2 + i], NULL, 0);
	if (!strcmp(argv[5], "all"))
		o.calls = every;
	out = fopen(argv[1], "we");
	if (!out) {
		perror(argv[1]);
		return 1;
	}
	if (!strncmp(argv[5], "tls=", 4))
		setlinebuf(out);
	r = trace_run(&o, write_record, out, &result, why);
	if (fclose(out) || r < 0) {
		fprintf(stderr, "smallrings: %s\n", r < 0 && *why ? why : strerror(r < 0 ? -r : EIO));
		return 1;
	}
	fprintf(stderr, "smallrings: %llu pieces of plaintext, %llu bytes\n", (unsigned long long)result.tls_pieces, (unsigned long long)result.tls_bytes);
	fprintf(stderr, "hosttrail: %llu records, %llu lost\n", (unsigned long long)result.records, (unsigned long long)result.lost);
	return WIFEXITED(result.status) ? WEXITSTATUS(result.status) : 128 + WTERMSIG(result.status);
}

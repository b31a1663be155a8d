/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a kernel preempts, from what the files of made-up ones say. */
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "agent/preempt.h"
#include "lib/cleanup.h"
#include "tests/tap.h"

#define DEBUGFS "/sys/kernel/debug/sched/preempt"
#define DYNAMIC "Linux version 6.1.0-41-amd64 (debian@x) (gcc PREEMPT) #1 SMP PREEMPT_DYNAMIC Debian 6.1.158-1 (2025-11-09)\n"
#define PLAIN "Linux version 6.1.0 (x@y) (gcc (PREEMPT_RT) 12) #1 SMP Debian 6.1.158-1 (2025-11-09)\n"
#define CONFIG(word) "# CONFIG_PREEMPT is not set\nCONFIG_PREEMPT_BUILD=y\n" word "\nCONFIG_PREEMPT_COUNT=y\nCONFIG_PREEMPTION=y\nCONFIG_PREEMPT_DYNAMIC=y\n"

struct kernel {
	const char *version, *debugfs, *cmdline;
	const char *config_gz, *config, *config_of_another;
	enum preempt want;
	const char *said;
};

static const struct kernel kernels[] = {
	/* what is in force now goes before everything else */
	{ DYNAMIC, "none voluntary (full)\n", "preempt=none", CONFIG("CONFIG_PREEMPT_NONE=y"), NULL, NULL, PREEMPT_YES, "debugfs says full" },
	{ DYNAMIC, "none (voluntary) full\n", "preempt=full", CONFIG("CONFIG_PREEMPT=y"), NULL, NULL, PREEMPT_NO, "debugfs says voluntary" },
	{ DYNAMIC, "(none) voluntary full\n", NULL, NULL, NULL, NULL, PREEMPT_NO, "debugfs says none" },
	{ DYNAMIC, "none voluntary full (lazy)\n", NULL, NULL, NULL, NULL, PREEMPT_YES, "debugfs says lazy" },
	/* and where it says nothing that is known, the next is asked */
	{ DYNAMIC, "none (eager)\n", "preempt=none", NULL, NULL, NULL, PREEMPT_NO, "its command line says preempt=none" },
	{ DYNAMIC, "none (full\n", "preempt=none", NULL, NULL, NULL, PREEMPT_NO, "its command line says preempt=none" },
	{ DYNAMIC, "()\n", NULL, NULL, NULL, NULL, PREEMPT_UNKNOWN, NULL },
	/* the last one holds; what is for the first process, or a part of a word, does not */
	{ DYNAMIC, NULL, "quiet preempt=none preempt=full\n", CONFIG("CONFIG_PREEMPT_NONE=y"), NULL, NULL, PREEMPT_YES, "its command line says preempt=full" },
	{ DYNAMIC, NULL, "preempt=full x preempt=voluntary preempt=nonsense\n", NULL, NULL, NULL, PREEMPT_NO, "its command line says preempt=voluntary" },
	{ DYNAMIC, NULL, "rcu.preempt=none xpreempt=none preempt=nonex -- preempt=none\n", NULL, NULL, NULL, PREEMPT_UNKNOWN, NULL },
	/* a kernel that was not built for it does not heed its command line */
	{ "Linux version 6.1.0 (x@y) #1 SMP PREEMPT Mon\n", NULL, "preempt=none\n", NULL, NULL, NULL, PREEMPT_YES, "its version says PREEMPT" },
	{ "Linux version 6.1.0 (x@y) #1 SMP PREEMPT_RT Mon\n", NULL, "preempt=none\n", NULL, NULL, NULL, PREEMPT_YES, "its version says PREEMPT_RT" },
	{ PLAIN, NULL, "preempt=full\n", NULL, NULL, NULL, PREEMPT_NO, "its version says no PREEMPT" },
	/* configuration, compressed or not */
	{ DYNAMIC, NULL, "quiet\n", CONFIG("CONFIG_PREEMPT_VOLUNTARY=y"), NULL, NULL, PREEMPT_NO, "its configuration says CONFIG_PREEMPT_VOLUNTARY=y" },
	{ DYNAMIC, NULL, "quiet\n", CONFIG("CONFIG_PREEMPT_LAZY=y"), NULL, NULL, PREEMPT_YES, "its configuration says CONFIG_PREEMPT_LAZY=y" },
	{ DYNAMIC, NULL, NULL, NULL, CONFIG("CONFIG_PREEMPT_NONE=y"), NULL, PREEMPT_NO, "its configuration says CONFIG_PREEMPT_NONE=y" },
	{ DYNAMIC, NULL, NULL, NULL, CONFIG("CONFIG_PREEMPT=y"), NULL, PREEMPT_YES, "its configuration says CONFIG_PREEMPT=y" },
	{ NULL, NULL, NULL, NULL, "CONFIG_PREEMPT_NONE=y\nCONFIG_PREEMPT_RT=y\n", NULL, PREEMPT_YES, "its configuration says CONFIG_PREEMPT_RT=y" },
	{ DYNAMIC, NULL, NULL, "CONFIG_MODULES=y\n", CONFIG("CONFIG_PREEMPT_NONE=y"), NULL, PREEMPT_NO, "its configuration says CONFIG_PREEMPT_NONE=y" },
	/* nobody tells: another kernel's configuration does not, nor the compiler's name */
	{ DYNAMIC, NULL, "quiet\n", NULL, NULL, CONFIG("CONFIG_PREEMPT_NONE=y"), PREEMPT_UNKNOWN, NULL },
	{ "Linux version 6.1.0 (x@y)\n", NULL, "preempt=none", NULL, NULL, NULL, PREEMPT_UNKNOWN, NULL },
	{ NULL, NULL, NULL, NULL, NULL, NULL, PREEMPT_UNKNOWN, NULL },
};

static void put(const char *root, const char *name, const char *text, bool compressed)
{
	char path[300];
	gzFile z;

	if (!text)
		return;
	snprintf(path, sizeof(path), "%s%s", root, name);
	z = gzopen(path, compressed ? "we" : "weT");
	must(z);
	ok(gzputs(z, text) >= 0);
	ok_int(gzclose(z), Z_OK);
}

static void directories(const char *root)
{
	static const char *const v[] = { "/sys", "/sys/kernel", "/sys/kernel/debug", "/sys/kernel/debug/sched", "/proc", "/proc/sys", "/proc/sys/kernel", "/boot" };
	char path[300];

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		snprintf(path, sizeof(path), "%s%s", root, v[i]);
		ok_int(mkdir(path, 0755), 0);
	}
}

static void a_kernel(const struct kernel *k)
{
	char root[] = "/tmp/ht-preempt-XXXXXX", said[96] = "", command[64];
	enum preempt p;

	must(mkdtemp(root));
	directories(root);
	put(root, DEBUGFS, k->debugfs, false);
	put(root, "/proc/version", k->version, false);
	put(root, "/proc/cmdline", k->cmdline, false);
	put(root, "/proc/sys/kernel/osrelease", "6.1.0-41-amd64\n", false);
	put(root, "/proc/config.gz", k->config_gz, true);
	put(root, "/boot/config-6.1.0-41-amd64", k->config, false);
	put(root, "/boot/config-6.1.0-40-amd64", k->config_of_another, false);
	p = preempt_find(root, said);
	if (p != k->want)
		printf("# kernel %td: %d, want %d (%s)\n", k - kernels, p, k->want, said);
	ok_int(p, k->want);
	ok_str(said, k->said ?: "neither debugfs, its command line, configuration nor version tells");
	snprintf(command, sizeof(command), "rm -r %s", root);
	ok_int(system(command), 0);
}

static void made_up_kernels(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++)
		a_kernel(&kernels[i]);
}

/* What is not text: a directory in a file's place, bytes that only begin like gzip, a line without end. */
static void odd_files(void)
{
	static const char broken[] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage";
	char root[] = "/tmp/ht-preempt-XXXXXX", path[300], said[96], *line;
	FILE *f;

	must(mkdtemp(root));
	directories(root);
	snprintf(path, sizeof(path), "%s" DEBUGFS, root);
	ok_int(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/proc/config.gz", root);
	f = fopen(path, "w");
	must(f);
	fwrite(broken, 1, sizeof(broken), f);
	fclose(f);
	put(root, "/proc/sys/kernel/osrelease", "../../proc/version\n", false);
	line = malloc(1 << 20);
	must(line);
	memset(line, 'x', (1 << 20) - 1);
	line[(1 << 20) - 1] = 0;
	put(root, "/proc/cmdline", line, false);
	put(root, "/proc/version", line, false);
	ok_int(preempt_find(root, said), PREEMPT_UNKNOWN);
	free(line);
	snprintf(path, sizeof(path), "rm -r %s", root);
	ok_int(system(path), 0);
}

/* This one, whatever it is, by its files. */
static void this_kernel(void)
{
	char said[96];
	enum preempt p = preempt_find("", said);

	printf("# this kernel: %s (%s)\n", p == PREEMPT_NO ? "does not preempt" : p == PREEMPT_YES ? "preempts" : "unknown", said);
	ok(said[0]);
}

static const struct tap_case cases[] = { CASE(made_up_kernels), CASE(odd_files), CASE(this_kernel) };
TAP_MAIN(cases)

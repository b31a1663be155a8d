// SPDX-License-Identifier: Apache-2.0
#include "preempt.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/cleanup.h"

#define SAID_MAX 96
#define TEXT_MAX 4096		/* a command line is at most 2 KiB on x86, 4 KiB elsewhere */
#define CONFIG_LINES 100000	/* a configuration has some 10,000; what is behind a name is not ours to trust */

struct named {
	const char *name;
	enum preempt is;
};

/* Lazy: the scheduler's tick and real-time tasks still take the CPU away inside the kernel. */
static const struct named modes[] = {
	{ "none", PREEMPT_NO }, { "voluntary", PREEMPT_NO }, { "full", PREEMPT_YES }, { "lazy", PREEMPT_YES },
};

static const struct named options[] = {
	{ "CONFIG_PREEMPT_RT=y", PREEMPT_YES },	   { "CONFIG_PREEMPT=y", PREEMPT_YES },
	{ "CONFIG_PREEMPT_LAZY=y", PREEMPT_YES },  { "CONFIG_PREEMPT_NONE=y", PREEMPT_NO },
	{ "CONFIG_PREEMPT_VOLUNTARY=y", PREEMPT_NO },
};

static enum preempt find(const struct named *v, size_t n, const char *word, size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(v[i].name) == len && !memcmp(v[i].name, word, len))
			return v[i].is;
	return PREEMPT_UNKNOWN;
}

static bool read_text(const char *root, const char *name, char text[TEXT_MAX])
{
	char path[512];
	int n = snprintf(path, sizeof(path), "%s%s", root, name);
	_cleanup_close_ int fd = n < (int)sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t got = fd < 0 ? -1 : read(fd, text, TEXT_MAX - 1);

	if (got <= 0)
		return false;
	text[got] = 0;
	return true;
}

/* "none voluntary (full)": the one in force stands in brackets. */
static enum preempt of_debugfs(const char *root, char *ret_said)
{
	char text[TEXT_MAX];
	const char *open, *close;
	enum preempt p;

	if (!read_text(root, "/sys/kernel/debug/sched/preempt", text))
		return PREEMPT_UNKNOWN;
	open = strchr(text, '(');
	close = open ? strchr(open, ')') : NULL;
	if (!close)
		return PREEMPT_UNKNOWN;
	p = find(modes, ARRAY_SIZE(modes), open + 1, (size_t)(close - open - 1));
	snprintf(ret_said, SAID_MAX, "debugfs says %.*s", (int)(close - open - 1 < 20 ? close - open - 1 : 20), open + 1);
	return p;
}

/* The flags of the version: what the kernel was built as. Only a kernel built as "dynamic" heeds its command line. */
static enum preempt of_version(const char *root, char *ret_said, bool *ret_dynamic)
{
	char text[TEXT_MAX];
	const char *flags;

	*ret_dynamic = false;
	if (!read_text(root, "/proc/version", text))
		return PREEMPT_UNKNOWN;
	flags = strrchr(text, '#');	/* what stands before names the compiler */
	if (!flags)
		return PREEMPT_UNKNOWN;
	*ret_dynamic = strstr(flags, " PREEMPT_DYNAMIC");
	if (*ret_dynamic)
		return PREEMPT_UNKNOWN;
	snprintf(ret_said, SAID_MAX, "its version says %s", strstr(flags, " PREEMPT_RT") ? "PREEMPT_RT" : strstr(flags, " PREEMPT") ? "PREEMPT" : "no PREEMPT");
	return strstr(flags, " PREEMPT") ? PREEMPT_YES : PREEMPT_NO;
}

/* Of several, the last that means anything holds. What follows "--" is for the first process. */
static enum preempt of_command_line(const char *root, char *ret_said)
{
	enum preempt p = PREEMPT_UNKNOWN;
	char text[TEXT_MAX], *rest = NULL;

	if (!read_text(root, "/proc/cmdline", text))
		return p;
	for (char *w = strtok_r(text, " \n", &rest); w && strcmp(w, "--"); w = strtok_r(NULL, " \n", &rest)) {
		enum preempt now = PREEMPT_UNKNOWN;

		if (!strncmp(w, "preempt=", 8))
			now = find(modes, ARRAY_SIZE(modes), w + 8, strlen(w + 8));
		if (now == PREEMPT_UNKNOWN)
			continue;
		p = now;
		snprintf(ret_said, SAID_MAX, "its command line says %s", w);
	}
	return p;
}

/* gzip or plain: zlib reads both. */
static enum preempt of_config(const char *root, const char *name, char *ret_said)
{
	enum preempt p = PREEMPT_UNKNOWN;
	char path[512], line[512];
	gzFile f;

	if (snprintf(path, sizeof(path), "%s%s", root, name) >= (int)sizeof(path))
		return p;
	f = gzopen(path, "re");
	for (int i = 0; f && i < CONFIG_LINES && p != PREEMPT_YES && gzgets(f, line, sizeof(line)); i++) {
		enum preempt now;

		line[strcspn(line, "\n")] = 0;
		now = find(options, ARRAY_SIZE(options), line, strlen(line));
		if (now == PREEMPT_UNKNOWN)
			continue;
		p = now;
		snprintf(ret_said, SAID_MAX, "its configuration says %.40s", line);
	}
	if (f)
		gzclose(f);
	return p;
}

static enum preempt of_configs(const char *root, char *ret_said)
{
	enum preempt p = of_config(root, "/proc/config.gz", ret_said);
	char release[TEXT_MAX], name[300];

	if (p != PREEMPT_UNKNOWN || !read_text(root, "/proc/sys/kernel/osrelease", release))
		return p;
	release[strcspn(release, "\n")] = 0;
	if (strchr(release, '/') || snprintf(name, sizeof(name), "/boot/config-%s", release) >= (int)sizeof(name))
		return p;
	return of_config(root, name, ret_said);
}

enum preempt preempt_find(const char *root, char ret_said[SAID_MAX])
{
	char version_said[SAID_MAX];
	bool dynamic;
	enum preempt version = of_version(root, version_said, &dynamic), p;

	p = of_debugfs(root, ret_said);
	if (p == PREEMPT_UNKNOWN && dynamic)
		p = of_command_line(root, ret_said);
	if (p == PREEMPT_UNKNOWN)
		p = of_configs(root, ret_said);
	if (p == PREEMPT_UNKNOWN && version != PREEMPT_UNKNOWN) {
		memcpy(ret_said, version_said, SAID_MAX);
		p = version;
	}
	if (p == PREEMPT_UNKNOWN)
		snprintf(ret_said, SAID_MAX, "neither debugfs, its command line, configuration nor version tells");
	return p;
}

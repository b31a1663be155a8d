/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "lib/conf.h"
#include "tests/tap.h"

struct config {
	char *name;
	bool on;
	int64_t count, wait;
	uint64_t size;
	int level;
	struct conf_list hosts;
};

static const char *const levels[] = { "debug", "info", NULL };
static const struct conf_key keys[] = {
	{ "name", CONF_STRING, offsetof(struct config, name), "x", 0, 0, NULL, "a name" },
	{ "on", CONF_BOOL, offsetof(struct config, on), "true", 0, 0, NULL, "a switch" },
	{ "count", CONF_INT, offsetof(struct config, count), "3", 1, 10, NULL, "a number" },
	{ "wait", CONF_MS, offsetof(struct config, wait), "100ms", 1, 60000, NULL, "a time" },
	{ "size", CONF_SIZE, offsetof(struct config, size), "4K", 0, 0, NULL, "a size" },
	{ "level", CONF_ENUM, offsetof(struct config, level), "info", 0, 0, levels, "a level" },
	{ "hosts", CONF_LIST, offsetof(struct config, hosts), "a,b", 0, 0, NULL, "hosts" },
};
#define KEYS keys, sizeof(keys) / sizeof(keys[0])

static char path[] = "/tmp/test_conf.XXXXXX";
static char why[CONF_WHY_MAX];

static int load(struct config *c, const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
	return conf_load(KEYS, c, path, why);
}

static void defaults(void)
{
	struct config c = { 0 };

	ok_int(conf_defaults(KEYS, &c), 0);
	ok_str(c.name, "x");
	ok(c.on);
	ok_int(c.count, 3);
	ok_int(c.wait, 100);
	ok_int(c.size, 4096);
	ok_int(c.level, 1);
	must(c.hosts.n == 2);
	ok_str(c.hosts.v[1], "b");
	conf_free(KEYS, &c);
	ok(!c.name && !c.hosts.v);
}

static void whole_file(void)
{
	struct config c = { 0 };

	conf_defaults(KEYS, &c);
	ok_int(load(&c, "# comment\nname: 'a b'\non: no\ncount: 7\nwait: 2\nsize: 3M\nlevel: debug\nhosts:\n  - h1:1\n  - \"h2\"\n  - h3\n"), 0);
	ok_str(c.name, "a b");
	ok(!c.on);
	ok_int(c.count, 7);
	ok_int(c.wait, 2000);
	ok_int(c.size, 3 << 20);
	ok_int(c.level, 0);
	must(c.hosts.n == 3);
	ok_str(c.hosts.v[0], "h1:1");
	ok_int(load(&c, ""), 0);
	ok_int(load(&c, "# only a comment\n"), 0);
	ok_int(load(&c, "---\nhosts: []\nname:\n...\n"), 0);
	ok(!c.name && !c.hosts.n);
	ok_int(c.count, 7);
	conf_free(KEYS, &c);
}

/* Each faulty file is refused with its line, and changes nothing although a good line stands first. */
static void faults(void)
{
	static const struct {
		const char *text, *line, *says;
	} cases[] = {
		{ "count: 5\nnonsense: 1\n", ":2: ", "nonsense: unknown key" },
		{ "count: 5\n\ncount: 6\n", ":3: ", "in line 1 already" },
		{ "count: 11\n", ":1: ", "not within 1 and 10" },
		{ "count: x\n", ":1: ", "not a whole number" },
		{ "count: 1.5\n", ":1: ", "not a whole number" },
		{ "count:\n", ":1: ", "has no value" },
		{ "count: 5\nwait: 5y\n", ":2: ", "not a time" },
		{ "count: 5\nwait: 2m\n", ":2: ", "not within" },
		{ "count: 5\nsize: 99999999999999999999\n", ":2: ", "not a size" },
		{ "count: 5\nsize: 9999999999999G\n", ":2: ", "out of range" },
		{ "count: 5\nsize: -1\n", ":2: ", "out of range" },
		{ "count: 5\nlevel: loud\n", ":2: ", "none of debug info" },
		{ "count: 5\non: maybe\n", ":2: ", "neither true nor false" },
		{ "count: 5\nhosts: a\n", ":2: ", "a list is wanted" },
		{ "count: 5\nname: [a]\n", ":2: ", "not a list" },
		{ "count: 5\nname: {a: b}\n", ":2: ", "plain value" },
		{ "count: 5\nhosts: [[a]]\n", ":2: ", "plain values" },
		{ "count: 5\n? [a]\n: b\n", ":2: ", "a key is wanted" },
		{ "- count\n", ":1: ", "key: value" },
		{ "count: 5\n---\ncount: 6\n", ":2: ", "one document" },
		{ "count: 5\nname: \"a\n", ":3: ", "" },
		{ "count: 5\n\tname: a\n", ":2: ", "" },
		{ "count: &a 5\nname: *a\n", ":2: ", "" },
		{ "count: 5\nname: \"a\\0b\"\n", ":2: ", "NUL" },
	};
	struct config c = { 0 };

	conf_defaults(KEYS, &c);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = load(&c, cases[i].text);

		if (r != -EINVAL || strncmp(why, path, strlen(path)) || !strstr(why, cases[i].line) ||
		    !strstr(why, cases[i].says) || c.count != 3) {
			printf("# case %zu: %d, \"%s\"\n", i, r, why);
			ok(false);
		}
	}
	ok_str(c.name, "x");
	conf_free(KEYS, &c);
}

static void missing_file(void)
{
	struct config c = { 0 };

	ok_int(conf_load(KEYS, &c, "/nonexistent/x.yaml", why), -ENOENT);
	ok(strstr(why, "/nonexistent/x.yaml: No such file") != NULL);
}

static void overrides(void)
{
	struct config c = { 0 };

	conf_defaults(KEYS, &c);
	ok_int(conf_set(KEYS, &c, "hosts", "p,q,r", why), 0);
	ok_int(c.hosts.n, 3);
	ok_int(conf_set(KEYS, &c, "wait", "1500ms", why), 0);
	ok_int(c.wait, 1500);
	ok_int(conf_set(KEYS, &c, "what", "1", why), -EINVAL);
	ok_str(why, "what: unknown key");
	ok_int(conf_set(KEYS, &c, "count", "0", why), -EINVAL);
	ok_int(c.count, 3);
	conf_free(KEYS, &c);
}

static void help(void)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	conf_help(KEYS, f);
	fclose(f);
	ok(strstr(text, "  level: debug|info\n      a level (default: info)\n") != NULL);
	ok(strstr(text, "  hosts: LIST\n") != NULL);
	free(text);
}

/* A table whose default does not fit its own bounds is our bug, and is said. */
static void bad_table(void)
{
	static const struct conf_key bad[] = { { "n", CONF_INT, 0, "99", 1, 10, NULL, "" } };
	int64_t n = 0;

	ok_int(conf_defaults(bad, 1, &n), -EINVAL);
}

static int checked(const void *settings, char fault[CONF_WHY_MAX])
{
	const struct config *c = settings;

	if (c->count == 4)
		snprintf(fault, CONF_WHY_MAX, "4 is too many");
	return c->count == 4 ? -EINVAL : 0;
}

/* Defaults, the file, the program's own check: the first fault is the one that is said, and where. */
static void read_whole(void)
{
	struct config c = { 0 };
	char want[CONF_WHY_MAX];

	ok_int(load(&c, "count: 4\n"), 0);
	conf_free(KEYS, &c);
	ok_int(conf_read(KEYS, &c, path, checked, why), -EINVAL);
	snprintf(want, sizeof(want), "%s: 4 is too many", path);
	ok_str(why, want);
	conf_free(KEYS, &c);
	ok_int(load(&c, "level: debug\n"), 0);
	conf_free(KEYS, &c);
	ok_int(conf_read(KEYS, &c, path, checked, why), 0);
	ok_int(c.count, 3);	/* its default */
	ok_int(c.level, 0);
	conf_free(KEYS, &c);
	ok_int(conf_read(KEYS, &c, NULL, checked, why), 0);	/* no file */
	ok_int(c.level, 1);
	conf_free(KEYS, &c);
	ok_int(conf_read(KEYS, &c, "/nonexistent/x.yaml", checked, why), -ENOENT);
	ok(strstr(why, "/nonexistent/x.yaml") != NULL);
	conf_free(KEYS, &c);
}

int main(void)
{
	static const struct tap_case cases[] = { CASE(defaults), CASE(whole_file), CASE(faults),   CASE(missing_file),
						 CASE(overrides), CASE(help),	   CASE(bad_table),
						 CASE(read_whole) };
	int fd = mkstemp(path), r;

	if (fd < 0)
		return 1;
	close(fd);
	r = tap_run(cases, sizeof(cases) / sizeof(cases[0]));
	unlink(path);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail apis check - what rule files for APIs mean: which calls, which names, what is kept of them. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apiview.h"
#include "command.h"

static const struct opt opts[] = { { 0 } };

static int check_file(const char *path)
{
	_cleanup_rulefile_ struct rule_file *f = NULL;
	_cleanup_buf_ struct buf out = { 0 };
	char why[API_WHY_MAX];

	if (rulefile_load(path, &f, why) < 0) {
		complain("%s", why);
		return EXIT_USAGE;
	}
	apiview(f, &out);
	if (out.failed)
		return complain("out of memory");
	fwrite(out.p, 1, out.n, stdout);
	return EXIT_DONE;
}

static int is_yaml(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 5 && !strcmp(e->d_name + n - 5, ".yaml");
}

/* All of a directory, as the agent reads them; goes on behind a faulty one. */
static int check_all(const char *dir)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_yaml, alphasort), result = EXIT_DONE;
	char path[4096];

	if (n < 0)
		return complain("%s: cannot be read", dir);
	for (int i = 0; i < n; i++) {
		int r;

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		r = check_file(path);
		result = r > result ? r : result;
		free(names[i]);
	}
	free(names);
	if (!n)
		printf("%s: no *.yaml in it\n", dir);
	return result;
}

static int run(const struct command *c, int argc, char **argv)
{
	const char *arg, *path = API_RULES_DIR;
	struct stat st;
	int at;

	if (argc > 1 && !strcmp(argv[1], "check")) {
		argv++;
		argc--;
	} else if (argc > 1 && argv[1][0] != '-') {
		command_misused(c, "%s: no such command, only check", argv[1]);
	}
	while (command_option(c, argc, argv, &arg, &at))
		;
	if (strcmp(argv[0], "check") || at + 1 < argc)
		command_misused(c, "want: check [FILE]");
	if (at < argc)
		path = argv[at];
	if (stat(path, &st) < 0)
		return complain("%s: %m", path);
	return S_ISDIR(st.st_mode) ? check_all(path) : check_file(path);
}

const struct command cmd_apis = {
	.name = "apis",
	.usage = "check [FILE]",
	.summary = "explain rule files for APIs: which calls, which names, what is kept of them",
	.details = "FILE is a rule file (see docs/apis.md) or a directory of such; default: " API_RULES_DIR ".",
	.opts = opts,
	.run = run,
};

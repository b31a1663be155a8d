/* SPDX-License-Identifier: Apache-2.0 */
#include "secrets.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "lib/fsx.h"
#include "lib/log.h"

static int check(const char *path)
{
	if (!path || !fsx_is_open(path))
		return 0;
	log_errx("%s holds a secret, and everybody may read or write it (chmod o-rw)", path);
	return -EPERM;
}

static int check_folder(const char *dir)
{
	char path[PATH_MAX + NAME_MAX + 2];
	struct dirent *e;
	DIR *d = opendir(dir);
	int r = 0;

	while (d && !r && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		r = *e->d_name == '.' ? 0 : check(path);
	}
	if (d)
		closedir(d);
	return r;
}

int secrets_check(const struct store_config *c)
{
	static const char *const made[] = { "sign.key", "token.key", "index/key", NULL };
	const char *const named[] = { c->key, c->api_key, c->sign_key, c->ch_password, c->ch_query_password };
	char path[PATH_MAX];
	int r = 0;

	for (unsigned i = 0; !r && i < sizeof(named) / sizeof(*named); i++)
		r = check(named[i]);
	for (const char *const *m = made; !r && *m; m++) {
		snprintf(path, sizeof(path), "%s/%s", c->data_dir, *m);
		r = check(path);
	}
	snprintf(path, sizeof(path), "%s/digest-keys", c->data_dir);
	return r ? r : check_folder(path);
}

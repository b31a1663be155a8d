/* SPDX-License-Identifier: Apache-2.0 */
#include "instance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "lib/buf.h"
#include "lib/fsx.h"

static const char *const usual_dirs[] = { "/var/lib/hosttrail", "build/run" };

static int is_dir(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static const char *usual_dir(void)
{
	const char *dir = getenv("HOSTTRAIL_DIR");

	for (size_t i = 0; !dir && i < sizeof(usual_dirs) / sizeof(usual_dirs[0]); i++)
		if (is_dir(usual_dirs[i]))
			dir = usual_dirs[i];
	return dir;
}

bool instance_known(struct instance *ret_i)
{
	const char *dir = usual_dir();

	if (!dir || !is_dir(dir) || strlen(dir) >= sizeof(ret_i->dir))
		return false;
	snprintf(ret_i->dir, sizeof(ret_i->dir), "%s", dir);
	return true;
}

int instance_find(const char *wanted, struct instance *ret_i)
{
	const char *dir = wanted ? wanted : usual_dir();

	if (!dir) {
		complain("no instance found: give --dir or set HOSTTRAIL_DIR (`hosttrail up` makes one)");
		return -ENOENT;
	}
	if (!is_dir(dir) || strlen(dir) >= sizeof(ret_i->dir)) {
		complain("%s: no such instance directory", dir);
		return -ENOENT;
	}
	snprintf(ret_i->dir, sizeof(ret_i->dir), "%s", dir);
	return 0;
}

void instance_path(const struct instance *i, const char *rest, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/%s", i->dir, rest);
}

int instance_ports(const struct instance *i, struct instance_ports *ret_p)
{
	_cleanup_buf_ struct buf b = { 0 };
	char path[PATH_MAX];
	unsigned api, ingest, tls;
	int r;

	instance_path(i, "store/ports", path);
	r = fsx_read(path, 256, &b);
	if (r < 0)
		return r;
	if (sscanf(buf_text(&b), "api %u ingest %u tls %u", &api, &ingest, &tls) != 3 || api > UINT16_MAX || ingest > UINT16_MAX)
		return -EBADMSG;
	*ret_p = (struct instance_ports){ (uint16_t)api, (uint16_t)ingest, tls };
	return 0;
}

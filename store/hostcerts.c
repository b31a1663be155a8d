/* SPDX-License-Identifier: Apache-2.0 */
#include "hostcerts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "proto/keys.h"
#include "proto/recordread.h"

static int path_of(const char *dir, const char *host_id, const uint8_t key[32], char ret[PATH_MAX])
{
	char hex[65];
	uint8_t id[16];

	if (uuid_parse(host_id, id) < 0)	/* it becomes a file's name */
		return -EINVAL;
	hex_text(key, 32, hex);
	return snprintf(ret, PATH_MAX, "%s/%s-%s.crt", dir, host_id, hex) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int hostcerts_keep(const char *dir, const struct pki_binding *peer, const void *der, size_t n)
{
	_cleanup_buf_ struct buf have = { 0 };
	char path[PATH_MAX];
	int r = path_of(dir, peer->host_id, peer->key, path);

	if (r < 0 || n > HOSTCERT_MAX)
		return r < 0 ? r : -E2BIG;
	if (!fsx_read(path, HOSTCERT_MAX, &have) && have.n == n && !memcmp(have.p, der, n))
		return 0;
	r = fsx_mkdirs(dir, 0700);
	return r < 0 ? r : fsx_replace(path, der, n, 0600);
}

int hostcerts_get(const char *dir, const char *host_id, const uint8_t key[32], struct buf *out)
{
	char path[PATH_MAX];
	int r = path_of(dir, host_id, key, path);

	return r < 0 ? -ENOENT : fsx_read(path, HOSTCERT_MAX, out);
}

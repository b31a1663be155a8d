/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "command.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "proto/keys.h"
#include "proto/pki.h"
#include "proto/recordread.h"
#include "up.h"

#define PINS "/sys/fs/bpf/hosttrail"

static const struct {
	const char *name;
	mode_t mode;
	uid_t uid;
	gid_t gid;
} dirs[] = {
	{ "etc", 0755, 0, 0 },
	{ "pki", 0755, 0, 0 },
	{ "key", 0711, 0, 0 },
	{ "log", 0755, 0, 0 },
	{ "run", 01770, 0, UP_GID },
	{ "spool", 02750, UP_UID_AGENT, UP_GID },
	{ "cursor", 02750, UP_UID_FORWARD, UP_GID },
	{ "store", 0700, UP_UID_STORE, UP_GID },
};

/* Can the programs' users pass through every directory above path? Into a checkout in /root, say, they cannot. And a
 * socket's path must fit sun_path. */
static bool suitable(const char *path)
{
	char prefix[PATH_MAX];
	struct stat st;

	if (strlen(path) + strlen("/run/hosttrail-forward.sock") >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return false;
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(prefix, sizeof(prefix), "%.*s", (int)(slash - path), path);
		if (!stat(prefix, &st) && !(st.st_mode & S_IXOTH))
			return false;
	}
	return true;
}

/* First 8 digits of a hash of the path as it was given, resolved as far as its parent. */
static void dir_digest(const char *dir, char ret[9])
{
	uint8_t hash[32];

	sha256(dir, strlen(dir), hash);
	hex_text(hash, 4, ret);
}

/* The directory's absolute path; its parents are made, itself not. */
static int absolute(const char *dir, char ret[PATH_MAX])
{
	char parent[PATH_MAX], real[PATH_MAX];
	const char *name;
	char *slash;
	int r;

	if (snprintf(parent, sizeof(parent), "%s", dir) >= (int)sizeof(parent))
		return -ENAMETOOLONG;
	for (slash = parent + strlen(parent); slash > parent + 1 && slash[-1] == '/';)
		*--slash = 0;
	slash = strrchr(parent, '/');
	name = slash ? dir + (slash - parent) + 1 : dir;
	if (slash)
		*(slash == parent ? slash + 1 : slash) = 0;
	r = slash ? fsx_mkdirs(parent, 0755) : 0;
	if (r < 0 || !realpath(slash ? parent : ".", real))
		return r < 0 ? r : -errno;
	if (snprintf(ret, PATH_MAX, "%s/%.*s", strcmp(real, "/") ? real : "", (int)strcspn(name, "/"), name) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

/* Where a directory cannot serve, it lies elsewhere and a link is left in its place. */
static int place(const char *path)
{
	char elsewhere[PATH_MAX] = "/var/lib/hosttrail-run-";
	struct stat st;
	int r;

	if (!lstat(path, &st) && S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(path, elsewhere, sizeof(elsewhere) - 1);

		if (n < 0 || elsewhere[0] != '/')
			return n < 0 ? -errno : 0;
		elsewhere[n] = 0;
		return fsx_mkdirs(elsewhere, 0755);
	}
	if (suitable(path))
		return fsx_mkdirs(path, 0755);
	dir_digest(path, elsewhere + strlen(elsewhere));
	if (rmdir(path) < 0 && errno != ENOENT)
		return -errno;
	r = fsx_mkdirs(elsewhere, 0755);
	if (r < 0 || symlink(elsewhere, path) < 0)
		return r < 0 ? r : -errno;
	printf("  %s is a link to %s, because other users cannot come here, or its path is too long\n", path, elsewhere);
	return 0;
}

static int make_dirs(const struct instance *i)
{
	char path[PATH_MAX];

	for (size_t n = 0; n < ARRAY_SIZE(dirs); n++) {
		instance_path(i, dirs[n].name, path);
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return complain("%s: %m", path), -errno;
		if (chown(path, dirs[n].uid, dirs[n].gid) < 0 || chmod(path, dirs[n].mode) < 0)
			return complain("%s: %m", path), -errno;
	}
	return 0;
}

static bool exists(const struct instance *i, const char *name)
{
	char path[PATH_MAX];

	instance_path(i, name, path);
	return !access(path, F_OK);
}

/* A random UUID (version 4) as text in file `name`, read again if it is there. */
static int host_id(const struct instance *i, const char *name, char ret_id[37])
{
	_cleanup_buf_ struct buf b = { 0 };
	char path[PATH_MAX];
	uint8_t id[16];
	int r;

	instance_path(i, name, path);
	r = fsx_read(path, 64, &b);
	if (r == 0) {
		snprintf(ret_id, 37, "%s", buf_text(&b));
		return uuid_parse(ret_id, id);
	}
	r = r == -ENOENT ? uuid_random(id) : r;
	if (r < 0)
		return r;
	uuid_text(id, ret_id);
	buf_addf(&b, "%s\n", ret_id);
	return fsx_replace(path, b.p, b.n, 0644);
}

static int signing_key(const struct instance *i, const char *name, uid_t owner, uint8_t ret_public[32])
{
	struct sign_key *key = NULL;
	char path[PATH_MAX];
	int r;

	instance_path(i, name, path);
	r = access(path, F_OK) ? sign_key_make(path) : 0;
	if (r < 0)
		return r;
	if (chown(path, owner, 0) < 0 || chmod(path, 0600) < 0)
		return -errno;
	r = sign_key_load(path, &key);
	if (r < 0)
		return r;
	sign_key_public(key, ret_public);
	sign_key_free(&key);
	return 0;
}

struct pki_paths {
	char cert[PATH_MAX], key[PATH_MAX];
};

static struct pki_files pki_paths(const struct instance *i, const char *name, struct pki_paths *p)
{
	char rest[64];

	snprintf(rest, sizeof(rest), "pki/%s.crt", name);
	instance_path(i, rest, p->cert);
	snprintf(rest, sizeof(rest), "pki/%s.key", name);
	instance_path(i, rest, p->key);
	return (struct pki_files){ p->cert, p->key };
}

/* CA, store and host certificates. A host's certificate is made anew when what it binds is another. */
static int make_pki(const struct instance *i, const struct pki_binding *b)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "::1" };
	struct pki_paths ca_paths, store_paths, host_paths;
	struct pki_files ca = pki_paths(i, "ca", &ca_paths), store = pki_paths(i, "store", &store_paths),
			 host = pki_paths(i, "host", &host_paths);
	int r = 0;

	/* of a pair the certificate is written last: a key alone is left of a start that failed */
	if (!exists(i, "pki/ca.crt"))
		r = pki_make_ca(&ca, NULL);
	if (r >= 0 && !exists(i, "pki/store.crt"))
		r = pki_make_store(&ca, names, ARRAY_SIZE(names), &store, NULL);
	if (r >= 0)
		r = pki_make_host(&ca, b, &host, NULL);
	if (r < 0)
		return r;
	if (chown(store.key, UP_UID_STORE, 0) < 0 || chown(host.key, UP_UID_FORWARD, 0) < 0)
		return -errno;
	return 0;
}

static int make_credentials(const struct instance *i, const char *region)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	_cleanup_buf_ struct buf b = { 0 };
	char path[PATH_MAX], id[17] = "", secret[41];
	uint8_t random[36];
	int r;

	if (exists(i, "credentials"))
		return 0;
	r = random_bytes(random, sizeof(random));
	if (r < 0)
		return r;
	for (size_t n = 0; n < 16; n++)
		id[n] = letters[random[n] % 32];
	hex_text(random + 16, 20, secret);
	buf_addf(&b, "[default]\naws_access_key_id = AKIA%s\naws_secret_access_key = %s\nregion = %s\nhosttrail_role = administrator\n", id, secret, region);
	instance_path(i, "credentials", path);
	r = fsx_replace(path, b.p, b.n, 0600);
	/* the store reads it, too */
	return r < 0 ? r : chown(path, UP_UID_STORE, 0) < 0 ? -errno : 0;
}

static int make_identity(const struct instance *i, const struct up_options *o)
{
	struct pki_binding binding = { 0 };
	uint8_t store_key[32];
	char store_id[37];
	int r;

	snprintf(binding.account, sizeof(binding.account), "%s", o->account);
	snprintf(binding.region, sizeof(binding.region), "%s", o->region);
	r = host_id(i, "key/host_id", binding.host_id);
	if (r >= 0)
		r = signing_key(i, "key/host.key", 0, binding.key);
	if (r >= 0)
		r = host_id(i, "key/store_id", store_id);
	if (r >= 0)
		r = signing_key(i, "key/store.key", UP_UID_STORE, store_key);
	if (r >= 0)
		r = make_pki(i, &binding);
	return r < 0 ? r : make_credentials(i, o->region);
}

int up_setup(const struct up_options *o, struct instance *ret_i)
{
	char path[PATH_MAX], real[PATH_MAX];
	int r;

	r = absolute(o->dir, path);
	if (r >= 0)
		r = place(path);
	if (r >= 0 && !realpath(path, real))
		r = -errno;
	if (r >= 0 && strlen(real) >= sizeof(ret_i->dir))
		r = -ENAMETOOLONG;
	if (r < 0) {
		complain("%s: cannot make the instance directory: %s", o->dir, strerror(-r));
		return r;
	}
	memcpy(ret_i->dir, real, strlen(real) + 1);
	r = make_dirs(ret_i);
	if (r < 0)
		return r;
	r = make_identity(ret_i, o);
	if (r < 0)
		complain("%s: cannot make keys and certificates: %s", ret_i->dir, strerror(-r));
	return r;
}

void up_pin_name(const struct instance *i, char ret[32])
{
	char digest[9];

	dir_digest(i->dir, digest);
	snprintf(ret, 32, "run-%s", digest);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

void up_remove_pins(const struct instance *i)
{
	char path[PATH_MAX], name[32];

	up_pin_name(i, name);
	snprintf(path, sizeof(path), PINS "/%s", name);
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0 && errno != ENOENT)
		complain("%s: cannot remove all pins: %m", path);
	rmdir(PINS);	/* when it was the last instance */
}

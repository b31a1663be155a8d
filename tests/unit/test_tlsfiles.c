/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are probed are looked at once: by themselves, not by their names, and a layer's file not once for each container. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "agent/optout.h"
#include "agent/tlsfiles.h"
#include "lib/cleanup.h"
#include "tests/tap.h"

static char dir[] = "/tmp/test_tlsfiles.XXXXXX";

static int look(struct tlsfiles *f, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : tlsfiles_new_one(f, fd);
}

static int put(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static void once_for_each_content(void)
{
	char a[64], b[64];
	struct tlsfiles *f;

	must(mkdtemp(dir) && !tlsfiles_new(NULL, &f));
	snprintf(a, sizeof(a), "%s/a", dir);
	snprintf(b, sizeof(b), "%s/b", dir);
	must(!put(a, "one") && !link(a, b));
	ok_int(look(f, a), 1);
	ok_int(look(f, a), 0);
	ok_int(look(f, b), 0); /* another name of it */
	ok_int(look(f, dir), 0);
	must(!put(b, "other"));
	ok_int(look(f, a), 1);
	must(!unlink(b) && !put(b, "other"));
	ok_int(look(f, b), 1); /* another file with the same in it */
	tlsfiles_free(&f);
	ok(!f);
}

static void what_is_in_them(void)
{
	struct tlsfiles *f;
	Dl_info info;

	must(dladdr((void *)(uintptr_t)SSL_read, &info) && !tlsfiles_new(NULL, &f));
	ok_int(tlsfiles_path(f, info.dli_fname), 1);
	ok_int(tlsfiles_path(f, info.dli_fname), 0);
	ok_int(tlsfiles_path(f, "/bin/true"), 0);
	must(tlsfiles_at(f, 0));
	ok_str(tlsfiles_at(f, 0)->stack, "openssl");
	ok(tlsfiles_at(f, 0)->sites > 4);
	ok(!tlsfiles_at(f, 1));
	tlsfiles_free(&f);
}

static unsigned gone;

static void count_gone(const char *path, void *arg)
{
	gone++;
	ok_str(path, arg);
}

/* A scan that meets the file, if there is a descriptor of it. How many were given up. */
static unsigned scan(struct tlsfiles *f, int fd, bool whole, char *path)
{
	tlsfiles_scan_begin(f);
	if (fd >= 0)
		ok_int(tlsfiles_new_one(f, fd), 0);
	return tlsfiles_scan_end(f, whole, count_gone, path);
}

static void copy_library(const char *to)
{
	char command[512];
	Dl_info info;

	must(dladdr((void *)(uintptr_t)SSL_read, &info));
	snprintf(command, sizeof(command), "cp %s %s", info.dli_fname, to);
	must(!system(command));
}

/* Names come and go, which changes a file's time of change: its probes would be there twice. */
static void another_name_is_no_other_file(void)
{
	char a[96], b[96];
	struct tlsfiles *f;

	must(!tlsfiles_new(NULL, &f));
	snprintf(a, sizeof(a), "%s/libssl.so.1", dir);
	snprintf(b, sizeof(b), "%s/libssl.so.2", dir);
	copy_library(a);
	ok_int(tlsfiles_path(f, a), 1);
	must(!link(a, b) && !unlink(a) && !chmod(b, 0700));
	ok_int(tlsfiles_path(f, b), 0);
	ok(tlsfiles_at(f, 0) && !tlsfiles_at(f, 1));
	must(!truncate(b, 100)); /* places that were found are not there any more */
	ok_int(look(f, b), 1);
	ok(!tlsfiles_at(f, 0));
	must(!unlink(b));
	tlsfiles_free(&f);
}

static void deleted_ones_are_given_up(void)
{
	_cleanup_close_ int fd = -1;
	struct tlsfiles *f;
	char a[96];

	must(!tlsfiles_new(NULL, &f));
	snprintf(a, sizeof(a), "%s/libssl.so.1", dir);
	copy_library(a);
	ok_int(tlsfiles_path(f, a), 1);
	fd = open(a, O_RDONLY | O_CLOEXEC);
	must(fd >= 0);
	for (unsigned i = 0; i < 3; i++)
		ok_int(scan(f, -1, true, a), 0); /* somebody may map it yet */
	must(!unlink(a));
	ok_int(scan(f, fd, true, a), 0);
	ok_int(scan(f, -1, true, a), 0);
	ok_int(scan(f, -1, false, a), 0);
	ok_int(scan(f, -1, true, a), 0);
	ok_int(scan(f, fd, true, a), 0);
	ok_int(scan(f, -1, true, a), 0);
	ok(tlsfiles_at(f, 0));
	ok_int(scan(f, -1, true, a), 1);
	ok(!tlsfiles_at(f, 0));
	ok_int(gone, 1);
	tlsfiles_free(&f);
}

/* Listed, with why; not where all of it is wanted, and never a library. */
static void left_out(void)
{
	char command[512], path[96];
	struct optout_config c = { 0 };
	struct ht_optouts *o = calloc(1, sizeof(*o));
	char why[CONF_WHY_MAX];
	struct tlsfiles *f;
	Dl_info info;

	must(o && !optout_make(&c, o, why) && dladdr((void *)(uintptr_t)SSL_read, &info) && !tlsfiles_new(NULL, &f));
	tlsfiles_leave_out(f, o);
	snprintf(command, sizeof(command), "cp %s %s/chrome && cp %s %s/chrom", info.dli_fname, dir, info.dli_fname, dir);
	must(!system(command));
	snprintf(path, sizeof(path), "%s/chrome", dir);
	ok_int(tlsfiles_path(f, path), 0);
	must(tlsfiles_at(f, 0));
	ok_int(tlsfiles_at(f, 0)->sites, 0);
	ok_int(tlsfiles_at(f, 0)->emulated, 0);
	ok_str(tlsfiles_at(f, 0)->why, "left out by the configuration (browser)");
	snprintf(path, sizeof(path), "%s/chrom", dir);
	ok_int(tlsfiles_path(f, path), 1);
	ok_int(tlsfiles_path(f, info.dli_fname), 1);
	tlsfiles_free(&f);
	free(o);
}

/* In a mount namespace of its own. 0: as it should be, 1: not, 2: it could not be tried. */
static int overlays(void)
{
	char command[512], a[96], b[96];
	struct tlsfiles *f;

	snprintf(command, sizeof(command), "cd %s && mkdir m && mount -t tmpfs ht m && cd m && mkdir l u1 w1 m1 u2 w2 m2 && echo x > l/f && "
		 "mount -t overlay ht -o lowerdir=l,upperdir=u1,workdir=w1 m1 && mount -t overlay ht -o lowerdir=l,upperdir=u2,workdir=w2 m2", dir);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || system(command) || tlsfiles_new(NULL, &f))
		return 2;
	snprintf(a, sizeof(a), "%s/m/m1/f", dir);
	snprintf(b, sizeof(b), "%s/m/m2/f", dir);
	if (look(f, a) != 1 || look(f, b) != 0)
		return 1;
	if (chmod(b, 0700)) /* a copy of its own now */
		return 2;
	return look(f, b) != 1 || look(f, a) != 0;
}

static void a_layer_is_one_file(void)
{
	int status;
	pid_t pid;

	if (geteuid())
		skip("mounting wants root");
	pid = fork();
	if (!pid)
		_exit(overlays());
	waitpid(pid, &status, 0);
	must(WIFEXITED(status));
	if (WEXITSTATUS(status) == 2)
		skip("no overlays here");
	ok_int(WEXITSTATUS(status), 0);
}

static void ends(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	ok_int(system(command), 0);
}

static const struct tap_case cases[] = { CASE(once_for_each_content), CASE(what_is_in_them), CASE(another_name_is_no_other_file), CASE(deleted_ones_are_given_up),
					    CASE(left_out), CASE(a_layer_is_one_file), CASE(ends) };
TAP_MAIN(cases)

/* SPDX-License-Identifier: Apache-2.0 */
/* Files worth a plan: the linker's cache against ldconfig, deleted libraries, other mount namespaces, containers' roots, bounds. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "agent/tls/discover.h"
#include "agent/tls/ldcache.h"
#include "agent/tls/plan.h"
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "tests/tap.h"

static char dir[] = "/tmp/test_tls_discover.XXXXXX";

/* ---- the linker's cache */

struct names {
	struct buf text;
	unsigned n;
};

static int note_name(const char *name, const char *path, void *arg)
{
	struct names *all = arg;

	all->n++;
	return buf_addf(&all->text, "\t%s (libc6,x86-64) => %s\n", name, path);
}

/* ldconfig -p prints the same file; what it adds to the kind of a library is left out here. */
static void cache_is_what_ldconfig_says(void)
{
	_cleanup_buf_ struct buf cache = { 0 };
	struct names all = { 0 };
	char line[PATH_MAX + 256];
	unsigned n = 0;
	FILE *f = popen("/sbin/ldconfig -p", "re");

	if (fsx_read("/etc/ld.so.cache", 1 << 24, &cache) < 0)
		skip("no /etc/ld.so.cache");
	ok_int(ldcache_each(cache.p, cache.n, note_name, &all), 0);
	while (f && fgets(line, sizeof(line), f)) {
		char *kind = strstr(line, " (libc6,x86-64"), *rest = kind ? strstr(kind, ") => ") : NULL;

		if (!rest)
			continue;
		memmove(kind + 14, rest, strlen(rest) + 1);
		ok(strstr(buf_text(&all.text), line));
		n++;
	}
	ok(n > 20);
	ok_int(all.n, n);
	if (f)
		pclose(f);
	buf_free(&all.text);
}

static int stop(const char *name, const char *path, void *arg)
{
	++*(unsigned *)arg;
	return 7;
}

static size_t make_cache(uint8_t *b, uint32_t count, uint32_t flags, uint32_t name, uint32_t path)
{
	static const char strings[] = "libssl.so.3\0/lib/libssl.so.3";
	uint32_t entry[6] = { flags, name, path };

	memset(b, 0, 512);
	memcpy(b, "glibc-ld.so.cache1.1", 20);
	memcpy(b + 20, &count, 4);
	memcpy(b + 48, entry, sizeof(entry));
	memcpy(b + 72, strings, sizeof(strings));
	return 72 + sizeof(strings);
}

static void broken_caches(void)
{
	uint8_t b[1024], old[1024] = "ld.so-1.7.0";
	unsigned calls = 0;
	size_t n = make_cache(b, 1, 0x303, 72, 84);
	uint32_t one = 1;

	ok_int(ldcache_each(b, n, stop, &calls), 7);
	ok_int(calls, 1);
	memcpy(old + 12, &one, 4); /* behind one entry of the older format: 16 + 12, 8-aligned */
	memcpy(old + 32, b, n);
	ok_int(ldcache_each(old, 32 + n, stop, &calls), 7);
	ok_int(calls, 2);
	ok_int(ldcache_each(old, 31, stop, &calls), -EBADMSG);
	make_cache(b, 1, 0x803, 72, 84); /* x32 */
	ok_int(ldcache_each(b, n, stop, &calls), 0);
	make_cache(b, 1, 0x303, 72, (uint32_t)n); /* a path behind the end, one without an end, one that is relative */
	ok_int(ldcache_each(b, n, stop, &calls), 0);
	make_cache(b, 1, 0x303, 72, 84);
	ok_int(ldcache_each(b, n - 1, stop, &calls), 0);
	make_cache(b, 1, 0x303, 72, 72);
	ok_int(ldcache_each(b, n, stop, &calls), 0);
	make_cache(b, 1000, 0x303, 72, 84);
	ok_int(ldcache_each(b, n, stop, &calls), -EBADMSG);
	make_cache(b, UINT32_MAX, 0x303, 72, 84);
	ok_int(ldcache_each(b, n, stop, &calls), -EBADMSG);
	ok_int(ldcache_each((const uint8_t *)"", 0, stop, &calls), -EBADMSG);
	ok_int(calls, 2);
}

/* ---- processes */

struct wanted {
	uint64_t ino;
	unsigned met, all, plans;
	char path[PATH_MAX];
	bool stop;
};

static int note_file(int fd, const struct tls_found *f, void *arg)
{
	struct wanted *w = arg;
	struct tls_plan p = { 0 };

	w->all++;
	if (f->ino != w->ino)
		return 0;
	w->met++;
	w->plans += !tls_plan_file(fd, &p) && p.nsites > 4;
	tls_plan_done(&p);
	snprintf(w->path, sizeof(w->path), "%s", f->path);
	return w->stop ? 7 : 0;
}

/* Copies the OpenSSL that we use. */
static bool copy_library(const char *to)
{
	_cleanup_buf_ struct buf b = { 0 };
	Dl_info info;
	_cleanup_close_ int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	return dladdr((void *)(uintptr_t)SSL_read, &info) && !fsx_read(info.dli_fname, 1 << 26, &b) && fd >= 0 && !fsx_write_all(fd, b.p, b.n);
}

static uint64_t inode(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

/* In a process of its own: prepares itself, says so, and waits to be killed. */
static pid_t spawn(bool (*prepare)(const char *path), const char *path)
{
	int ready[2];
	pid_t pid;
	char c = 0;

	if (pipe2(ready, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		c = prepare(path) ? 'y' : 'n';
		if (write(ready[1], &c, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		c = 0;
	close(ready[0]);
	if (c == 'y')
		return pid;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -1;
}

static void reap(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool map_it(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && mmap(NULL, 65536, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) != MAP_FAILED;
}

static bool map_in_own_namespace(const char *path)
{
	char inside[PATH_MAX];

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("ht", dir, "tmpfs", 0, NULL))
		return false;
	snprintf(inside, sizeof(inside), "%s/libssl.so.77", dir);
	return copy_library(inside) && map_it(inside) && !unlink(inside);
}

static void find_in(pid_t pid, struct wanted *w, unsigned max, int result)
{
	struct tls_discovery *d;

	must(!tls_discovery_new(max, &d));
	ok_int(tls_discover_process(d, (uint32_t)pid, note_file, w), result);
	ok_int(tls_discovery_stats(d)->given, w->all);
	tls_discovery_free(&d);
	ok(!d);
}

static void deleted_library(void)
{
	char path[PATH_MAX];
	struct wanted w = { 0 }, one = { 0 };
	struct tls_discovery *d;
	pid_t pid;

	if (geteuid())
		skip("map_files wants root");
	snprintf(path, sizeof(path), "%s/libssl.so.99", dir);
	must(copy_library(path));
	w.ino = one.ino = inode(path);
	pid = spawn(map_it, path);
	must(pid > 0);
	unlink(path);
	find_in(pid, &w, 100, 0);
	ok_int(w.met, 1);
	ok_int(w.plans, 1);
	ok(strstr(w.path, "libssl.so.99 (deleted)"));
	ok(w.all >= 3); /* this program, libssl.so.3, and the copy; others by their names */
	/* once for each, until forgotten; and no more than there is room for */
	must(!tls_discovery_new(100, &d));
	w.met = w.all = 0;
	for (int i = 0; i < 2; i++)
		ok_int(tls_discover_process(d, (uint32_t)pid, note_file, &w), 0);
	ok_int(w.met, 1);
	tls_discovery_forget(d, makedev(0, 0), w.ino); /* another device's file of the same number */
	ok_int(tls_discover_process(d, (uint32_t)pid, note_file, &w), 0);
	ok_int(w.met, 1);
	tls_discovery_free(&d);
	find_in(pid, &one, 1, 0);
	ok_int(one.all, 1);
	w = (struct wanted){ .ino = w.ino, .stop = true };
	find_in(pid, &w, 100, 7);
	ok_int(w.met, 1);
	reap(pid);
}

/* What was mapped at that address, whatever became of its name; and by a name that was just used. */
static void one_mapping(void)
{
	char path[PATH_MAX];
	struct wanted w = { 0 };
	struct tls_discovery *d;
	void *at;
	int fd;

	if (geteuid())
		skip("map_files wants root");
	snprintf(path, sizeof(path), "%s/libssl.so.98", dir);
	must(copy_library(path));
	w.ino = inode(path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	at = mmap(NULL, 65536, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	must(at != MAP_FAILED && !tls_discovery_new(100, &d));
	close(fd);
	ok_int(tls_discover_path(d, (uint32_t)getpid(), path, note_file, &w), 0);
	ok_int(w.met, 1);
	tls_discovery_free(&d);
	must(!tls_discovery_new(100, &d));
	ok_int(tls_discover_path(d, 0, "/no/such/libssl.so.98", note_file, &w), 0);
	ok_int(tls_discover_path(d, 0x7fffffff, path, note_file, &w), 0);
	ok_int(tls_discover_mapping(d, (uint32_t)getpid(), (uintptr_t)at + 4096, (uintptr_t)at + 65536, path, note_file, &w), 0);
	ok_int(tls_discover_mapping(d, 0x7fffffff, (uintptr_t)at, (uintptr_t)at + 65536, path, note_file, &w), 0);
	ok_int(w.met, 1);
	unlink(path);
	w.stop = true;
	ok_int(tls_discover_mapping(d, (uint32_t)getpid(), (uintptr_t)at, (uintptr_t)at + 65536, path, note_file, &w), 7);
	ok_int(w.met, 2);
	ok_int(w.all, 2);
	tls_discovery_free(&d);
	/* something else was mapped over its end since */
	must(!tls_discovery_new(100, &d) && !munmap((char *)at + 32768, 32768));
	ok_int(tls_discover_mapping(d, (uint32_t)getpid(), (uintptr_t)at, (uintptr_t)at + 65536, path, note_file, &w), 7);
	ok_int(w.met, 3);
	tls_discovery_free(&d);
	munmap(at, 32768);
}

static uint64_t cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Each page a mapping of its own. */
static bool map_many(const char *path, unsigned n)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	bool good = fd >= 0 && !ftruncate(fd, (off_t)n * 8192);

	for (unsigned i = 0; good && i < n; i++)
		good = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, (off_t)i * 8192) != MAP_FAILED;
	if (fd >= 0)
		close(fd);
	unlink(path);
	return good;
}

static void list_mappings(void)
{
	DIR *d = opendir("/proc/self/map_files");

	must(d);
	while (readdir(d))
		;
	closedir(d);
}

/* Who maps as much as it may shall not keep us busy: what is found at an address costs no look at all the others. In a process of its own. */
static void many_mappings(void)
{
	char path[PATH_MAX];
	pid_t pid;
	int status;

	if (geteuid())
		skip("map_files wants root");
	snprintf(path, sizeof(path), "%s/many", dir);
	pid = fork();
	if (!pid) {
		struct tls_discovery *d;
		uint64_t begin, list;
		struct wanted w = { 0 };

		if (!map_many(path, 20000) || tls_discovery_new(100, &d))
			_exit(2);
		begin = cpu_now();
		list_mappings();
		list = cpu_now() - begin;
		begin = cpu_now();
		for (unsigned i = 0; i < 10; i++)	/* it is gone already: nobody finds it before all was looked at */
			tls_discover_mapping(d, (uint32_t)getpid(), 4096, 8192, path, note_file, &w);
		_exit(w.all || cpu_now() - begin > 2 * list);
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid);
	ok(WIFEXITED(status) && !WEXITSTATUS(status));
}

static int note_any(int fd, const struct tls_found *f, void *arg)
{
	struct wanted *w = arg;

	w->ino = f->ino;
	w->met++;
	snprintf(w->path, sizeof(w->path), "%llx", (unsigned long long)f->dev);
	return 0;
}

static void forgotten_is_given_again(void)
{
	struct wanted w = { 0 };
	struct tls_discovery *d;
	unsigned first;

	must(!tls_discovery_new(100, &d));
	ok_int(tls_discover_process(d, (uint32_t)getpid(), note_any, &w), 0);
	first = w.met;
	ok(first >= 1);
	ok_int(tls_discover_process(d, (uint32_t)getpid(), note_any, &w), 0);
	ok_int(w.met, first);
	tls_discovery_forget(d, strtoull(w.path, NULL, 16), w.ino);
	ok_int(tls_discover_process(d, (uint32_t)getpid(), note_any, &w), 0);
	ok_int(w.met, first + 1);
	tls_discovery_free(&d);
}

static void other_mount_namespace(void)
{
	struct tls_discovery *d;
	struct wanted w = { 0 };
	pid_t pid;

	if (geteuid())
		skip("mounting wants root");
	pid = spawn(map_in_own_namespace, "");
	must(pid > 0);
	must(!tls_discovery_new(100, &d));
	ok_int(tls_discover_process(d, (uint32_t)pid, note_any, &w), 0);
	ok(w.met >= 3 && !tls_discovery_stats(d)->left_out);
	tls_discovery_free(&d);
	reap(pid);
}

static bool enter_overlay(const char *path)
{
	char command[512], inside[128];

	snprintf(command, sizeof(command), "cd %s && mkdir upper work merged && mount -t overlay ht -o lowerdir=../lower,upperdir=upper,workdir=work merged", path);
	snprintf(inside, sizeof(inside), "%s/merged/libssl.so.55", path);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mkdir(path, 0755) || system(command))
		return false;
	return map_it(inside);
}

/* Copied up, it is another file. */
static bool enter_overlay_and_change(const char *path)
{
	char command[128];

	snprintf(command, sizeof(command), "chmod 700 %s/merged/libssl.so.55", path);
	return enter_overlay(path) && !system(command) && map_it(strcat(strcpy(command, path), "/merged/libssl.so.55"));
}

/* An image's layer in three containers, one of which has a copy of its own. */
static void overlays_share_layers(void)
{
	static const char *const names[] = { "a", "b", "c" };
	char path[256], lower[128];
	struct tls_discovery *d;
	struct wanted w = { 0 };
	uint64_t before;
	pid_t pids[3];

	if (geteuid())
		skip("mounting wants root");
	snprintf(path, sizeof(path), "%s/layers", dir);
	must(!mkdir(path, 0755));
	if (mount("ht", path, "tmpfs", 0, NULL))
		skip("no tmpfs");
	snprintf(lower, sizeof(lower), "%s/layers/lower", dir);
	must(!mkdir(lower, 0755));
	must(copy_library(strcat(strcpy(path, lower), "/libssl.so.55")));
	must(!tls_discovery_new(100, &d));
	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/layers/%s", dir, names[i]);
		pids[i] = spawn(i == 2 ? enter_overlay_and_change : enter_overlay, path);
		must(pids[i] > 0);
		before = tls_discovery_stats(d)->given;
		ok_int(tls_discover_process(d, (uint32_t)pids[i], note_any, &w), 0);
		printf("# %s: %llu more\n", names[i], (unsigned long long)(tls_discovery_stats(d)->given - before));
		if (i)
			ok_int(tls_discovery_stats(d)->given - before, i == 2);
	}
	ok_int(tls_discovery_stats(d)->left_out, 0);
	tls_discovery_free(&d);
	for (unsigned i = 0; i < 3; i++)
		reap(pids[i]);
	snprintf(path, sizeof(path), "%s/layers", dir);
	ok(!umount(path));
}

/* A root with a library that nobody uses, named by its linker's cache; and with names that point out of it. */
static bool enter_root(const char *path)
{
	return !unshare(CLONE_NEWNS) && !chroot(path) && !chdir("/");
}

/* For who has another process read the cache. */
static void one_root(pid_t pid, uint64_t library)
{
	_cleanup_close_ int at = -1, cache = -1;
	struct wanted w = { .ino = library };
	struct tls_discovery *d;
	char text[20] = "";

	must(!tls_discovery_new(4096, &d));
	ok_int(tls_discover_root(d, (uint32_t)getpid(), &at, &cache), -ENOENT);	/* ours */
	ok_int(tls_discover_root(d, 0x7ffffff0, &at, &cache), -ENOENT);
	ok(at == -1 && cache == -1);
	must(!tls_discover_root(d, (uint32_t)pid, &at, &cache));
	must(read(cache, text, sizeof(text)) == sizeof(text));
	ok(!memcmp(text, "glibc-ld.so.cache1.1", sizeof(text)));
	ok_int(tls_discover_library(d, (uint32_t)pid, at, "/lib/libgnutls.so.30", note_file, &w), 0);	/* the way out */
	ok_int(tls_discover_library(d, (uint32_t)pid, at, "/lib/none.so", note_file, &w), 0);
	ok_int(w.all, 0);
	ok_int(tls_discover_library(d, (uint32_t)pid, at, "/lib/libssl.so.3", note_file, &w), 0);
	ok_int(w.met, 1);
	ok_str(w.path, "/lib/libssl.so.3");
	tls_discovery_free(&d);
}

static void container_root(void)
{
	char root[128], path[256], command[1024];
	struct wanted w = { 0 }, out = { 0 };
	struct tls_discovery *d;
	pid_t pid;

	if (geteuid())
		skip("chroot wants root");
	snprintf(root, sizeof(root), "%s/root", dir);
	snprintf(command, sizeof(command), "mkdir -p %s/etc %s/lib %s/usr/lib && echo /lib > %s/etc/ld.so.conf", root, root, root, root);
	must(!system(command));
	snprintf(path, sizeof(path), "%s/lib/libssl.so.3", root);
	must(copy_library(path));
	w.ino = inode(path);
	snprintf(path, sizeof(path), "%s/lib/libgnutls.so.30", root);
	must(copy_library(path));
	snprintf(command, sizeof(command), "/sbin/ldconfig -r %s", root);
	must(!system(command));
	unlink(path); /* it was in the cache; now it is a way out */
	snprintf(command, sizeof(command), "%s/outside.so", dir);
	must(copy_library(command));
	out.ino = inode(command);
	must(!symlink(command, path));
	pid = spawn(enter_root, root);
	must(pid > 0);
	must(!tls_discovery_new(4096, &d));
	ok_int(tls_discover_host(d, note_file, &w), 0);
	ok_int(w.met, 1);
	ok_int(w.plans, 1);
	ok_str(w.path, "/lib/libssl.so.3");
	tls_discovery_free(&d);
	must(!tls_discovery_new(4096, &d));
	ok_int(tls_discover_host(d, note_file, &out), 0);
	ok_int(out.met, 0);
	ok(out.all > 1);
	tls_discovery_free(&d);
	one_root(pid, w.ino);
	reap(pid);
}

static void this_host(void)
{
	struct tls_discovery *d;
	struct wanted w = { 0 };
	Dl_info info;

	must(dladdr((void *)(uintptr_t)SSL_read, &info));
	w.ino = inode(info.dli_fname);
	must(!tls_discovery_new(4096, &d));
	ok_int(tls_discover_host(d, note_file, &w), 0);
	ok_int(w.met, 1);
	printf("# %u files, %llu left out\n", w.all, (unsigned long long)tls_discovery_stats(d)->left_out);
	ok_int(tls_discovery_stats(d)->given, w.all);
	tls_discovery_free(&d);
}

static void processes_that_are_none(void)
{
	struct tls_discovery *d;
	struct wanted w = { 0 };
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	must(!tls_discovery_new(10, &d));
	ok_int(tls_discover_process(d, (uint32_t)pid, note_file, &w), -ESRCH);
	ok_int(tls_discover_process(d, 0, note_file, &w), -ESRCH);
	ok_int(w.all, 0);
	tls_discovery_free(&d);
	tls_discovery_free(&d);
}

static void begins(void)
{
	ok(mkdtemp(dir));
}

static void ends(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	ok_int(system(command), 0);
}

static const struct tap_case cases[] = {
	CASE(begins), CASE(cache_is_what_ldconfig_says), CASE(broken_caches), CASE(deleted_library), CASE(one_mapping), CASE(many_mappings), CASE(forgotten_is_given_again),
	CASE(other_mount_namespace), CASE(overlays_share_layers), CASE(container_root), CASE(this_host), CASE(processes_that_are_none), CASE(ends),
};
TAP_MAIN(cases)

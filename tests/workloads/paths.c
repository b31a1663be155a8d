// SPDX-License-Identifier: Apache-2.0
/*
 * paths SCENARIO DIR: makes calls on paths that are hard to name, and says for each one what is true of it:
 *
 *     want CALL ASKED RESULT PATH KIND INROOT
 *
 * ASKED is the string that the call was given, PATH what it was about as seen from the root of the mount namespace, INROOT
 * the same as seen from the task's root. All three in hexadecimal, "-" where nothing is claimed. RESULT is "ok" or the error's
 * number, KIND a pathKind or "-". Ends with 77 where the kernel lacks what the scenario needs.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "work.h"

#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 4
#endif

static const char *dir;

static void hex(const char *s)
{
	putchar(' ');
	if (!s)
		putchar('-');
	for (; s && *s; s++)
		printf("%02x", (unsigned char)*s);
}

/* Says what is true; err is the call's errno or 0. */
static void want(const char *call, const char *asked, int err, const char *path, const char *kind, const char *in_root)
{
	printf("want %s", call);
	hex(asked);
	if (err)
		printf(" %d", err);
	else
		printf(" ok");
	hex(path);
	printf(" %s", kind ? kind : "-");
	hex(in_root);
	putchar('\n');
	fflush(stdout);
}

static void need(int r, const char *what)
{
	if (r >= 0)
		return;
	perror(what);
	exit(errno == EPERM || errno == ENOSYS || errno == ENODEV || errno == EINVAL ? 77 : 1);
}

/* /proc's own word for a descriptor. */
static char *truth(int fd)
{
	static char text[8192];
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, text, sizeof(text) - 1);
	if (n < 0)
		die(link);
	text[n] = 0;
	return text;
}

static char *below(const char *base, const char *rest)
{
	static char text[4][16384];
	static unsigned i;
	char *t = text[i++ % 4];

	snprintf(t, sizeof(text[0]), "%s/%s", base, rest);
	return t;
}

/* openat(at, name); what is true is `path`, or what /proc says if that is NULL. */
static int open_says(int at, const char *name, int flags, const char *path, const char *kind, const char *in_root)
{
	int fd = openat(at, name, flags, 0600), e = errno;

	want("openat", name, fd < 0 ? e : 0, path || fd < 0 ? path : truth(fd), kind, in_root);
	return fd;
}

/* truncate(): a call that returns no descriptor. */
static void truncate_says(const char *name, const char *path, const char *in_root)
{
	int r = truncate(name, 1);

	want("truncate", name, r ? errno : 0, path, NULL, in_root);
}

static void private_mounts(void)
{
	need(unshare(CLONE_NEWNS), "unshare");
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
}

static void make_dirs(const char *const *names)
{
	for (; *names; names++)
		need(mkdir(*names, 0755), *names);
}

#define DIRS(...) make_dirs((const char *const[]){ __VA_ARGS__, NULL })

static void scenario_bind(void)
{
	int fd;

	private_mounts();
	DIRS("a", "a/sub", "a/sub/moved", "b", "c");
	need(mount("a/sub", "b", NULL, MS_BIND, NULL), "bind");
	open_says(AT_FDCWD, "b/in-bind", O_CREAT | O_RDWR, below(dir, "b/in-bind"), NULL, NULL);
	open_says(AT_FDCWD, "a/sub/in-bind", O_RDWR, below(dir, "a/sub/in-bind"), NULL, NULL);
	truncate_says("b/in-bind", below(dir, "b/in-bind"), NULL);
	need(mount("none", "c", "tmpfs", 0, NULL), "tmpfs");
	open_says(AT_FDCWD, "c/one", O_CREAT | O_RDWR, NULL, NULL, NULL);
	need(mount("none", "c", "tmpfs", 0, NULL), "tmpfs");	/* covers the first */
	open_says(AT_FDCWD, "c/two", O_CREAT | O_RDWR, NULL, NULL, NULL);
	need(mount("b/in-bind", "c/two", NULL, MS_BIND, NULL), "bind of a file");
	open_says(AT_FDCWD, "c/two", O_RDONLY, below(dir, "c/two"), NULL, NULL);
	fd = open("b/moved", O_PATH | O_DIRECTORY);
	need(rename("a/sub/moved", "a/moved"), "rename");	/* out of what the bind mount shows */
	open_says(fd, "beyond", O_CREAT | O_RDWR, "-", "detached", NULL);	/* the kernel itself cannot name it */
}

static void scenario_overlay(void)
{
	private_mounts();
	DIRS("t");
	need(mount("none", "t", "tmpfs", 0, NULL), "tmpfs");
	DIRS("t/lower", "t/upper", "t/work", "t/merged", "t/lower/d");
	close(open("t/lower/d/low", O_CREAT | O_WRONLY, 0600));
	need(mount("overlay", "t/merged", "overlay", 0, "lowerdir=t/lower,upperdir=t/upper,workdir=t/work"), "overlay");
	open_says(AT_FDCWD, "t/merged/d/low", O_RDONLY, below(dir, "t/merged/d/low"), NULL, NULL);
	open_says(AT_FDCWD, "t/merged/d/low", O_RDWR, below(dir, "t/merged/d/low"), NULL, NULL);	/* copied up */
	open_says(AT_FDCWD, "t/merged/new", O_CREAT | O_RDWR, below(dir, "t/merged/new"), NULL, NULL);
	truncate_says("t/merged/d/low", below(dir, "t/merged/d/low"), NULL);
}

static void scenario_chroot(void)
{
	int outside = open(".", O_PATH | O_DIRECTORY);

	DIRS("r", "r/etc", "r/in", "r/in/etc");
	need(symlink("/etc", "r/link"), "symlink");
	need(chroot("r") | chdir("/"), "chroot");
	open_says(AT_FDCWD, "/etc/made", O_CREAT | O_RDWR, below(dir, "r/etc/made"), NULL, "/etc/made");
	open_says(AT_FDCWD, "etc/relative", O_CREAT | O_RDWR, below(dir, "r/etc/relative"), NULL, "/etc/relative");
	open_says(AT_FDCWD, "/link/followed", O_CREAT | O_RDWR, below(dir, "r/etc/followed"), NULL, "/etc/followed");
	open_says(AT_FDCWD, "/etc/none", O_RDONLY, below(dir, "r/etc/none"), NULL, "/etc/none");
	open_says(AT_FDCWD, "etc/nothing", O_RDONLY, below(dir, "r/etc/nothing"), NULL, "/etc/nothing");
	truncate_says("/etc/made", below(dir, "r/etc/made"), "/etc/made");
	truncate_says("/etc/absent", below(dir, "r/etc/absent"), "/etc/absent");
	truncate_says("etc/missing", below(dir, "r/etc/missing"), "/etc/missing");
	open_says(outside, "escaped", O_CREAT | O_RDWR, below(dir, "escaped"), NULL, NULL);
	need(chroot("/in") | chdir("/"), "chroot");	/* and again, to another one */
	open_says(AT_FDCWD, "/etc/never", O_RDONLY, below(dir, "r/in/etc/never"), NULL, "/etc/never");
	truncate_says("/etc/again", below(dir, "r/in/etc/again"), "/etc/again");
	need(fchdir(outside) | chroot("../../../../../../../.."), "the way back");
	open_says(AT_FDCWD, below(dir, "back"), O_RDONLY, below(dir, "back"), NULL, NULL);
}

static void scenario_pivot(void)
{
	private_mounts();
	DIRS("n");
	need(mount("none", "n", "tmpfs", 0, NULL), "tmpfs");
	need(chdir("n"), "n");
	DIRS("old", "etc");
	open_says(AT_FDCWD, "etc/before", O_CREAT | O_RDWR, NULL, NULL, NULL);
	need((int)syscall(SYS_pivot_root, ".", "old"), "pivot_root");
	need(chdir("/"), "/");
	open_says(AT_FDCWD, "/etc/after", O_CREAT | O_RDWR, "/etc/after", NULL, NULL);
	open_says(AT_FDCWD, "/etc/missing", O_RDONLY, "/etc/missing", NULL, NULL);
	truncate_says("/etc/gone", "/etc/gone", NULL);
	need(chdir(below("/old", dir + 1)), "old");
	open_says(AT_FDCWD, "from-old", O_CREAT | O_RDWR, below(below("/old", dir + 1), "from-old"), NULL, NULL);
	need(umount2("/old", MNT_DETACH), "umount");
	open_says(AT_FDCWD, "cut-off", O_CREAT | O_RDWR, "-", "detached", NULL);
}

static void scenario_detached(void)
{
	int fs, at;

	private_mounts();
	DIRS("a", "m");
	at = (int)syscall(SYS_open_tree, AT_FDCWD, "a", 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);
	need(at, "open_tree");
	open_says(at, "in-tree", O_CREAT | O_RDWR, "/in-tree", "detached", NULL);
	fs = (int)syscall(SYS_fsopen, "tmpfs", 0);
	need(fs, "fsopen");
	need((int)syscall(SYS_fsconfig, fs, 6 /* CMD_CREATE */, NULL, NULL, 0), "fsconfig");
	at = (int)syscall(SYS_fsmount, fs, 0, 0);
	need(at, "fsmount");
	open_says(at, "in-new", O_CREAT | O_RDWR, "/in-new", "detached", NULL);
	need((int)syscall(SYS_move_mount, at, "", AT_FDCWD, "m", MOVE_MOUNT_F_EMPTY_PATH), "move_mount");
	open_says(at, "in-place", O_CREAT | O_RDWR, below(dir, "m/in-place"), NULL, NULL);
	need(chdir("m") | umount2(below(dir, "m"), MNT_DETACH), "umount");
	open_says(AT_FDCWD, "cut-off", O_CREAT | O_RDWR, "/cut-off", "detached", NULL);
}

static void scenario_deleted(void)
{
	char name[64];
	int fd;

	fd = open_says(AT_FDCWD, "gone", O_CREAT | O_RDWR, below(dir, "gone"), NULL, NULL);
	unlink("gone");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	open_says(AT_FDCWD, name, O_RDONLY, below(dir, "gone"), "deleted", NULL);
	open_says(AT_FDCWD, ".", O_TMPFILE | O_RDWR, "-", "deleted", NULL);
	DIRS("d");
	need(chdir("d") | rmdir("../d"), "d");
	open_says(AT_FDCWD, "in-removed", O_CREAT | O_RDWR, below(dir, "d/in-removed"), "deleted", NULL);
	fd = memfd_create("no file", 0);
	need(fd, "memfd_create");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	open_says(AT_FDCWD, name, O_RDONLY, "/memfd:no file", "memfd", NULL);
}

#define DEEP 5000

#define STRETCH 50	/* so many are made at a time, near the top: a call at the bottom is recorded with all of its names */

/* "t/d/d...", n times "d". */
static const char *stretch(int n)
{
	static char s[2 * STRETCH + 4];

	strcpy(s, "t");
	for (int i = 0; i < n; i++)
		strcat(s, "/d");
	return s;
}

/* Directories above "d". */
static void put_above(void)
{
	for (int i = 1; i <= STRETCH; i++)
		if (mkdir(stretch(i), 0755))
			die("d");
	if (!access("d", F_OK) && rename("d", stretch(STRETCH + 1)))
		die("t/d");
	if (rename("t/d", "d"))
		die("d");
}

static void take_away(void)
{
	if (rename("d", "t/d"))
		die("t/d");
	if (!access(stretch(STRETCH + 1), F_OK) && rename(stretch(STRETCH + 1), "d"))
		die("d");
	for (int i = STRETCH; i; i--)
		if (rmdir(stretch(i)))
			die("d");
}

static void go_down(void)
{
	char step[2 * 1000 + 1] = "";

	for (int i = 0; i < 1000; i++)
		strcat(step, i ? "/d" : "d");
	for (int i = 0; i < DEEP; i += 1000)
		if (chdir(step))
			die("down");
}

static void scenario_deep(void)
{
	char *path = malloc(strlen(dir) + 2 * DEEP + 64), *at = path;
	int fd;

	if (mkdir("t", 0755))
		die("t");
	at += sprintf(at, "%s", dir);
	for (int i = 0; i < DEEP; i++)
		at += sprintf(at, "/d");
	for (int i = 0; i < DEEP; i += STRETCH)
		put_above();
	go_down();
	strcpy(at, "/bottom");
	open_says(AT_FDCWD, "bottom", O_CREAT | O_RDWR, path, NULL, NULL);
	strcpy(at, "/none");
	open_says(AT_FDCWD, "none", O_RDONLY, path, NULL, NULL);
	truncate_says("none", path, NULL);
	unlink("bottom");
	if (chdir(dir))
		die(dir);
	for (int i = 0; i < DEEP; i += STRETCH)
		take_away();
	fd = open_says(AT_FDCWD, "top", O_CREAT | O_RDWR, below(dir, "top"), NULL, NULL);
	close(fd);
}

/* "./././" to exactly n bytes, ending in name. */
static char *filled(int n, const char *name)
{
	char *s = calloc(1, (size_t)n + 1);
	int fill = n - (int)strlen(name);

	for (int i = 0; i < fill; i++)
		s[i] = i % 2 ? '/' : '.';
	if (fill % 2)
		s[fill - 1] = '/';
	memcpy(s + fill, name, strlen(name));
	return s;
}

static void scenario_long(void)
{
	static const int lengths[] = { 8, 9, 15, 16, 17, 119, 120, 121, 126, 127, 128, 129, 130, 136, 3998, 3999, 4000, 4001, 4094, 4095, 4096, 5000 };
	char name[16];

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		snprintf(name, sizeof(name), "near%d", lengths[i]);
		char *s = filled(lengths[i], name), *path = lengths[i] < 4096 ? below(dir, name) : NULL;

		open_says(AT_FDCWD, s, O_CREAT | O_RDWR, path, NULL, NULL);
		truncate_says(s, path, NULL);
		free(s);
	}
}

static void scenario_names(void)
{
	static const char *const names[] = { "new\nline", "\xff\xfe\x80 bad", "q\"uote\\", "\x01\x1b[31m", "\xc3\xbc\xe2\x98\x83",
					     "\xef\xbf\xbd" "ff", "\xed\xa0\x80", "tab\t", " ", "\xc3" };
	char longest[256];

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		open_says(AT_FDCWD, names[i], O_CREAT | O_RDWR, below(dir, names[i]), NULL, NULL);
		truncate_says(names[i], below(dir, names[i]), NULL);
	}
	memset(longest, 0xfe, 255);
	longest[255] = 0;
	open_says(AT_FDCWD, longest, O_CREAT | O_RDWR, below(dir, longest), NULL, NULL);
	truncate_says(longest, below(dir, longest), NULL);
}

/* Strings whose pages are in a file that nobody has mapped yet, partly there, or not readable at all. */
static void scenario_pages(void)
{
	char page[4096] = "absent";
	int fd = open("strings", O_CREAT | O_RDWR, 0600);
	char *p;

	memcpy(page + 4093, "two pages", 3);
	if (write(fd, page, 4096) != 4096 || write(fd, " pages", 7) != 7)
		die("strings");
	p = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	open_says(AT_FDCWD, p, O_CREAT | O_RDWR, below(dir, "absent"), NULL, NULL);
	madvise(p, 8192, MADV_DONTNEED);
	truncate_says(p, below(dir, "absent"), NULL);
	madvise(p, 8192, MADV_DONTNEED);
	open_says(AT_FDCWD, p + 4093, O_CREAT | O_RDWR, below(dir, "two pages"), NULL, NULL);
	madvise(p, 8192, MADV_DONTNEED);
	truncate_says(p + 4093, below(dir, "two pages"), NULL);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);	/* nothing is behind the name's NUL */
	if (p == MAP_FAILED || munmap(p + 4096, 4096))
		die("mmap");
	memcpy(p + 4089, "at end", 7);
	open_says(AT_FDCWD, p + 4089, O_CREAT | O_RDWR, below(dir, "at end"), NULL, NULL);
	truncate_says(p + 4089, below(dir, "at end"), NULL);
	mprotect(p, 4096, PROT_NONE);
	want("truncate", NULL, truncate(p, 1) ? errno : 0, NULL, NULL, NULL);
	want("openat", NULL, openat(AT_FDCWD, p, O_RDONLY) < 0 ? errno : 0, NULL, NULL, NULL);
}

/* 2,048 arguments of `width` bytes to a program that is there and to one that is not. */
static void many_arguments(int width)
{
	char *argv[2049] = { "paths" };

	for (int i = 1; i < 2048; i++)
		if (asprintf(&argv[i], "%0*d", width, i) < 0)
			die("asprintf");
	execv("/none", argv);
	if (!vfork())
		execv("/proc/self/exe", argv);
	wait(NULL);
}

static void scenario_argv(void)
{
	many_arguments(4);
	many_arguments(43);	/* the most that 100 KB hold */
	many_arguments(200);
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "bind", scenario_bind }, { "overlay", scenario_overlay }, { "chroot", scenario_chroot }, { "pivot", scenario_pivot },
	{ "detached", scenario_detached }, { "deleted", scenario_deleted }, { "deep", scenario_deep }, { "long", scenario_long },
	{ "names", scenario_names }, { "pages", scenario_pages }, { "argv", scenario_argv },
};

int main(int argc, char **argv)
{
	if (argc == 2048)
		return 0;
	if (argc != 3)
		usage("paths SCENARIO DIR");
	dir = argv[2];
	if (chdir(dir))
		die(dir);
	for (unsigned i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (!strcmp(argv[1], scenarios[i].name)) {
			scenarios[i].run();
			return 0;
		}
	usage("paths SCENARIO DIR: no such scenario");
}

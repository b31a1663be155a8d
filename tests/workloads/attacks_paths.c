// SPDX-License-Identifier: Apache-2.0
/*
 * attacks_paths HOW DIR COUNT: opens whose path another process changes meanwhile, and files that mounts hide.
 *
 *     symlink  COUNT opens of link/f, while another process points the link to DIR/real and DIR/decoy in turn. The truth is a
 *              letter a call: r (real), d (decoy)
 *     parents  COUNT opens of one file eight folders deep, while another process renames the folders one after the other, from
 *              the lowest up, between names that end in "old" and in "new"
 *     mounts   files below, beside and behind other mounts; for each open: "at NAME DEVICE INODE PATH KIND"
 *     roots    a chroot, and one inside of that
 *     cloned   names in a chroot that lies in a detached copy of DIR/a: one that is not there, and one that is removed
 *     handle   a file that is opened by its handle, before anybody has looked for its name: "by handle INODE"
 * Ends with 77 where the kernel lacks what the attack needs.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "attacks.h"

#define DEPTH 8
#define FLAGS (O_RDONLY | O_CLOEXEC)	/* tells the attack's opens from others */

static const char *dir;
static long count;
static atomic_int *stop;	/* not killed: each call that the other process counts is made */

static pid_t begin(void (*other)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		did("clone");
	if (!pid) {
		work_pin(1);
		other();
		_exit(0);
	}
	work_pin(0);
	return pid;
}

static void end(pid_t pid)
{
	*stop = 1;
	work_wait(pid);
}

static void make(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	did("openat");
	if (fd < 0)
		die(path);
	close(fd);
}

static ino_t inode(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		die(path);
	return st.st_ino;
}

/* ---- a link that points elsewhere all the time ---- */

static void flip(void)
{
	for (unsigned i = 0; !*stop; i++) {
		did("symlink");
		did("rename");
		if (symlink(i % 2 ? "real" : "decoy", "next") || rename("next", "link"))
			die("link");
	}
}

static void race_symlink(void)
{
	ino_t real;
	pid_t pid;

	if (mkdir("real", 0755) || mkdir("decoy", 0755) || symlink("real", "link"))
		die("mkdir");
	make("real/f");
	make("decoy/f");
	real = inode("real/f");
	pid = begin(flip);
	for (long i = 0; i < count; i++) {
		int fd = openat(AT_FDCWD, "link/f", FLAGS);
		struct stat st;

		did("openat");
		if (fd < 0 || fstat(fd, &st))
			die("link/f");
		truth(st.st_ino == real ? 'r' : 'd');
		close(fd);
	}
	end(pid);
}

/* ---- folders that are renamed one after the other ---- */

/* The path of folder n while those up to `changed` from below have their other names. */
static void folder(char *text, int n, int renamed, bool back)
{
	int at = 0;

	for (int i = 0; i <= n; i++)
		at += snprintf(text + at, (size_t)(PATH_MAX - at), "%s%d%s", i ? "/" : "", i, (i > renamed) != back ? "new" : "old");
}

static void rename_all(void)
{
	char from[PATH_MAX], to[PATH_MAX];

	for (bool back = false; !*stop; back = !back)
		for (int n = DEPTH - 1; n >= 0; n--) {
			folder(from, n, n, back);
			folder(to, n, n - 1, back);
			did("rename");
			if (rename(from, to))
				die(from);
		}
}

static void race_parents(void)
{
	char path[PATH_MAX];
	int deepest;
	pid_t pid;

	for (int n = 0; n < DEPTH; n++) {
		folder(path, n, DEPTH, false);
		if (mkdir(path, 0755))
			die(path);
	}
	deepest = open(path, O_PATH | O_DIRECTORY);
	did("openat");
	close(openat(deepest, "f", O_CREAT | O_WRONLY, 0600));
	did("openat");
	pid = begin(rename_all);
	for (long i = 0; i < count; i++) {
		close(openat(deepest, "f", FLAGS));
		did("openat");
	}
	end(pid);
}

/* ---- mounts ---- */

static void need(int r, const char *what)
{
	if (r >= 0)
		return;
	perror(what);
	exit(77);
}

static void at(int base, const char *name, const char *path, const char *kind)
{
	int fd = openat(base, name, FLAGS);
	struct stat st;

	did("openat");
	if (fd < 0 || fstat(fd, &st))
		die(name);
	printf("at %s %u:%u %lu %s %s\n", name, major(st.st_dev), minor(st.st_dev), (unsigned long)st.st_ino, path, kind);
	close(fd);
}

/* Below a mount that covers it, a file has the path of the one that is seen there: the inode tells them apart. */
static void covered(void)
{
	int under;

	need(mkdir("m", 0755), "m");
	make("m/f");
	under = open("m", O_PATH | O_DIRECTORY);
	did("openat");
	need(mount("none", "m", "tmpfs", 0, NULL), "tmpfs");
	make("m/f");
	at(AT_FDCWD, "m/f", "/m/f", "-");
	at(under, "f", "/m/f", "-");
	make("real");
	make("decoy");
	need(mount("real", "decoy", NULL, MS_BIND, NULL), "bind");
	at(AT_FDCWD, "decoy", "/decoy", "-");
	at(AT_FDCWD, "real", "/real", "-");
}

/* A mount that hangs nowhere, one that is moved into place, one that is cut off. */
static void detached(void)
{
	int tree;

	need(mkdir("a", 0755) | mkdir("b", 0755), "mkdir");
	make("a/f");
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, "a", 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);
	need(tree, "open_tree");
	at(tree, "f", "f", "detached");
	need((int)syscall(SYS_move_mount, tree, "", AT_FDCWD, "b", 4 /* MOVE_MOUNT_F_EMPTY_PATH */), "move_mount");
	at(tree, "f", "/b/f", "-");
	need(umount2("b", MNT_DETACH), "umount");
	at(tree, "f", "f", "detached");
}

static void hide_by_mounts(void)
{
	need(unshare(CLONE_NEWNS), "unshare");
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	covered();
	detached();
}

static void roots(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/a", dir);
	need(mkdir("a", 0755) | mkdir("a/b", 0755) | mkdir("a/b/c", 0755), "mkdir");
	need(chroot(path) | chroot("/b") | chdir("/") | chroot("c"), "chroot");
}

static void cloned(void)
{
	int tree;

	need(mkdir("a", 0755), "mkdir");
	make("a/f");
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, "a", 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);
	need(tree, "open_tree");
	need(fchdir(tree) | chroot("."), "chroot");
	if (open("/none", FLAGS) >= 0 || unlink("/f"))
		die("in the copy");
}

/* The cache of a filesystem that was just mounted has no names. */
static void by_handle(void)
{
	static const char mount_it[] = "mount -o loop img m && umount m && mount -o loop img m";
	struct {
		struct file_handle h;
		char room[MAX_HANDLE_SZ];
	} f = { .h.handle_bytes = MAX_HANDLE_SZ };
	struct stat st;
	int id, fd;

	need(unshare(CLONE_NEWNS) | mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) | mkdir("m", 0755), "private mounts");
	need(system("mkfs.ext4 -q img 8M && mount -o loop img m && mkdir m/a && echo x > m/a/f") ? -1 : 0, "a filesystem");
	need(name_to_handle_at(AT_FDCWD, "m/a/f", &f.h, &id, 0), "handle");
	need(umount("m") | system(mount_it), "mount");
	fd = open_by_handle_at(open("m", O_RDONLY | O_DIRECTORY), &f.h, FLAGS);
	need(fd, "open_by_handle_at");
	if (fstat(fd, &st))
		die("fstat");
	printf("by handle %lu\n", (unsigned long)st.st_ino);
}

static const struct {
	const char *name;
	void (*run)(void);
} ways[] = { { "symlink", race_symlink }, { "parents", race_parents }, { "mounts", hide_by_mounts }, { "roots", roots },
	   { "cloned", cloned }, { "handle", by_handle } };

int main(int argc, char **argv)
{
	static const char *const names[] = { "clone", "openat", "symlink", "rename", NULL };

	if (argc != 4 || chdir(argv[2]))
		usage("attacks_paths HOW DIR COUNT");
	dir = argv[2];
	count = atol(argv[3]);
	attacks_begin(names, count);
	stop = shared_pages(sizeof(*stop));
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(argv[1], ways[i].name)) {
			ways[i].run();
			attacks_end();
			return 0;
		}
	usage("attacks_paths: no such way");
}

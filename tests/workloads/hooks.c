// SPDX-License-Identifier: Apache-2.0
/*
 * hooks DIR: makes calls whose paths lead through a symbolic link, so that what was asked and what it led to have different
 * names, and says of each one
 *
 *     did CALL ERRNO HOOKED PATH NEWPATH
 *
 * PATH (and NEWPATH, else "-") is what the call was about. HOOKED: "object" if the kernel had found that before it ended the
 * call, so that a hook can have seen it, or "user": it failed before. Each call is made to succeed, and to be refused by the
 * last thing that is asked, which is what another user may not do.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <utime.h>

#include "work.h"

static char dir[4000];

static void said(const char *call, long r, const char *hooked, const char *path, const char *new_path)
{
	printf("did %s %d %s %s%s ", call, r < 0 ? errno : 0, hooked, dir, path);
	printf(new_path ? "%s%s\n" : "-\n", dir, new_path);
}

#define SAY(call, hooked, path, r) said(call, r, hooked, path, NULL)
#define SAY2(call, hooked, path, new_path, r) said(call, r, hooked, path, new_path)

static void names(void)
{
	SAY("mkdir", "object", "/real/d", syscall(SYS_mkdir, "link/d", 0755));
	SAY("mkdirat", "object", "/real/d2", syscall(SYS_mkdirat, AT_FDCWD, "link//./d2", 0755));
	SAY("mkdir", "user", "/link/d", syscall(SYS_mkdir, "link/d", 0755));	/* it exists */
	SAY("mknod", "object", "/real/f", syscall(SYS_mknod, "link/f", S_IFREG | 0644, 0));
	SAY("mknodat", "object", "/real/p", syscall(SYS_mknodat, AT_FDCWD, "link/p", S_IFIFO | 0644, 0));
	SAY("symlink", "object", "/real/s", syscall(SYS_symlink, "f", "link/s"));
	SAY("symlinkat", "object", "/real/s2", syscall(SYS_symlinkat, "p", AT_FDCWD, "link/s2"));
	SAY2("link", "object", "/real/f", "/real/d/h", syscall(SYS_link, "link/f", "link/d/h"));
	SAY2("linkat", "object", "/real/s", "/real/h2", syscall(SYS_linkat, AT_FDCWD, "link/s", AT_FDCWD, "link/h2", 0));
	SAY2("linkat", "object", "/real/f", "/real/h3", syscall(SYS_linkat, AT_FDCWD, "link/s", AT_FDCWD, "link/h3", AT_SYMLINK_FOLLOW));
	SAY2("rename", "object", "/real/h2", "/real/d/r", syscall(SYS_rename, "link/h2", "link/d/r"));
	SAY2("renameat", "object", "/real/h3", "/real/d/r", syscall(SYS_renameat, AT_FDCWD, "link/h3", AT_FDCWD, "link/d/r"));
	SAY2("renameat2", "object", "/real/d/r", "/real/d/h",
	     syscall(SYS_renameat2, AT_FDCWD, "link/d/r", AT_FDCWD, "link/d/h", 2 /* RENAME_EXCHANGE */));
	SAY("rmdir", "object", "/real/d", syscall(SYS_rmdir, "link/d/"));	/* not empty */
	SAY("rmdir", "object", "/real/d2", syscall(SYS_rmdir, "link/d2"));
	SAY("unlink", "object", "/real/d/r", syscall(SYS_unlink, "link/d/r"));
	SAY("unlinkat", "object", "/real/d/h", syscall(SYS_unlinkat, AT_FDCWD, "link/d/h", 0));
	SAY("unlinkat", "object", "/real/d", syscall(SYS_unlinkat, AT_FDCWD, "link/d", AT_REMOVEDIR));
	SAY("unlink", "user", "/link/none", syscall(SYS_unlink, "link/none"));
}

static void objects(void)
{
	struct timespec times[2] = { { 1, 0 }, { 2, 0 } };
	struct timeval old[2] = { { 1, 0 }, { 2, 0 } };
	struct utimbuf older = { 1, 2 };

	SAY("truncate", "object", "/real/f", syscall(SYS_truncate, "link/s", 3));
	SAY("chmod", "object", "/real/f", syscall(SYS_chmod, "link/s", 0640));
	SAY("fchmodat", "object", "/real/f", syscall(SYS_fchmodat, AT_FDCWD, "link/s", 0644));
	SAY("chown", "object", "/real/f", syscall(SYS_chown, "link/s", 1, 1));
	SAY("lchown", "object", "/real/s", syscall(SYS_lchown, "link/s", 1, 1));
	SAY("fchownat", "object", "/real/f", syscall(SYS_fchownat, AT_FDCWD, "link/s", 0, 0, 0));
	SAY("utime", "object", "/real/f", syscall(SYS_utime, "link/s", &older));
	SAY("utimes", "object", "/real/f", syscall(SYS_utimes, "link/s", old));
	SAY("futimesat", "object", "/real/f", syscall(SYS_futimesat, AT_FDCWD, "link/s", old));
	SAY("utimensat", "object", "/real/s", syscall(SYS_utimensat, AT_FDCWD, "link/s", times, AT_SYMLINK_NOFOLLOW));
}

static void opens(void)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "link/s", O_RDWR, 0);

	SAY("openat", "object", "/real/f", fd);
	close(fd);
	fd = (int)syscall(SYS_open, "link/new", O_RDWR | O_CREAT, 0644);
	SAY("open", "object", "/real/new", fd);
	close(fd);
	fd = (int)syscall(SYS_creat, "link/new2", 0644);
	SAY("creat", "object", "/real/new2", fd);
	close(fd);
	SAY("openat", "object", "/real/p", syscall(SYS_openat, AT_FDCWD, "link/s2", O_WRONLY | O_NONBLOCK, 0));	/* ENXIO: nobody reads */
	SAY("openat", "user", "/link/none", syscall(SYS_openat, AT_FDCWD, "link/none", O_RDONLY, 0));
}

/* What only the last check refuses: all is found by then. */
static void refused(void)
{
	SAY("mkdir", "object", "/real/x", syscall(SYS_mkdir, "link/x", 0755));
	SAY("mknod", "object", "/real/x", syscall(SYS_mknod, "link/x", S_IFREG | 0644, 0));
	SAY("symlink", "object", "/real/x", syscall(SYS_symlink, "f", "link/x"));
	SAY2("link", "object", "/real/mine", "/real/x", syscall(SYS_link, "link/mine", "link/x"));
	SAY2("rename", "object", "/real/f", "/real/x", syscall(SYS_rename, "link/f", "link/x"));
	SAY("unlink", "object", "/real/f", syscall(SYS_unlink, "link/f"));
	SAY("rmdir", "object", "/real/empty", syscall(SYS_rmdir, "link/empty"));
	SAY("chmod", "object", "/real/f", syscall(SYS_chmod, "link/s", 0600));
	SAY("chown", "object", "/real/f", syscall(SYS_chown, "link/s", 1, 1));
	SAY("utimensat", "object", "/real/f", syscall(SYS_utimensat, AT_FDCWD, "link/s", (struct timespec[2]){ { 1, 0 }, { 2, 0 } }, 0));
	SAY("mount", "object", "/real/empty", syscall(SYS_mount, "none", "link/empty", "tmpfs", 0, NULL));
	/* refused before anything is asked of a hook */
	SAY("openat", "user", "/link/secret", syscall(SYS_openat, AT_FDCWD, "link/secret", O_RDONLY, 0));
	SAY("truncate", "user", "/link/s", syscall(SYS_truncate, "link/s", 1));
	SAY("chroot", "user", "/link/empty", syscall(SYS_chroot, "link/empty"));
	SAY("umount2", "user", "/link/empty", syscall(SYS_umount2, "link/empty", 0));
}

static void as_another(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		if (syscall(SYS_setresgid, 1000, 1000, 1000) || syscall(SYS_setresuid, 1000, 1000, 1000))
			die("setresuid");
		refused();
		fflush(stdout);
		_exit(0);
	}
	work_wait(pid);
}

static void mounts(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("private mounts");
	SAY("mount", "object", "/real/empty", syscall(SYS_mount, "none", "link/empty", "tmpfs", 0, NULL));
	SAY("umount2", "object", "/real/empty", syscall(SYS_umount2, "link/empty", 0));
	SAY("umount2", "user", "/link/empty", syscall(SYS_umount2, "link/empty", 0));	/* no mount */
	SAY("chroot", "object", "/real/empty", syscall(SYS_chroot, "link/empty"));
}

int main(int argc, char **argv)
{
	if (argc != 2 || chdir(argv[1]) || !getcwd(dir, sizeof(dir)))
		usage("hooks DIR");
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	umask(0);
	if (mkdir("real", 0755) || mkdir("real/empty", 0755) || symlink("real", "link"))
		die("its folder");
	close(open("real/secret", O_CREAT | O_WRONLY, 0600));
	close(open("real/mine", O_CREAT | O_WRONLY, 0600));
	if (chown("real/mine", 1000, 1000))
		die("chown");
	puts("begin");
	names();
	objects();
	opens();
	as_another();
	mounts();
	fflush(stdout);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* lib/: buffers, files, clocks, log lines. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "lib/log.h"
#include "lib/privileges.h"
#include "lib/procfs.h"
#include "lib/slice.h"
#include "tests/tap.h"

static void buffers(void)
{
	struct buf b = { 0 };

	ok_str(buf_text(&b), "");
	ok(!buf_adds(&b, "abc") && !buf_addc(&b, 'd') && !buf_addf(&b, "-%d", 42) && !buf_add(&b, NULL, 0));
	ok_str(buf_text(&b), "abcd-42");
	buf_drop(&b, 2);
	ok_str(buf_text(&b), "cd-42");
	buf_drop(&b, 100);
	ok(b.n == 0 && b.cap > 0);
	for (unsigned i = 0; i < 100000; i++)
		buf_addf(&b, "%u,", i);
	ok(b.n == 588890 && !memcmp(b.p + b.n - 6, "99999,", 6));
	buf_free(&b);
	ok(!b.p && !b.n && !b.cap);
}

/* A failed append leaves what was there, and is remembered until reset. */
static void buffer_limit(void)
{
	volatile size_t far_too_much = SIZE_MAX;
	struct buf b = { .max = 8 };

	ok_int(buf_adds(&b, "12345678"), 0);
	ok_int(buf_adds(&b, "9"), -E2BIG);
	ok(b.failed && b.n == 8 && !memcmp(b.p, "12345678", 8));
	ok_int(buf_add(&b, "x", far_too_much), -E2BIG);
	buf_reset(&b);
	ok(!b.failed && b.max == 8 && !buf_adds(&b, "9"));
	buf_free(&b);
}

static void files(void)
{
	char dir[] = "/tmp/test_lib.XXXXXX", path[128], deep[128];
	struct buf b = { 0 };
	struct stat st;
	uint8_t c[4];
	int fd;

	must(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f", dir);
	umask(077);
	ok_int(fsx_replace(path, "one", 3, 0640), 0);
	ok_int(fsx_replace(path, "two!", 4, 0640), 0);
	ok(!stat(path, &st) && (st.st_mode & 0777) == 0640 && st.st_size == 4);
	ok(!fsx_read(path, 4, &b) && b.n == 4 && !memcmp(b.p, "two!", 4));
	ok_int(fsx_read(path, 3, &b), -E2BIG);
	ok_int(b.n, 4);
	snprintf(deep, sizeof(deep), "%s/nowhere/f", dir);
	ok_int(fsx_replace(deep, "x", 1, 0600), -ENOENT);
	ok_int(fsx_read(deep, 10, &b), -ENOENT);
	fd = open(path, O_RDWR);
	ok_int(fsx_pwrite_all(fd, "ab", 2, 1), 0);
	ok(!fsx_pread_all(fd, c, 4, 0) && !memcmp(c, "tab!", 4));
	ok_int(fsx_pread_all(fd, c, 4, 1), -ENODATA);
	close(fd);
	snprintf(deep, sizeof(deep), "%s/a/b/c", dir);
	ok(!fsx_mkdirs(deep, 0700) && !fsx_mkdirs(deep, 0700) && !fsx_sync_dir(deep));
	ok_int(fsx_mkdirs(path, 0700), 0);	/* something of that name is there; opening it will tell */
	for (unsigned i = 0; i < 3; i++) {
		rmdir(deep);
		*strrchr(deep, '/') = '\0';
	}
	unlink(path);
	ok_int(rmdir(dir), 0);
	buf_free(&b);
}

static int64_t parsed(const char *text)
{
	int64_t ns = -1;

	return clock_parse(text, &ns) ? -1 : ns;
}

static void times(void)
{
	char text[21];
	uint64_t a = clock_boot();

	clock_iso(1795342530, text);
	ok_str(text, "2026-11-22T10:15:30Z");
	clock_iso(0, text);
	ok_str(text, "1970-01-01T00:00:00Z");
	clock_iso(INT64_MAX, text);
	ok_str(text, "0000-00-00T00:00:00Z");
	ok_int(parsed("2026-11-22T10:15:30Z"), 1795342530000000000);
	ok_int(parsed("2026-11-22T10:15:30.25Z"), 1795342530250000000);
	ok_int(parsed("2026-11-22"), 1795305600000000000);
	ok_int(parsed("1795342530.5"), 1795342530500000000);
	ok_int(parsed("2026-11-22T10:15:30"), -1);
	ok_int(parsed("2026-11-22T10:15:30Zx"), -1);
	ok_int(parsed("yesterday"), -1);
	ok_int(parsed("2262-04-11T23:47:16.854775807Z"), INT64_MAX);
	ok_int(parsed("2262-04-11T23:47:16.854775808Z"), -1);
	ok_int(parsed("4052-01-01T00:00:00Z"), -1);
	ok_int(parsed("1677-09-22"), -9223286400000000000);
	ok_int(parsed("1677-09-21"), -1);
	ok_int(parsed("1000-01-01"), -1);
	ok_int(parsed("nan"), -1);
	ok_int(parsed("inf"), -1);
	ok_int(parsed(""), -1);
	ok(clock_boot() >= a);
	ok(llabs(clock_wall() - (int64_t)clock_boot() - clock_wall_offset()) < (int64_t)NS_PER_SEC);
}

/* What a program says on standard error, read back. */
static void log_lines(void)
{
	char path[] = "/tmp/test_log.XXXXXX";
	struct buf b = { 0 };
	int fd = mkstemp(path), err = dup(2);
	struct log_limit limit = { 0 };

	must(fd >= 0 && err >= 0 && dup2(fd, 2) == 2);
	log_init("prog", LOG_LEVEL_INFO);
	log_debug("not shown");
	log_info("n is %d", 5);
	log_err(-ENOENT, "opening %s", "x");
	dup2(err, 2);
	close(err);
	close(fd);
	must(!fsx_read(path, 4096, &b));
	ok_str(buf_text(&b), "prog: info: n is 5\nprog: error: opening x: No such file or directory\n");
	ok(log_allowed(&limit) && !log_allowed(&limit) && !log_allowed(&limit));
	unlink(path);
	buf_free(&b);
}

static void cleanups(void)
{
	int fd = open("/dev/null", O_RDONLY), copy = fd;
	char *p = strdup("x"), *taken = TAKE_PTR(p);

	must(fd >= 0);
	ok(!p && !strcmp(taken, "x"));
	free(taken);
	{
		_cleanup_close_ int scoped = fd;
	}
	ok(fcntl(copy, F_GETFD) < 0);
	{
		_cleanup_close_ int kept = open("/dev/null", O_RDONLY);

		copy = TAKE_FD(kept);
	}
	ok(fcntl(copy, F_GETFD) >= 0);
	close(copy);
}

static void privileges(void)
{
	uid_t uid = 7;
	gid_t gid = 7;

	ok_int(privileges_find("root", NULL, &uid, &gid), -EINVAL);
	ok_int(privileges_find("0", "64100", &uid, &gid), -EINVAL);
	ok_int(privileges_find("64101", "0", &uid, &gid), -EINVAL);
	ok_int(privileges_find("64101", "", &uid, &gid), -EINVAL);	/* a number has no group of its own */
	ok_int(privileges_find("no such user", NULL, &uid, &gid), -ENOENT);
	ok_int(privileges_find("64101", "no such group", &uid, &gid), -ENOENT);
	ok(uid == 7 && gid == 7);
	ok_int(privileges_find("64101", "64100", &uid, &gid), 0);
	ok(uid == 64101 && gid == 64100);
	ok_int(privileges_find("nobody", NULL, &uid, &gid), 0);
	ok(uid == 65534 && gid == 65534);
}

static void ourselves(void)
{
	struct procfs_self s;
	struct buf b = { 0 };
	uint32_t parent = 0;
	uint64_t start = 0, now = clock_boot();
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	procfs_self(&s);
	must(n > 0);
	path[n] = 0;
	ok_int(s.pid, getpid());
	ok_int(s.parent_pid, getppid());
	ok_int(s.session, getsid(0));
	ok_str(s.executable, path);
	ok(!s.deleted && s.cgroup[0] == '/');
	ok(s.start <= now && now - s.start < 600 * NS_PER_SEC);
	ok(s.parent_start && s.parent_start <= s.start);
	ok_int(s.uids[2], geteuid());
	ok_int(s.gids[0], getgid());
	ok(s.ns[0] && s.ns[1] && s.ns[6]);
	ok_int(procfs_stat(s.pid, &b, &parent, &start), 0);
	ok(parent == s.parent_pid && start == s.start);
	ok_int(procfs_stat(1u << 30, &b, &parent, &start), -ENOENT);
	buf_free(&b);
}

/* Linux before 6.12 tells 0, whatever was asked for. */
static uint64_t slice_now(void)
{
	uint64_t attr[6] = { 0 };

	return syscall(SYS_sched_getattr, 0, attr, sizeof(attr), 0) < 0 ? UINT64_MAX : attr[3];
}

static void slices(void)
{
	uint64_t own = slice_now();
	int nice = getpriority(PRIO_PROCESS, 0);

	ok_int(slice_set(100000), 0);
	ok_int(slice_now(), own ? 100000 : 0);
	ok_int(setpriority(PRIO_PROCESS, 0, nice + 1), 0);
	ok_int(slice_set(200000), 0);
	ok_int(slice_now(), own ? 200000 : 0);
	ok_int(getpriority(PRIO_PROCESS, 0), nice + 1);
	ok_int(slice_set(0), 0);
	ok_int(slice_now(), own);
}

static const struct tap_case cases[] = {
	CASE(buffers), CASE(buffer_limit), CASE(files), CASE(times), CASE(log_lines), CASE(cleanups), CASE(privileges), CASE(ourselves),
	CASE(slices),
};
TAP_MAIN(cases)

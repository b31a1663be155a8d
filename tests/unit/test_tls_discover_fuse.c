/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process maps a library from a file system that another process serves, and lives in that file system's root; then the server stops
 * answering. Whoever asks it anything hangs: the search for TLS must not. (If it does, the runner's time limit is the failure.)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/tls/discover.h"
#include "lib/cleanup.h"
#include "tests/tap.h"

#define FILE_INO 2
#define FILE_SIZE 65536
#define LIBRARY "libssl.so.11"

static char dir[] = "/tmp/test_tls_fuse.XXXXXX";

static void reply(int dev, uint64_t unique, int error, const void *p, size_t n)
{
	static uint8_t b[FILE_SIZE + 4096];
	struct fuse_out_header h = { .len = (uint32_t)(sizeof(h) + n), .error = error, .unique = unique };

	memcpy(b, &h, sizeof(h));
	if (n)
		memcpy(b + sizeof(h), p, n);
	if (write(dev, b, sizeof(h) + n) < 0 && errno != ENOENT)
		_exit(1);
}

static struct fuse_attr attr_of(uint64_t ino)
{
	bool file = ino == FILE_INO;

	return (struct fuse_attr){ .ino = ino, .size = file ? FILE_SIZE : 0, .mode = file ? S_IFREG | 0755 : S_IFDIR | 0755, .nlink = 1, .blksize = 4096 };
}

/* One request: the root, and one file in it, full of zeros. */
static void answer(int dev, const struct fuse_in_header *in, const void *arg)
{
	static const uint8_t zeros[FILE_SIZE];

	if (in->opcode == FUSE_INIT) {
		const struct fuse_init_in *i = arg;
		struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION, .minor = i->minor, .max_readahead = 65536, .max_write = 4096, .time_gran = 1 };

		reply(dev, in->unique, 0, &out, sizeof(out));
	} else if (in->opcode == FUSE_LOOKUP && !strcmp(arg, LIBRARY)) {
		struct fuse_entry_out out = { .nodeid = FILE_INO, .attr = attr_of(FILE_INO) }; /* attributes are valid for no time at all */

		reply(dev, in->unique, 0, &out, sizeof(out));
	} else if (in->opcode == FUSE_GETATTR) {
		struct fuse_attr_out out = { .attr = attr_of(in->nodeid) };

		reply(dev, in->unique, 0, &out, sizeof(out));
	} else if (in->opcode == FUSE_OPEN || in->opcode == FUSE_OPENDIR) {
		reply(dev, in->unique, 0, &(struct fuse_open_out){ .fh = 1 }, sizeof(struct fuse_open_out));
	} else if (in->opcode == FUSE_READ) {
		const struct fuse_read_in *r = arg;
		size_t n = r->offset >= FILE_SIZE ? 0 : FILE_SIZE - r->offset;

		reply(dev, in->unique, 0, zeros, n < r->size ? n : r->size);
	} else if (in->opcode == FUSE_ACCESS || in->opcode == FUSE_FLUSH || in->opcode == FUSE_RELEASE) {
		reply(dev, in->unique, 0, NULL, 0);
	} else if (in->opcode != FUSE_FORGET && in->opcode != FUSE_BATCH_FORGET && in->opcode != FUSE_INTERRUPT) {
		reply(dev, in->unique, in->opcode == FUSE_LOOKUP ? -ENOENT : -ENOSYS, NULL, 0);
	}
}

static void serve(int dev)
{
	static uint64_t b[(1 << 18) / 8];
	ssize_t n;

	while ((n = read(dev, b, sizeof(b))) >= (ssize_t)sizeof(struct fuse_in_header) || (n < 0 && (errno == EINTR || errno == EAGAIN)))
		if (n > 0)
			answer(dev, (const struct fuse_in_header *)b, (const uint8_t *)b + sizeof(struct fuse_in_header));
	_exit(0);
}

/* The process that is looked at. Says 'y' when it has mapped the library and lives in the root. */
static void live_there(int ready)
{
	const uint8_t *p = MAP_FAILED;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/" LIBRARY, dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		p = mmap(NULL, FILE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (p != MAP_FAILED && !p[0] && !chroot(dir) && write(ready, "y", 1) == 1)
		for (;;)
			pause();
	_exit(1);
}

/* In a mount namespace of its own: mounts, starts the process, says its number, serves. */
static void server(int say)
{
	int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[96];
	int32_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	if (dev < 0 || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("ht", dir, "fuse", 0, options))
		_exit(1);
	pid = fork();
	if (!pid) {
		close(dev); /* the last one that is closed ends the file system, also for who waits for it */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		live_there(say);
	}
	if (write(say, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	close(say);
	serve(dev);
}

static int count(int fd, const struct tls_found *f, void *arg)
{
	++*(unsigned *)arg;
	return strstr(f->path, LIBRARY) ? 7 : 0;
}

/* Where the process has it mapped. */
static uint64_t mapped_at(int32_t pid)
{
	char path[64], line[512];
	uint64_t at = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	while (f && !at && fgets(line, sizeof(line), f))
		if (strstr(line, LIBRARY))
			at = strtoull(line, NULL, 16);
	if (f)
		fclose(f);
	return at;
}

static void a_server_that_is_silent(void)
{
	unsigned n = 0;
	struct tls_discovery *d;
	int said[2];
	int32_t pid = 0;
	pid_t srv;
	char c = 0;

	if (geteuid() || access("/dev/fuse", R_OK | W_OK))
		skip("no FUSE for us");
	must(mkdtemp(dir) && !pipe2(said, O_CLOEXEC));
	srv = fork();
	if (!srv)
		server(said[1]);
	close(said[1]);
	ok(read(said[0], &pid, sizeof(pid)) == sizeof(pid) && read(said[0], &c, 1) == 1 && c == 'y');
	close(said[0]);
	kill(srv, SIGSTOP);
	if (c == 'y' && !tls_discovery_new(4096, &d)) {
		ok_int(tls_discover_process(d, (uint32_t)pid, count, &n), 0);
		ok(n >= 1); /* its executable, which is ours */
		ok_int(tls_discovery_stats(d)->left_out, 1);
		ok_int(tls_discover_host(d, count, &n), 0);
		ok(tls_discovery_stats(d)->left_out >= 2); /* and the root */
		tls_discovery_free(&d);
	}
	if (c == 'y' && !tls_discovery_new(4096, &d)) {
		n = 0;
		ok(mapped_at(pid));
		ok_int(tls_discover_mapping(d, (uint32_t)pid, mapped_at(pid), mapped_at(pid) + 4096, LIBRARY, count, &n), 0);
		ok_int(tls_discovery_stats(d)->left_out, 1);
		ok_int(tls_discover_path(d, (uint32_t)pid, "/" LIBRARY, count, &n), 0);
		ok_int(n, 0);
		tls_discovery_free(&d);
	}
	kill(srv, SIGKILL);
	waitpid(srv, NULL, 0);
	ok(!rmdir(dir));
}

static const struct tap_case cases[] = { CASE(a_server_that_is_silent) };
TAP_MAIN(cases)

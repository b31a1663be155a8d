// SPDX-License-Identifier: Apache-2.0
/* attacks_ring HOW DIR COUNT: operations of io_uring that end, or are made, when something else has the descriptor, the slot or the directory.
 *   batch      an open, the close of what it opened, and another open, which gets the same descriptor, before any of them ends
 *   chain      the same, each waiting for the one before it
 *   slots      two opens into one slot of the ring, the first through a symbolic link
 *   cwd, dirfd, root   an unlink that waits for a read; meanwhile its directory, or the root, becomes another one
 *   same, own  the same, but nothing changes; unshared: the worker that makes it has a working directory of its own
 *   forged     the end of an open that waits is made up by a message of another ring, while the queue of its own is full
 *   untold     an unlink of whose end nothing tells; then others, which are no records, in the same memory: some fail, or all succeed (`untold-ok`)
 *   slot       a ring that is known by a slot of the task's own, and has no descriptor: "slot N"
 *   refused    a mkdir that the kernel refuses as it reads it, out of memory that somebody else may write to behind that
 * Says "truth NUMBER PATH" of each operation, by its user_data; "sure NUMBER" where nobody could have been mistaken.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "attacks.h"
#include "uring.h"

#define ADDR(p) ((unsigned long)(p))

static struct uring ring;
static const char *dir;

static void queue(unsigned number, struct io_uring_sqe e)
{
	e.user_data = number;
	uring_queue(&ring, &e);
}

static struct io_uring_sqe open_of(const char *name, unsigned flags, unsigned slot)
{
	return (struct io_uring_sqe){ .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = ADDR(name), .open_flags = O_RDWR,
				      .flags = (unsigned char)flags, .file_index = slot };
}

static void is(unsigned number, const char *name)
{
	printf("truth %u %s/%s\n", number, dir, name);
}

static void sure(unsigned number)
{
	printf("sure %u\n", number);
}

/* Hands over n operations; each has to succeed. */
static void made(unsigned n)
{
	uring_submit(&ring, n);
	for (unsigned i = 0; i < n; i++)
		if (uring_reap(&ring).res < 0)
			die("an operation");
}

static void file(const char *name)
{
	int fd = open(name, O_CREAT | O_RDWR, 0600);

	if (fd < 0)
		die(name);
	close(fd);
}

/* All of them, and a file in the last one. */
static void folders(char *path)
{
	char name[4096];

	for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		mkdir(path, 0700);
		*p = '/';
	}
	if (mkdir(path, 0700))
		die(path);
	snprintf(name, sizeof(name), "%s/f", path);
	file(name);
}

/* ---- descriptors and slots */

static void opens(unsigned link)
{
	int next = open("/dev/null", O_RDONLY);

	close(next);
	queue(1, open_of("real", link, 0));
	queue(2, (struct io_uring_sqe){ .opcode = IORING_OP_CLOSE, .fd = next, .flags = (unsigned char)link });
	queue(3, open_of("decoy", 0, 0));
	made(3);
	is(1, "real");
	is(3, "decoy");
	sure(3);
	if (link)
		sure(1);
}

static void slots(void)
{
	int none[4] = { -1, -1, -1, -1 };

	if (uring_register(&ring, IORING_REGISTER_FILES, none, 4))
		exit(77);
	queue(4, open_of("real", 0, 2));
	made(1);
	queue(1, open_of("link", 0, 1));	/* from here on there may be a worker */
	queue(2, open_of("decoy", 0, 1));
	made(2);
	queue(3, open_of("link", 0, IORING_FILE_INDEX_ALLOC));
	made(1);
	is(1, "real");
	is(2, "decoy");
	is(3, "real");
	is(4, "real");
	sure(4);
}

/* ---- names of which the kernel finds the beginning later */

static int waits[2];

static void unlink_later(int dirfd, const char *name)
{
	static char byte[1];

	if (pipe(waits))
		die("pipe");
	queue(8, (struct io_uring_sqe){ .opcode = IORING_OP_READ, .fd = waits[0], .addr = ADDR(byte), .len = 1, .flags = IOSQE_IO_LINK });
	queue(1, (struct io_uring_sqe){ .opcode = IORING_OP_UNLINKAT, .fd = dirfd, .addr = ADDR(name) });
	uring_submit(&ring, 0);
}

static void now(const char *gone)
{
	if (write(waits[1], "x", 1) != 1)
		die("write");
	made(2);
	if (!access(gone, F_OK))
		die(gone);
}

static void moved(const char *how)
{
	int a = open("A", O_RDONLY | O_DIRECTORY), b = open("B", O_RDONLY | O_DIRECTORY), cwd = !strcmp(how, "cwd");
	char name[4096];

	if (!strcmp(how, "root")) {
		snprintf(name, sizeof(name), "%s/A/f", dir);
		unlink_later(AT_FDCWD, name);
		if (chroot("jail"))
			exit(77);
		now(name);
		snprintf(name, sizeof(name), "jail%s/A/f", dir);
		is(1, name);
		return;
	}
	if (cwd && chdir("A"))
		die("A");
	unlink_later(cwd ? AT_FDCWD : a, "f");
	if (cwd ? fchdir(b) : dup2(b, a) < 0)
		die("B");
	now(cwd ? "f" : "B/f");
	is(1, "B/f");
}

static void still(bool own)
{
	int a = open("A", O_RDONLY | O_DIRECTORY);
	char name[4096];

	snprintf(name, sizeof(name), "%s/A/f", dir);
	if (fchdir(a))
		die("A");
	unlink_later(AT_FDCWD, own ? name : "f");
	now("f");
	is(1, "A/f");
	sure(1);
}

/* The worker keeps what was everybody's. */
static void unshared(void)
{
	if (chdir("B"))
		die("B");
	queue(9, (struct io_uring_sqe){ .opcode = IORING_OP_MKDIRAT, .fd = AT_FDCWD, .addr = ADDR("made"), .len = 0700 });
	made(1);
	if (unshare(CLONE_FS) || chdir("../A"))
		die("unshare");
	queue(1, (struct io_uring_sqe){ .opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD, .addr = ADDR("f") });
	made(1);
	is(1, access("f", F_OK) ? "A/f" : "B/f");
}

/* ---- ends that are not */

static void forged(void)
{
	struct uring other = { 0 };
	struct io_uring_sqe e = { .opcode = IORING_OP_MSG_RING, .fd = ring.fd, .len = (unsigned)-2, .off = 1 };
	int fd;

	uring_setup(&other, 4, 0, 0);
	if (mkfifo("fifo", 0600))
		die("fifo");
	queue(1, (struct io_uring_sqe){ .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = ADDR("fifo"), .open_flags = O_RDONLY, .flags = IOSQE_ASYNC });
	uring_submit(&ring, 0);
	for (int i = 0; i < 2; i++) {
		queue(0, (struct io_uring_sqe){ .opcode = IORING_OP_NOP });
		uring_submit(&ring, 0);
	}
	uring_queue(&other, &e);
	uring_submit(&other, 1);
	if (uring_reap(&other).res < 0)
		exit(77);
	fd = open("fifo", O_WRONLY);	/* the one that waited has it open now */
	if (fd < 0)
		die("fifo");
	for (int i = 0; i < 4; i++)
		uring_reap(&ring);
	is(1, "fifo");
}

/* The request of an operation whose success is not told is another one's by and by. */
static void untold(bool fail)
{
	struct uring other = { 0 };

	uring_setup(&other, 256, 0, 0);
	queue(1, (struct io_uring_sqe){ .opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD, .addr = ADDR("real"), .flags = IOSQE_CQE_SKIP_SUCCESS });
	uring_submit(&ring, 0);
	while (!access("real", F_OK))
		usleep(1000);
	usleep(10000);
	for (unsigned i = 0; i < 8 * 16; i++) {
		queue(0, (struct io_uring_sqe){ .opcode = IORING_OP_MSG_RING, .fd = fail ? 1 : other.fd });
		if (i % 16 < 15)
			continue;
		uring_submit(&ring, 16);
		for (int k = 0; k < 16; k++)
			uring_reap(&ring);
	}
	is(1, "real");
}

static void refused(void)
{
	queue(1, (struct io_uring_sqe){ .opcode = IORING_OP_MKDIRAT, .fd = AT_FDCWD, .addr = ADDR("made"), .len = 0700, .buf_index = 7 });
	uring_submit(&ring, 0);
	if (uring_reap(&ring).res != -EINVAL)
		exit(77);
}

#define NO_MMAP_REGISTERED_FD_ONLY 0xc000	/* IORING_SETUP_NO_MMAP, of 6.5, and IORING_SETUP_REGISTERED_FD_ONLY, of 6.6 */

static void in_slot(void)
{
	char *pages = mmap(NULL, 4 << 12, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct io_uring_params p = { .flags = NO_MMAP_REGISTERED_FD_ONLY };
	long slot;

	((__u64 *)&p.sq_off)[4] = ADDR(pages);	/* user_addr, in headers since then */
	((__u64 *)&p.cq_off)[4] = ADDR(pages) + (2 << 12);
	slot = syscall(SYS_io_uring_setup, 4, &p);
	if (slot < 0)
		exit(77);
	printf("slot %ld\n", slot);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { NULL };
	char jail[4096];
	const char *how;

	if (argc != 4 || chdir(argv[2]))
		usage("attacks_ring batch|chain|slots|cwd|dirfd|root|same|own|unshared|forged|slot|refused|untold DIR COUNT");
	how = argv[1];
	dir = argv[2];
	setvbuf(stdout, NULL, _IONBF, 0);
	attacks_begin(names, 0);
	snprintf(jail, sizeof(jail), "jail%s/A", dir);
	folders(jail);
	folders((char[]){ "A" });
	folders((char[]){ "B" });
	file("real");
	file("decoy");
	if (symlink("real", "link"))
		die("link");
	uring_setup(&ring, !strcmp(how, "forged") ? 1 : 16, !strcmp(how, "forged") ? 2 : 0, 0);
	if (!strcmp(how, "batch") || !strcmp(how, "chain"))
		opens(how[0] == 'c' ? IOSQE_IO_LINK : 0);
	else if (!strcmp(how, "slots"))
		slots();
	else if (!strcmp(how, "same") || !strcmp(how, "own"))
		still(how[0] == 'o');
	else if (!strcmp(how, "unshared"))
		unshared();
	else if (!strcmp(how, "forged"))
		forged();
	else if (!strcmp(how, "slot"))
		in_slot();
	else if (!strcmp(how, "refused"))
		refused();
	else if (!strncmp(how, "untold", 6))
		untold(!how[6]);
	else
		moved(how);
	attacks_end();
	return 0;
}

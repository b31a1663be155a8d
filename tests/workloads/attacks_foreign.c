// SPDX-License-Identifier: Apache-2.0
/* attacks_foreign HOW DIR COUNT: mounts whose source another process, which has memory of its own, exchanges and puts back while the kernel is in them. The
 * kernel is held up at their type, before it copies the source, and at their options, behind it, by userfaultfd. HOW that process writes:
 *   mem      /proc/PID/mem, opened and closed each time
 *   vm       process_vm_writev
 *   pinned   an io_uring with a buffer that was registered by the victim
 *   argv     process_vm_writev, into the arguments of a program that is being executed: COUNT execs, each with "realpart"
 *   image    the victim runs a memfd, and has the source in it, whose descriptor the other one writes to
 *   nobody   nobody writes
 * "truth": what the kernel took, as mountinfo says: r (real) or f (fake).
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "attacks.h"
#include "uring.h"

#define PAGE 4096

static const char in_image[PAGE] __attribute__((aligned(PAGE))) = "realpart";	/* a page of the program's file */
static const char real[] = "realpart", fake[] = "fakepart";
static char *source, *held;	/* held: the page of the type, and that of the options */
static const char *how;
static struct uring ring;
static int uffd, image;
static off_t at_image;

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
	else if (image && pwrite(image, word, sizeof(real), at_image) != sizeof(real))
		die("image");
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

/* Goes on as a memfd, which stays open. */
static void into_image(char **argv)
{
	int fd = memfd_create("image", 0), in = open("/proc/self/exe", O_RDONLY);
	char number[16], *args[] = { argv[0], argv[1], argv[2], argv[3], number, NULL }, *none[] = { NULL };

	snprintf(number, sizeof(number), "%d", fd);
	while (sendfile(fd, in, NULL, 1 << 20) > 0)
		;
	syscall(SYS_execveat, fd, "", args, none, AT_EMPTY_PATH);
	exit(77);
}

/* Where in its file the page lies. */
static void find_in_image(void)
{
	unsigned long from, to, at, here = (uintptr_t)in_image;
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %lx", &from, &to, &at) == 3 && from <= here && here < to)
			at_image = (off_t)(at + here - from);
	source = (char *)in_image;
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

/* ---- arguments of a program that is not whole yet */

#define TELLS 9		/* where the new program says at which address they lie */

static pid_t executes(void)
{
	char *args[] = { "attacks_foreign", "said", (char *)real, NULL }, *none[] = { NULL };
	pid_t pid = fork();

	if (pid)
		return pid;
	work_pin(1);
	personality(ADDR_NO_RANDOMIZE);
	execve("/proc/self/exe", args, none);
	_exit(1);
}

#define PAUSE 10e-6	/* seconds of CPU between two writes: without one they are a flood, of which the ring has no room for all */

static void pause_a_while(void)
{
	double begin = work_cpu();

	while (work_cpu() - begin < PAUSE)
		;
}

static void argv_written(long count)
{
	struct iovec from = { (char *)fake, sizeof(fake) }, to = { NULL, sizeof(fake) };
	pid_t pid;
	int p[2];

	if (pipe(p) || dup2(p[1], TELLS) < 0)
		die("pipe");
	work_wait(executes());
	if (read(p[0], &to.iov_base, sizeof(to.iov_base)) != sizeof(to.iov_base))
		die("read");
	close(TELLS);
	work_pin(0);
	for (long i = 0; i < count; i++) {
		pid = executes();
		while (!waitpid(pid, NULL, WNOHANG)) {
			process_vm_writev(pid, &from, 1, &to, 1, 0);
			pause_a_while();
		}
	}
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "mount", NULL };
	pid_t pid = getpid(), other;

	if (argc == 3 && !strcmp(argv[1], "said"))
		return write(TELLS, &argv[2], sizeof(argv[2])) < 0 && errno != EBADF;
	if (argc < 4)
		usage("attacks_foreign mem|vm|pinned|argv|image|nobody DIR COUNT");
	how = argv[1];
	if (!strcmp(how, "argv")) {
		argv_written(atol(argv[3]));
		return 0;
	}
	if (!strcmp(how, "image") && argc == 4)
		into_image(argv);
	attacks_begin(names, atol(argv[3]));
	prepare();
	if (argc > 4) {
		image = atoi(argv[4]);
		find_in_image();
	}
	other = fork();
	if (!other)
		answer_faults(pid);
	for (long i = 0; i < atol(argv[3]); i++) {
		if (madvise(held, 2 * PAGE, MADV_DONTNEED))
			die("madvise");
		if (!image)
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

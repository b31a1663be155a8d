// SPDX-License-Identifier: Apache-2.0
/*
 * attacks_enter HOW DIR COUNT: unlinks of DIR/0, DIR/1, ... by ways into the kernel that no library takes.
 *
 *     wide      numbers, and of int 0x80 also arguments, whose upper 32 bits are not 0; numbers below 0, which are nobody's
 *     gate      a 64-bit program jumps to 32-bit code, which calls by `syscall`. Where to go back the kernel does not know: it dies behind that
 *     sysenter  a 64-bit program calls by that instruction. Intel's processors let it; it does not come back either
 *     vsyscall  the page of old clocks: no call, and no file; ends with 77 where there is no such page
 * Says "by ABI NAME" of each file that is gone, and "never NAME" of each that is there still, in the order of the calls.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "work.h"

#define I386_UNLINK 10
#define UPPER 0xdead000000000000ul
#define PAGE 4096

static char *low;	/* 32 bits wide: code, stack, and the name */
static unsigned files;

static char *next_file(const char *dir)
{
	char *name = low + 2 * PAGE;
	int fd;

	snprintf(name, PAGE, "%s/%u", dir, files++);
	fd = open(name, O_CREAT | O_WRONLY, 0600);
	if (fd < 0)
		die(name);
	close(fd);
	return name;
}

static void came_of(const char *abi, const char *name)
{
	if (access(name, F_OK))
		printf("by %s %s\n", abi, name);
	else
		printf("never %s\n", name);
	fflush(stdout);
}

static long by_syscall(unsigned long nr, long a)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(2), "d"(3) : "rcx", "r11", "memory");
	return ret;
}

static void by_int80(unsigned long nr, unsigned long a)
{
	__asm__ volatile("int $0x80" : "+a"(nr) : "b"(a), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
}

static void wide(const char *dir)
{
	static const unsigned long none[] = { -1ul, 0xffffffff, -2ul, 0x80000000 | SYS_unlink, UPPER | 0xffff0000 | SYS_unlink };
	char *name;

	for (int i = 0; i < 3; i++) {
		name = next_file(dir);
		by_syscall((i == 1 ? 1ul << 32 : i == 2 ? -1ul << 32 : UPPER) | SYS_unlink, (long)name);
		came_of("native", name);
	}
	name = next_file(dir);
	by_int80(UPPER | I386_UNLINK, UPPER | (unsigned long)name);
	came_of("i386", name);
	name = next_file(dir);
	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (by_syscall(none[i], (long)name) != -ENOSYS)
			die("a number of nobody's");
	came_of("none", name);
}

/* mov $nr, %eax; mov $name, %ebx; mov $0, %ebp (which stands for the second argument); syscall; hlt */
static void *code32(const char *name)
{
	unsigned char *p = (unsigned char *)low;
	uint32_t words[] = { I386_UNLINK, (uint32_t)(uintptr_t)name, 0 };
	static const unsigned char moves[] = { 0xb8, 0xbb, 0xbd };

	for (int i = 0; i < 3; i++, p += 5) {
		p[0] = moves[i];
		memcpy(p + 1, &words[i], 4);
	}
	memcpy(p, "\x0f\x05\xf4", 3);
	return low;
}

static void gate(const char *name)
{
	struct {
		uint32_t to;
		uint16_t segment;
	} far = { (uint32_t)(uintptr_t)code32(name), 0x23 };

	__asm__ volatile("mov %0, %%rsp\n ljmp *(%1)" : : "r"(low + 2 * PAGE - 64), "r"(&far) : "memory");
}

static void by_sysenter(const char *name)
{
	__asm__ volatile("mov %2, %%rbp\n sysenter" : : "a"(I386_UNLINK), "b"(name), "r"(low + 2 * PAGE - 64), "c"(0), "d"(0) : "memory");
}

/* In a child, because nothing comes back. */
static int lost_in(void (*way)(const char *), const char *dir)
{
	char *name = next_file(dir);
	pid_t pid = fork();
	int status;

	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		way(name);
		_exit(0);
	}
	status = work_wait(pid);
	printf("child %d ended with %d\n", pid, status);
	came_of("i386", name);
	return status;
}

static void vsyscall(const char *name)
{
	long (*seconds)(long *) = (long (*)(long *))0xffffffffff600400ul;	/* time(2)'s place */
	long now = seconds(NULL);

	_exit(now > 1000000000 ? 0 : 1);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		usage("attacks_enter wide|gate|sysenter|vsyscall DIR COUNT");
	low = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED)
		die("mmap");
	if (!strcmp(argv[1], "wide"))
		wide(argv[2]);
	else if (!strcmp(argv[1], "gate"))
		lost_in(gate, argv[2]);
	else if (!strcmp(argv[1], "sysenter"))
		lost_in(by_sysenter, argv[2]);
	else if (lost_in(vsyscall, argv[2]) == 128 + SIGSEGV)
		return 77;
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/* bit30 PATH: makes calls by x32 numbers (bit 30 set) from a 64-bit program. Exit status 77 where the kernel has no x32. */
#include "work.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define X32 0x40000000
#define X32_EXECVE (X32 + 520)

int main(int argc, char **argv)
{
	char *low = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	unsigned *vec = (unsigned *)(low + 4096);
	long fd;

	if (argc == 2 && !strcmp(argv[1], "--x32-child"))
		return 0;
	if (argc != 2)
		usage("bit30 PATH");
	if (low == MAP_FAILED)
		die("mmap");
	if (syscall(X32 + SYS_getpid) < 0 && errno == ENOSYS) {
		printf("no x32\n");
		return 77;
	}
	snprintf(low, 4096, "%s", argv[1]);
	fd = syscall(X32 + SYS_openat, AT_FDCWD, low, O_RDONLY, 0);
	printf("x32 openat %s %ld\n", low, fd);
	printf("x32 mkdirat %s %ld\n", low, syscall(X32 + SYS_mkdirat, AT_FDCWD, low, 0700) ? -(long)errno : 0);
	fflush(stdout);
	/* execve has an x32 number of its own, and arrays of 32-bit pointers */
	snprintf(low, 4096, "/proc/self/exe");
	snprintf(low + 64, 64, "--x32-child");
	vec[0] = (unsigned)(unsigned long)low;
	vec[1] = (unsigned)(unsigned long)(low + 64);
	vec[2] = 0;
	syscall(X32_EXECVE, low, vec, vec + 2);
	die("x32 execve");
}

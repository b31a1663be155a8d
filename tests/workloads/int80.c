// SPDX-License-Identifier: Apache-2.0
/* int80 PATH: a 64-bit program that opens PATH (and PATH.none) through the 32-bit entry, then once through the 64-bit one. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include "work.h"

#define I386_OPEN 5
#define I386_UNLINK 10

static long call32(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

int main(int argc, char **argv)
{
	/* its pointers are 32 bits wide */
	char *low = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long fd;

	if (argc != 2)
		usage("int80 PATH");
	if (low == MAP_FAILED)
		die("mmap");
	snprintf(low, 4096, "%s", argv[1]);
	fd = call32(I386_OPEN, (long)low, O_RDONLY, 0);
	printf("i386 open %s %ld\n", low, fd);
	snprintf(low, 4096, "%s.none", argv[1]);
	printf("i386 open %s %ld\n", low, call32(I386_OPEN, (long)low, O_WRONLY, 0));
	printf("i386 unlink %s %ld\n", low, call32(I386_UNLINK, (long)low, 0, 0));
	printf("native openat %s %d\n", argv[1], openat(AT_FDCWD, argv[1], O_RDONLY));
	return 0;
}

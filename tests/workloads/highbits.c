// SPDX-License-Identifier: Apache-2.0
/* highbits PATH: opens PATH by numbers whose upper 32 bits are not 0. The kernel looks at the lower ones alone. */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include "work.h"

static long call(unsigned long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

int main(int argc, char **argv)
{
	static const unsigned long above[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };

	if (argc != 2)
		usage("highbits PATH");
	for (unsigned i = 0; i < sizeof(above) / sizeof(above[0]); i++)
		printf("open %lx %ld\n", above[i], call(above[i] << 32 | SYS_open, (long)argv[1], O_RDONLY, 0));
	/* numbers below 0 that are calls of nobody */
	printf("none %ld\n", call(0x80000003, 1, 2, 3));
	return 0;
}

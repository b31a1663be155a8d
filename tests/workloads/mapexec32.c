// SPDX-License-Identifier: Apache-2.0
/* mapexec32 mmap|mmap2 FILE: maps its first page to be executed, with that call of i386. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include "work.h"

#ifndef __i386__	/* the other builds of this file are never run */
#define SYS_mmap2 -1
#endif

int main(int argc, char **argv)
{
	unsigned long block[6] = { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0, 0 };
	long at;
	int fd;

	if (argc != 3)
		usage("mapexec32 mmap|mmap2 FILE");
	fd = open(argv[2], O_RDONLY);
	if (fd < 0)
		die(argv[2]);
	block[4] = fd;
	at = strcmp(argv[1], "mmap2") ? syscall(SYS_mmap, block) : syscall(SYS_mmap2, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (at == -1)
		die(argv[1]);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/* hello32 PATH: a 32-bit program that makes, opens, renames and removes PATH, through 32-bit calls with 64-bit offsets too. */
#define _FILE_OFFSET_BITS 64
#include <fcntl.h>
#include <sys/stat.h>
#include "work.h"

int main(int argc, char **argv)
{
	char other[4096];
	int fd;

	if (argc != 2)
		usage("hello32 PATH");
	snprintf(other, sizeof(other), "%s.other", argv[1]);
	fd = open(argv[1], O_CREAT | O_RDWR | O_TRUNC, 0640);
	if (fd < 0)
		die(argv[1]);
	if (write(fd, "hello\n", 6) != 6 || ftruncate(fd, 3) || truncate(argv[1], 1))
		die("write");
	if (fchmod(fd, 0600) || chmod(argv[1], 0644) || rename(argv[1], other) || unlink(other))
		die(other);
	if (open(argv[1], O_RDONLY) >= 0)
		return 1;
	printf("hello from %zu-bit\n", sizeof(void *) * 8);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* patched.h - an input that is changes to a good file: pairs of a place (16 bits) and a byte. The first byte says whether its checksums are put right. */
#ifndef HOSTTRAIL_TESTS_PATCHED_H
#define HOSTTRAIL_TESTS_PATCHED_H

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Writes the n good bytes to path, changed as data says; seal(): puts checksums right. */
static inline void patched_write(const char *path, const uint8_t *good, size_t n, const uint8_t *data, size_t size, void (*seal)(uint8_t *, size_t))
{
	uint8_t *bytes = malloc(n);
	int fd;

	if (!bytes)
		abort();
	memcpy(bytes, good, n);
	for (size_t i = 1; i + 2 < size; i += 3)
		bytes[(data[i] | data[i + 1] << 8) % n] = data[i + 2];
	if (!size || data[0] & 1)
		seal(bytes, n);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		abort();
	close(fd);
	free(bytes);
}

#endif

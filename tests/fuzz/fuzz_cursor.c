/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a cursor file: refused, or readable and writable on. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t stream[16] = { 7 };
	struct cursor *c = NULL;
	uint64_t next = 0;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/fuzz_cursor.%d", (int)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	if (cursor_open(path, true, &c) == 0) {
		if (cursor_set(c, stream, CHAIN_DATA, 77) == 0) {
			if (cursor_sync(c) < 0 || cursor_reload(c) < 0 || !cursor_get(c, stream, CHAIN_DATA, &next) || next != 77)
				abort();
		}
		cursor_free(&c);
	}
	unlink(path);
	return 0;
}

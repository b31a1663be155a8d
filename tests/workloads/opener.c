// SPDX-License-Identifier: Apache-2.0
/* opener: opens each path that it reads, one a line, and answers with the result. */
#include <fcntl.h>
#include <string.h>
#include "work.h"

int main(void)
{
	char line[4096];

	while (fgets(line, sizeof(line), stdin)) {
		int fd;

		line[strcspn(line, "\n")] = 0;
		fd = open(line, O_RDONLY);
		if (fd >= 0)
			close(fd);
		printf("%d\n", fd);
		fflush(stdout);
	}
	return 0;
}

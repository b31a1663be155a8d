# SPDX-License-Identifier: Apache-2.0
"""A clock that a test moves, for one program: a library laid over it that adds to what clock_gettime() says. The store has no such door."""
import os
import subprocess

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The file holds two numbers of seconds: what is added to the wall clock, and to the clock of running time. */
static void read_ahead(long *wall, long *boot)
{
	char text[64] = "";
	int fd = open(getenv("MOVED_CLOCK"), O_RDONLY | O_CLOEXEC);
	char *end;

	*wall = *boot = 0;
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0) {
		*wall = strtol(text, &end, 10);
		*boot = strtol(end, NULL, 10);
	}
	close(fd);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	long wall, boot;

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	if (real(id, t))
		return -1;
	if (id == CLOCK_REALTIME || id == CLOCK_BOOTTIME) {
		read_ahead(&wall, &boot);
		t->tv_sec += id == CLOCK_REALTIME ? wall : boot;
	}
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (ret)
		*ret = t.tv_sec;
	return t.tv_sec;
}
"""


class MovedClock:
    """environ: what the program must be started with."""

    def __init__(self, d):
        self.file, library, source = (os.path.join(d, "clock" + end) for end in ("", ".so", ".c"))
        with open(source, "w") as f:
            f.write(SOURCE)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        self.environ = {"LD_PRELOAD": library, "MOVED_CLOCK": self.file, "ASAN_OPTIONS": "verify_asan_link_order=0"}
        self.set()

    def set(self, wall=0, running=0):
        """Seconds ahead: somebody set the wall clock; so much time passed while the machine ran."""
        with open(self.file + ".new", "w") as f:
            f.write("%d %d\n" % (wall, running))
        os.rename(self.file + ".new", self.file)

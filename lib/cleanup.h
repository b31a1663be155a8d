/* SPDX-License-Identifier: Apache-2.0 */
/* cleanup.h - scope-bound release, and how a value escapes it.
 *
 * Constructors are `int x_new(..., struct x **ret_x)` and touch *ret_x only on success;
 * destructors are `void x_free(struct x **x)`, NULL-safe, and reset the pointer. */
#ifndef HOSTTRAIL_CLEANUP_H
#define HOSTTRAIL_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

#define TAKE_PTR(p)                      \
	({                               \
		__typeof__(p) _taken = (p); \
		(p) = NULL;              \
		_taken;                  \
	})

#define TAKE_FD(fd)              \
	({                       \
		int _taken = (fd); \
		(fd) = -1;       \
		_taken;          \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif

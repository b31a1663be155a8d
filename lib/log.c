/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

static const char *program = "hosttrail";
static enum log_level threshold = LOG_LEVEL_INFO;

void log_init(const char *prog, enum log_level level)
{
	program = prog;
	threshold = level;
}

void log_setlevel(enum log_level level)
{
	threshold = level;
}

void log_at(enum log_level level, int err, const char *fmt, ...)
{
	static const char *const names[] = { "debug", "info", "warning", "error" };
	int saved = errno;
	char line[2048];
	va_list ap;
	size_t n, room = sizeof(line) - 1;	/* keeps a place for the newline */
	int r;

	if (level < threshold)
		return;
	r = snprintf(line, room, "%s: %s: ", program, names[level]);
	n = r < 0 ? 0 : (size_t)r;
	va_start(ap, fmt);
	r = vsnprintf(line + n, room - n, fmt, ap);
	va_end(ap);
	if (r > 0)
		n += (size_t)r;
	if (err && n < room) {
		r = snprintf(line + n, room - n, ": %s", strerror(err < 0 ? -err : err));
		if (r > 0)
			n += (size_t)r;
	}
	if (n > room - 1)
		n = room - 1;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0) {
		/* nowhere left to say it */
	}
	errno = saved;
}

bool log_allowed(struct log_limit *l)
{
	uint64_t now = clock_boot(), next = __atomic_load_n(&l->next, __ATOMIC_RELAXED);
	unsigned held;

	if (now < next || !__atomic_compare_exchange_n(&l->next, &next, now + NS_PER_SEC, false, __ATOMIC_RELAXED,
						       __ATOMIC_RELAXED)) {
		__atomic_add_fetch(&l->held, 1, __ATOMIC_RELAXED);
		return false;
	}
	held = __atomic_exchange_n(&l->held, 0, __ATOMIC_RELAXED);
	if (held)
		log_at(LOG_LEVEL_WARN, 0, "%u messages like the next one were held back", held);
	return true;
}

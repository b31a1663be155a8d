/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - one line a message on standard error: "<prog>: <level>: text".
 *
 * Who logs: programs and their main loops, once per fault. Libraries (lib/, proto/) return
 * errors and do not log. The x forms have no errno text. Anything that an event can trigger
 * goes through log_limited(). Thread-safe. */
#ifndef HOSTTRAIL_LOG_H
#define HOSTTRAIL_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

void log_init(const char *prog, enum log_level level);	/* prog is kept */
void log_setlevel(enum log_level level);
void log_at(enum log_level level, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* err: a negative errno; its text follows the message */
#define log_err(err, ...) log_at(LOG_LEVEL_ERROR, err, __VA_ARGS__)
#define log_errx(...) log_at(LOG_LEVEL_ERROR, 0, __VA_ARGS__)
#define log_warn(err, ...) log_at(LOG_LEVEL_WARN, err, __VA_ARGS__)
#define log_warnx(...) log_at(LOG_LEVEL_WARN, 0, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, 0, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, 0, __VA_ARGS__)

/* At most one message a second per place; says how many were held back. */
struct log_limit {
	uint64_t next;
	unsigned held;
};
bool log_allowed(struct log_limit *l);
#define log_limited(level, err, ...)                         \
	do {                                                 \
		static struct log_limit _limit;              \
		if (log_allowed(&_limit))                    \
			log_at(level, err, __VA_ARGS__);     \
	} while (0)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines.h - numbers of a server's answer, as TabSeparated has them.
 *
 * What a server says is not believed: a line is exactly the numbers that were asked for, each in its range, or -EBADMSG, and then nothing
 * is written. Threads: any.
 */
#ifndef HOSTTRAIL_STORE_CLICKHOUSE_LINES_H
#define HOSTTRAIL_STORE_CLICKHOUSE_LINES_H

#include <stddef.h>
#include <stdint.h>

enum line_type { LINE_U32, LINE_U64, LINE_I64 };

struct line_number {
	enum line_type type;
	void *to;		/* uint32_t, uint64_t, int64_t */
};

#define LINE_MAX_NUMBERS 8
/* line: up to its NUL or newline. */
int line_numbers(const char *line, const struct line_number *v, size_t n);
#define LINE_NUMBERS(line, ...) \
	line_numbers(line, (const struct line_number[]){ __VA_ARGS__ }, sizeof((const struct line_number[]){ __VA_ARGS__ }) / sizeof(struct line_number))
#define U32(p) { LINE_U32, (uint32_t *){ p } }
#define U64(p) { LINE_U64, (uint64_t *){ p } }
#define I64(p) { LINE_I64, (int64_t *){ p } }

#endif

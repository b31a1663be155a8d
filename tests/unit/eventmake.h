/* SPDX-License-Identifier: Apache-2.0 */
/* eventmake.h - puts call events together as the probes lay them, for tests and for the fuzzing corpus. */
#ifndef TESTS_EVENTMAKE_H
#define TESTS_EVENTMAKE_H

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "agent/calls.h"
#include "bpf/event.h"

struct event {
	union {
		struct ht_call c;
		uint8_t bytes[sizeof(struct ht_call) + HT_DATA_MAX];
		uint64_t align;
	};
	uint32_t n;
};

static inline void event_begin(struct event *e, unsigned call, int64_t ret)
{
	memset(&e->c, 0, sizeof(e->c));
	e->n = sizeof(e->c);
	e->c.h.kind = HT_EV_CALL;
	e->c.h.class = calls_descs()[call].class;
	e->c.h.cpu = 1;
	e->c.h.seq = 7;
	e->c.h.time = 1000000000;
	e->c.h.start = 5;
	e->c.h.tid = e->c.h.tgid = 4711;
	e->c.h.gen = 1;
	e->c.h.len = e->n;
	e->c.call = (uint16_t)call;
	e->c.ret = ret;
	e->c.task_calls = 3;
}

static inline void event_field(struct event *e, unsigned kind, unsigned arg, unsigned role, unsigned flags, const void *p, size_t n)
{
	struct ht_field f = { (uint8_t)kind, (uint8_t)arg, (uint8_t)role, (uint8_t)flags, (uint32_t)n };

	memcpy(e->bytes + e->n, &f, sizeof(f));
	e->n += sizeof(f);
	if (n)
		memcpy(e->bytes + e->n, p, n);
	memset(e->bytes + e->n + n, 0, -n & 7);
	e->n += (uint32_t)(n + (-n & 7));
	e->c.h.len = e->n;
}

static inline void event_str(struct event *e, unsigned arg, const char *s)
{
	event_field(e, HT_FIELD_STR, arg, 0, 0, s, strlen(s));
	if (!e->c.args[arg])
		e->c.args[arg] = 0x7ffc00001000;
}

/* "/a/b/c" as a walk; "" is the root. */
static inline void event_walk(struct event *e, unsigned role, unsigned arg, const char *path, struct ht_walk w)
{
	uint8_t buf[sizeof(w) + HT_PATH_MAX];
	size_t n = sizeof(w), end = strlen(path);

	w.ncomp = 0;
	while (end) {
		size_t from = end;

		while (from && path[from - 1] != '/')
			from--;
		memcpy(buf + n, path + from, end - from);
		n += end - from;
		buf[n++] = 0;
		w.ncomp++;
		end = from ? from - 1 : 0;
	}
	memcpy(buf, &w, sizeof(w));
	event_field(e, HT_FIELD_WALK, arg, role, 0, buf, n);
}

static inline struct ht_walk walk_of(uint64_t ino, unsigned flags)
{
	return (struct ht_walk){ .ino = ino, .s_magic = 0xef53, .dev = 8u << 20 | 1, .mnt_id = 30, .mode = 0100644, .flags = (uint16_t)flags };
}

#endif

// SPDX-License-Identifier: Apache-2.0
/* decode_task.c - structures of calls by which a task waits, is scheduled and signalled, and asks about itself and others. */
#include "decode_mem_internal.h"
#include "lib/cleanup.h"

#define LIST_SHOWN 64
#define COMPAT(m) (view_word32(&(m)->d->v))

/* ---- times ---- */

static void spec(const struct mem *m)
{
	put_time(m, 0, get_signed(m, 0, 8), get_signed(m, 8, 8), 9);
}

static void spec32(const struct mem *m)
{
	put_time(m, 0, get_signed(m, 0, 4), get_signed(m, 4, 4), 9);
}

static void val(const struct mem *m)
{
	put_time(m, 0, get_signed(m, 0, 8), get_signed(m, 8, 8), 6);
}

static void val32(const struct mem *m)
{
	put_time(m, 0, get_signed(m, 0, 4), get_signed(m, 4, 4), 6);
}

static void pair(const struct mem *m, unsigned word, unsigned digits)
{
	for (unsigned i = 0; i < 2; i++)
		put_time(m, i, get_signed(m, 2 * i * word, word), get_signed(m, (2 * i + 1) * word, word), digits);
}

static void itimerspec(const struct mem *m)
{
	pair(m, 8, 9);
}

static void itimerspec32(const struct mem *m)
{
	pair(m, 4, 9);
}

static void itimerval(const struct mem *m)
{
	pair(m, 8, 6);
}

static void itimerval32(const struct mem *m)
{
	pair(m, 4, 6);
}

/* ---- signals ---- */

static void put_signals(const struct mem *m, unsigned field, uint64_t set)
{
	char rest[FLAGS_REST_MAX];	/* every one of the 64 has a name */
	unsigned n = 0;

	for (unsigned i = 0; i < 64; i++)
		if (set >> i & 1)
			m->d->list[n++] = flags_value(&flagset_signal, i + 1, rest);
	batch_strings(m->d->b, m->first + field, m->d->list, n);
}

static void sigset(const struct mem *m)
{
	put_signals(m, 0, get(m, 0, m->n < 8 ? 4 : 8));
}

static void put_handler(const struct mem *m, uint64_t handler)
{
	char text[18];
	const char *name = handler == 0 ? "SIG_DFL" : handler == 1 ? "SIG_IGN" : NULL;

	if (name)
		batch_string(m->d->b, m->first, name, strlen(name));
	else
		batch_string(m->d->b, m->first, text, text_hex(handler, text));
}

/* handler, flags, restorer, mask: words, then the set */
static void sigaction(const struct mem *m)
{
	unsigned word = m->d->v.c.h.abi == HT_ABI_NATIVE ? 8 : 4;

	put_handler(m, get(m, 0, word));
	put_set(m, 1, &flagset_sigaction, get(m, word, word));
	put_signals(m, 2, get(m, 3 * word, 8));
}

/* the first sigaction of i386: handler, mask, flags, restorer */
static void old_sigaction(const struct mem *m)
{
	put_handler(m, get(m, 0, 4));
	put_set(m, 1, &flagset_sigaction, get(m, 8, 4));
	put_signals(m, 2, get(m, 4, 4));
}

static void sigevent(const struct mem *m)
{
	static const char *const how[] = { "SIGEV_SIGNAL", "SIGEV_NONE", "SIGEV_THREAD", NULL, "SIGEV_THREAD_ID" };
	unsigned word = COMPAT(m) ? 4 : 8;
	uint64_t notify = get(m, word + 4, 4);

	if (notify < ARRAY_SIZE(how) && how[notify])
		batch_string(m->d->b, m->first, how[notify], strlen(how[notify]));
	if (notify == 0 || notify == 4)
		put_value(m, 1, &flagset_signal, get(m, word, 4));
}

static void altstack(const struct mem *m)
{
	unsigned word = m->d->v.c.h.abi == HT_ABI_NATIVE ? 8 : 4;

	put_set(m, 0, &flagset_sigaltstack, get(m, word, 4));
	put_int(m, 1, (int64_t)get(m, 2 * word, word));
}

/* ---- waiting ---- */

static void wait_status(const struct mem *m)
{
	uint32_t s = (uint32_t)get(m, 0, 4);

	if (m->d->v.c.ret <= 0)
		return;		/* nobody was waited for */
	if (!(s & 0x7f))
		put_int(m, 0, s >> 8 & 0xff);
	else
		put_value(m, 1, &flagset_signal, (s & 0xff) == 0x7f ? s >> 8 & 0xff : s & 0x7f);
}

static void epoll_event(const struct mem *m)
{
	put_set(m, 0, &flagset_epoll_events, get(m, 0, 4));
}

static void pollfds(const struct mem *m)
{
	int64_t fd[LIST_SHOWN];
	unsigned n = 0;

	for (; n < LIST_SHOWN && 8 * (n + 1) <= m->n; n++)
		fd[n] = get_signed(m, 8 * n, 4);
	batch_ints(m->d->b, m->first, fd, n);
}

static void old_select(const struct mem *m)
{
	put_int(m, 0, get_signed(m, 0, 4));
}

/* ---- scheduling and limits ---- */

static void rlimit(const struct mem *m)
{
	put_int(m, 0, (int64_t)get(m, 0, 8));
	put_int(m, 1, (int64_t)get(m, 8, 8));
}

static void rlimit32(const struct mem *m)
{
	put_int(m, 0, (int64_t)get(m, 0, 4));
	put_int(m, 1, (int64_t)get(m, 4, 4));
}

static void sched_param(const struct mem *m)
{
	put_int(m, 0, get_signed(m, 0, 4));
}

enum { SCHED_POLICY = 0, SCHED_FLAGS, SCHED_NICE, SCHED_PRIORITY, SCHED_RUNTIME, SCHED_DEADLINE_NS, SCHED_PERIOD };

static void sched_attr(const struct mem *m)
{
	uint64_t policy = get(m, 4, 4);

	put_value(m, SCHED_POLICY, &flagset_sched, policy);
	put_set(m, SCHED_FLAGS, &flagset_sched_flags, get(m, 8, 8));
	if (policy == 0 || policy == 3)
		put_int(m, SCHED_NICE, get_signed(m, 16, 4));
	if (policy == 1 || policy == 2)
		put_int(m, SCHED_PRIORITY, (int64_t)get(m, 20, 4));
	if (policy != 6)
		return;
	put_int(m, SCHED_RUNTIME, (int64_t)get(m, 24, 8));
	put_int(m, SCHED_DEADLINE_NS, (int64_t)get(m, 32, 8));
	put_int(m, SCHED_PERIOD, (int64_t)get(m, 40, 8));
}

static void first_word(const struct mem *m)
{
	put_int(m, 0, (int64_t)get(m, 0, m->n < 8 ? m->n : 8));
}

/* ---- objects ---- */

static void semops(const struct mem *m)
{
	int64_t number[LIST_SHOWN], change[LIST_SHOWN];
	unsigned n = 0;

	for (; n < LIST_SHOWN && 6 * (n + 1) <= m->n; n++) {
		number[n] = (int64_t)get(m, 6 * n, 2);
		change[n] = (int16_t)get(m, 6 * n + 2, 2);
	}
	batch_ints(m->d->b, m->first, number, n);
	batch_ints(m->d->b, m->first + 1, change, n);
}

static void message_type(const struct mem *m)
{
	put_int(m, 0, COMPAT(m) ? get_signed(m, 0, 4) : get_signed(m, 0, 8));
}

static void mq_attr(const struct mem *m)
{
	put_set(m, 0, &flagset_open, get(m, 0, COMPAT(m) ? 4 : 8));
}

static void sockopt_value(const struct mem *m)
{
	if (m->n == 4)
		put_int(m, 0, get_signed(m, 0, 4));
}

/* i386's first mmap has its arguments in memory. */
static void old_mmap(const struct mem *m)
{
	put_int(m, 0, (int64_t)get(m, 0, 4));
	put_int(m, 1, (int64_t)get(m, 4, 4));
	put_set(m, 2, &flagset_prot, get(m, 8, 4));
	put_set(m, 3, &flagset_mmap, get(m, 12, 4));
	put_int(m, 4, get_signed(m, 16, 4));
	put_int(m, 5, (int64_t)get(m, 20, 4));
}

static void range(const struct mem *m)
{
	put_int(m, 0, (int64_t)get(m, 0, 8));
	put_int(m, 1, (int64_t)get(m, 8, 8));
}

static void mount_request(const struct mem *m)
{
	put_int(m, 0, (int64_t)get(m, 8, 8));
	put_int(m, 1, (int64_t)get(m, 16, 8));
}

static void namespace_request(const struct mem *m)
{
	put_int(m, 0, (int64_t)get(m, 8, 8));
	put_set(m, 1, &flagset_ns, get(m, 16, 4));
}

const struct mem_kind_row mem_kinds_task[MEM__MAX] = {
	[MEM_TIMEOUT] = { spec, { F("timeout", STRING) } },
	[MEM_TIMEOUT32] = { spec32, { F("timeout", STRING) } },
	[MEM_TIMEOUTVAL] = { val, { F("timeout", STRING) } },
	[MEM_TIMEOUTVAL32] = { val32, { F("timeout", STRING) } },
	[MEM_ITIMERSPEC] = { itimerspec, { F("interval", STRING), F("value", STRING) } },
	[MEM_ITIMERSPEC32] = { itimerspec32, { F("interval", STRING), F("value", STRING) } },
	[MEM_ITIMERVAL] = { itimerval, { F("interval", STRING), F("value", STRING) } },
	[MEM_ITIMERVAL32] = { itimerval32, { F("interval", STRING), F("value", STRING) } },
	[MEM_SIGSET] = { sigset, { F("signals", STRINGS) } },
	[MEM_SIGACTION] = { sigaction, { F("handler", STRING), F("flags", STRINGS), F("mask", STRINGS) } },
	[MEM_OLD_SIGACTION] = { old_sigaction, { F("handler", STRING), F("flags", STRINGS), F("mask", STRINGS) } },
	[MEM_SIGEVENT] = { sigevent, { F("notify", STRING), F("signal", STRING) } },
	[MEM_ALTSTACK] = { altstack, { F("flags", STRINGS), F("size", UINT) } },
	[MEM_WAIT_STATUS] = { wait_status, { R("exitStatus", INT), R("signal", STRING) } },
	[MEM_EPOLL_EVENT] = { epoll_event, { F("events", STRINGS) } },
	[MEM_POLLFDS] = { pollfds, { F("fds", INTS) } },
	[MEM_OLD_SELECT] = { old_select, { F("descriptors", INT) } },
	[MEM_RLIMIT] = { rlimit, { F("soft", UINT), F("hard", UINT) } },
	[MEM_RLIMIT32] = { rlimit32, { F("soft", UINT), F("hard", UINT) } },
	[MEM_SCHED_PARAM] = { sched_param, { F("priority", INT) } },
	[MEM_SCHED_ATTR] = { sched_attr, { F("policy", STRING), F("schedFlags", STRINGS), F("nice", INT), F("priority", INT),
					   F("runtime", UINT), F("deadline", UINT), F("period", UINT) } },
	[MEM_CPUS] = { first_word, { F("cpus", HEX) } },
	[MEM_NODES] = { first_word, { F("nodes", HEX) } },
	[MEM_SEMOPS] = { semops, { F("semaphores", INTS), F("operations", INTS) } },
	[MEM_MESSAGE_TYPE] = { message_type, { F("type", INT) } },
	[MEM_MQ_ATTR] = { mq_attr, { F("flags", STRINGS) } },
	[MEM_SOCKOPT] = { sockopt_value, { F("value", INT) } },
	[MEM_OLD_MMAP] = { old_mmap, { F("address", HEX), F("length", UINT), F("protection", STRINGS), F("flags", STRINGS), F("fd", INT),
				       F("offset", UINT) } },
	[MEM_RANGE] = { range, { F("offset", UINT), F("length", UINT) } },
	[MEM_MOUNT_REQUEST] = { mount_request, { F("mountId", UINT), F("parameter", HEX) } },
	[MEM_NS_REQUEST] = { namespace_request, { F("namespaceId", UINT), F("namespaceTypes", STRINGS) } },
};

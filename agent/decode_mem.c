// SPDX-License-Identifier: Apache-2.0
/*
 * decode_mem.c - structures in user memory that calls point to: a list of fields and a reader for each kind.
 *
 * A structure may be shorter than this build knows (an older program) or longer: get() gives 0 for what was not
 * passed, as the kernel takes it.
 */
#include <stddef.h>
#include <string.h>
#include <sys/timex.h>

#include <linux/bpf.h>
#include <linux/prctl.h>
#include <linux/sched.h>

#include "decode_mem_internal.h"
#include "lib/cleanup.h"

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ull
#endif
/* ---- files ---- */

static void open_how(const struct mem *m)
{
	if (open_contradicts(&m->d->v, get(m, 0, 8))) {
		list_add(m->d->unverified, &m->d->nunverified, "flags");
		m->d->changed = true;
	}
	put_set(m, 0, &flagset_open, get(m, 0, 8));
	if (get(m, 8, 8))
		put_int(m, 1, (int64_t)get(m, 8, 8));
	if (get(m, 16, 8))
		put_set(m, 2, &flagset_resolve, get(m, 16, 8));
}

static void times(const struct mem *m, unsigned word, unsigned digits, unsigned ntimes)
{
	for (unsigned i = 0; i < ntimes; i++)
		put_time(m, i, get_signed(m, 2 * i * word, word), get_signed(m, (2 * i + 1) * word, word), digits);
}

static void timespec(const struct mem *m)
{
	times(m, 8, 9, 1);
}

static void timespec32(const struct mem *m)
{
	times(m, 4, 9, 1);
}

static void timespecs(const struct mem *m)
{
	times(m, 8, 9, 2);
}

static void timespecs32(const struct mem *m)
{
	times(m, 4, 9, 2);
}

static void timeval(const struct mem *m)
{
	times(m, 8, 6, 1);
}

static void timeval32(const struct mem *m)
{
	times(m, 4, 6, 1);
}

static void timevals(const struct mem *m)
{
	times(m, 8, 6, 2);
}

static void timevals32(const struct mem *m)
{
	times(m, 4, 6, 2);
}

static void utimbuf(const struct mem *m)
{
	put_time(m, 0, get_signed(m, 0, 8), 0, 0);
	put_time(m, 1, get_signed(m, 8, 8), 0, 0);
}

static void utimbuf32(const struct mem *m)
{
	put_time(m, 0, get_signed(m, 0, 4), 0, 0);
	put_time(m, 1, get_signed(m, 4, 4), 0, 0);
}

static void time32(const struct mem *m)
{
	put_time(m, 0, get_signed(m, 0, 4), 0, 0);
}

static void xattr_args(const struct mem *m)
{
	put_int(m, 0, (int64_t)get(m, 8, 4));
	put_set(m, 1, &flagset_xattr, get(m, 12, 4));
}

static void file_attr(const struct mem *m)
{
	put_set(m, 0, &flagset_file_attr, get(m, 0, 8));
	put_int(m, 1, (int64_t)get(m, 16, 4));
}

static void mount_attr(const struct mem *m)
{
	put_set(m, 0, &flagset_mount_attr, get(m, 0, 8));
	put_set(m, 1, &flagset_mount_attr, get(m, 8, 8));
	if (get(m, 16, 8))
		put_set(m, 2, &flagset_mount, get(m, 16, 8));
	if (get(m, 24, 8))
		put_int(m, 3, (int64_t)get(m, 24, 8));
}

/* ---- processes ---- */

static void clone_args(const struct mem *m)
{
	uint64_t flags = get(m, 0, 8), signal = get(m, 32, 8);

	put_set(m, 0, &flagset_clone3, flags);
	if (signal)
		put_value(m, 1, &flagset_signal, signal);
	if (flags & CLONE_INTO_CGROUP)
		put_int(m, 2, (int64_t)get(m, 80, 8));
	if (get(m, 72, 8))
		put_int(m, 3, (int64_t)get(m, 72, 8));
}

static void groups(const struct mem *m, unsigned size)
{
	int64_t v[256] = { 0 };
	unsigned n = m->n / size < ARRAY_SIZE(v) ? m->n / size : ARRAY_SIZE(v);
	int32_t count = (int32_t)m->d->v.c.args[0];

	if (count >= 0 && (unsigned)count < n)
		n = (unsigned)count;
	for (unsigned i = 0; i < n; i++)
		v[i] = (int64_t)get(m, i * size, size);
	batch_ints(m->d->b, m->first, v, n);
	if (count > 0 && (unsigned)count > n)
		list_add(m->d->cut, &m->d->ncut, m->a->name);
}

static void groups32(const struct mem *m)
{
	groups(m, 4);
}

static void words32(const struct mem *m)
{
	int64_t v[6];
	unsigned n = 0;

	for (; n < ARRAY_SIZE(v) && (n + 1) * 4 <= m->n; n++)
		v[n] = (int64_t)get(m, n * 4, 4);
	batch_ints(m->d->b, m->first, v, n);
}

static void groups16(const struct mem *m)
{
	groups(m, 2);
}

static void cap_header(const struct mem *m)
{
	put_int(m, 0, get_signed(m, 4, 4));
}

/* effective, permitted, inheritable of capabilities 0-31, then of 32-63 unless the header says version 1. */
static void cap_data(const struct mem *m)
{
	const struct slot *header = view_slot(&m->d->v, SLOT_MEM, 0);
	uint32_t version = 0;

	if (header && header->n >= sizeof(version))
		memcpy(&version, header->p, sizeof(version));
	for (unsigned i = 0; i < 3; i++) {
		uint64_t v = get(m, 4 * i, 4);

		if (version != 0x19980330)
			v |= get(m, 12 + 4 * i, 4) << 32;
		put_set(m, i, &flagset_cap, v);
	}
}

static void ruleset(const struct mem *m)
{
	put_set(m, 0, &flagset_landlock_fs, get(m, 0, 8));
	if (get(m, 8, 8))
		put_set(m, 1, &flagset_landlock_net, get(m, 8, 8));
	if (get(m, 16, 8))
		put_set(m, 2, &flagset_landlock_scope, get(m, 16, 8));
}

static void landlock_rule(const struct mem *m)
{
	bool net = (uint32_t)m->d->v.c.args[1] == 2;

	put_set(m, 0, net ? &flagset_landlock_net : &flagset_landlock_fs, get(m, 0, 8));
	if (net)
		put_int(m, 2, (int64_t)get(m, 8, 8));
	else
		put_int(m, 1, get_signed(m, 8, 4));
}

/* Not a structure: what prctl's second register means depends on the option. */
static void prctl_name(const struct mem *m)
{
	const struct view *v = &m->d->v;
	const struct slot *s = view_slot(v, SLOT_STR, 1);
	uint64_t capability = v->c.args[1];

	switch ((uint32_t)v->c.args[0]) {
	case PR_SET_NAME:
		if (s && !(s->flags & HT_FIELD_F_FAULT))
			batch_string(m->d->b, m->first, s->p, s->n);
		break;
	case PR_CAP_AMBIENT:
		capability = v->c.args[2];
		__attribute__((fallthrough));
	case PR_CAPBSET_READ:
	case PR_CAPBSET_DROP:
		if (capability < 64)
			put_value(m, 1, &flagset_cap, 1ull << capability);
		break;
	case PR_SET_PDEATHSIG:
		put_value(m, 2, &flagset_signal, (uint32_t)v->c.args[1]);
		break;
	default:
		break;
	}
}

/* ---- the kernel ---- */

#define ATTR(member) offsetof(union bpf_attr, member), sizeof(((union bpf_attr *)NULL)->member)
enum { BPF_PROG_TYPE = 0, BPF_MAP_TYPE, BPF_ATTACH_TYPE, BPF_NAME, BPF_INSNS, BPF_ENTRIES, BPF_PROG_FD, BPF_MAP_FD, BPF_TARGET_FD, BPF_ID };

static void bpf_object(const struct mem *m, uint32_t command)
{
	if (command == BPF_PROG_LOAD) {
		put_value(m, BPF_PROG_TYPE, &flagset_bpf_prog, get(m, ATTR(prog_type)));
		put_fixed(m, BPF_NAME, offsetof(union bpf_attr, prog_name), BPF_OBJ_NAME_LEN);
		put_int(m, BPF_INSNS, (int64_t)get(m, ATTR(insn_cnt)));
	} else {
		put_value(m, BPF_MAP_TYPE, &flagset_bpf_map, get(m, ATTR(map_type)));
		put_fixed(m, BPF_NAME, offsetof(union bpf_attr, map_name), BPF_OBJ_NAME_LEN);
		put_int(m, BPF_ENTRIES, (int64_t)get(m, ATTR(max_entries)));
	}
}

static void bpf_link(const struct mem *m, uint32_t command)
{
	bool attach = command == BPF_PROG_ATTACH || command == BPF_PROG_DETACH;

	put_value(m, BPF_ATTACH_TYPE, &flagset_bpf_attach, attach ? get(m, ATTR(attach_type)) : get(m, ATTR(link_create.attach_type)));
	put_int(m, BPF_PROG_FD, (int64_t)(attach ? get(m, ATTR(attach_bpf_fd)) : get(m, ATTR(link_create.prog_fd))));
	put_int(m, BPF_TARGET_FD, (int64_t)(attach ? get(m, ATTR(target_fd)) : get(m, ATTR(link_create.target_fd))));
}

static void bpf_attr(const struct mem *m)
{
	uint32_t command = (uint32_t)m->d->v.c.args[0];

	switch (command) {
	case BPF_PROG_LOAD:
	case BPF_MAP_CREATE:
		bpf_object(m, command);
		break;
	case BPF_PROG_ATTACH:
	case BPF_PROG_DETACH:
	case BPF_LINK_CREATE:
		bpf_link(m, command);
		break;
	case BPF_RAW_TRACEPOINT_OPEN:
		put_int(m, BPF_PROG_FD, (int64_t)get(m, ATTR(raw_tracepoint.prog_fd)));
		break;
	case BPF_MAP_LOOKUP_ELEM:
	case BPF_MAP_UPDATE_ELEM:
	case BPF_MAP_DELETE_ELEM:
	case BPF_MAP_GET_NEXT_KEY:
	case BPF_MAP_FREEZE:
		put_int(m, BPF_MAP_FD, (int64_t)get(m, ATTR(map_fd)));
		break;
	case BPF_PROG_GET_FD_BY_ID:
	case BPF_MAP_GET_FD_BY_ID:
	case BPF_BTF_GET_FD_BY_ID:
	case BPF_LINK_GET_FD_BY_ID:
		put_int(m, BPF_ID, (int64_t)get(m, ATTR(prog_id)));
		break;
	default:
		break;
	}
}

static void perf_attr(const struct mem *m)
{
	put_value(m, 0, &flagset_perf_type, get(m, 0, 4));
	put_int(m, 1, (int64_t)get(m, 8, 8));
}

static void io_uring_params(const struct mem *m)
{
	put_set(m, 0, &flagset_uring_setup, get(m, 8, 4));
	if (get(m, 8, 4) & 1 << 5)	/* IORING_SETUP_ATTACH_WQ */
		put_int(m, 1, get_signed(m, 24, 4));
}

static void timex_at(const struct mem *m, unsigned word)
{
	unsigned long_at = word == 8 ? 8 : 4;
	uint32_t modes = (uint32_t)get(m, 0, 4);
	/* modes; offset freq maxerror esterror; status; constant precision tolerance; time; tick */
	unsigned status = long_at + 4 * word, constant = status + word, time = constant + 3 * word, tick = time + 2 * word;

	put_set(m, 0, &flagset_adjtime, modes);
	if (modes & ADJ_OFFSET)
		put_int(m, 1, get_signed(m, long_at, word));
	if (modes & ADJ_FREQUENCY)
		put_int(m, 2, get_signed(m, long_at + word, word));
	if (modes & ADJ_STATUS)
		put_int(m, 3, (int64_t)get(m, status, 4));
	if (modes & ADJ_SETOFFSET)
		put_time(m, 4, get_signed(m, time, word), get_signed(m, time + word, word), modes & ADJ_NANO ? 9 : 6);
	if (modes & ADJ_TICK)
		put_int(m, 5, get_signed(m, tick, word));
}

static void timex(const struct mem *m)
{
	timex_at(m, 8);
}

static void timex32(const struct mem *m)
{
	timex_at(m, 4);
}

/* ---- the table ---- */

static const struct mem_kind_row kinds[MEM__MAX] = {
	[MEM_OPEN_HOW] = { open_how, { F("flags", STRINGS), F("mode", OCTAL), F("resolve", STRINGS) } },
	[MEM_CLONE_ARGS] = { clone_args, { F("flags", STRINGS), F("exitSignal", STRING), F("cgroupFd", INT), F("setTidSize", UINT) } },
	[MEM_TIMESPEC] = { timespec, { F("time", STRING) } },
	[MEM_TIMESPEC32] = { timespec32, { F("time", STRING) } },
	[MEM_TIMES] = { timespecs, { F("accessTime", STRING), F("modificationTime", STRING) } },
	[MEM_TIMES32] = { timespecs32, { F("accessTime", STRING), F("modificationTime", STRING) } },
	[MEM_TIMEVAL] = { timeval, { F("time", STRING) } },
	[MEM_TIMEVAL32] = { timeval32, { F("time", STRING) } },
	[MEM_TIMEVALS] = { timevals, { F("accessTime", STRING), F("modificationTime", STRING) } },
	[MEM_TIMEVALS32] = { timevals32, { F("accessTime", STRING), F("modificationTime", STRING) } },
	[MEM_UTIMBUF] = { utimbuf, { F("accessTime", STRING), F("modificationTime", STRING) } },
	[MEM_UTIMBUF32] = { utimbuf32, { F("accessTime", STRING), F("modificationTime", STRING) } },
	[MEM_TIME32] = { time32, { F("time", STRING) } },
	[MEM_TIMEX] = { timex, { F("modes", STRINGS), F("offset", INT), F("frequency", INT), F("status", HEX), F("time", STRING), F("tick", INT) } },
	[MEM_TIMEX32] = { timex32, { F("modes", STRINGS), F("offset", INT), F("frequency", INT), F("status", HEX), F("time", STRING), F("tick", INT) } },
	[MEM_GROUPS] = { groups32, { F("groups", INTS) } },
	[MEM_WORDS32] = { words32, { F("arguments", INTS) } },
	[MEM_GROUPS16] = { groups16, { F("groups", INTS) } },
	[MEM_CAP_HEADER] = { cap_header, { F("pid", INT) } },
	[MEM_CAP_DATA] = { cap_data, { F("effective", STRINGS), F("permitted", STRINGS), F("inheritable", STRINGS) } },
	[MEM_RULESET] = { ruleset, { F("handledAccessFs", STRINGS), F("handledAccessNet", STRINGS), F("scoped", STRINGS) } },
	[MEM_LANDLOCK_RULE] = { landlock_rule, { F("allowedAccess", STRINGS), F("parentFd", INT), F("port", UINT) } },
	[MEM_MOUNT_ATTR] = { mount_attr, { F("attributesSet", STRINGS), F("attributesCleared", STRINGS), F("propagation", STRINGS), F("usernsFd", INT) } },
	[MEM_BPF_ATTR] = { bpf_attr, { F("progType", STRING), F("mapType", STRING), F("attachType", STRING), F("name", STRING),
				       F("instructions", INT), F("maxEntries", INT), F("progFd", INT), F("mapFd", INT), F("targetFd", INT),
				       F("id", INT) } },
	[MEM_PERF_ATTR] = { perf_attr, { F("type", STRING), F("config", HEX) } },
	[MEM_IO_URING_PARAMS] = { io_uring_params, { F("flags", STRINGS), F("wqFd", INT) } },
	[MEM_XATTR_ARGS] = { xattr_args, { F("size", UINT), F("flags", STRINGS) } },
	[MEM_FILE_ATTR] = { file_attr, { F("xflags", STRINGS), F("projectId", UINT) } },
	[MEM_PRCTL_NAME] = { prctl_name, { F("name", STRING), F("capability", STRING), F("signal", STRING) } },
};

static const struct mem_kind_row *row_of(unsigned kind)
{
	if (kinds[kind].put)
		return &kinds[kind];
	return mem_kinds_task[kind].put ? &mem_kinds_task[kind] : &mem_kinds_command[kind];
}

unsigned mem_fields(enum mem_kind kind, struct shape_field *ret_v)
{
	const struct mem_kind_row *row = row_of(kind);
	unsigned n = 0;

	while (n < MEM_FIELDS_MAX && row->v[n].name) {
		ret_v[n] = row->v[n];
		n++;
	}
	return n;
}

void put_mem(struct decoder *d, const struct call_arg *a, unsigned first)
{
	const struct slot *s = view_slot(&d->v, SLOT_MEM, a->arg);
	const struct mem_kind_row *row = row_of(a->aux);
	struct mem m = { d, a, first, NULL, 0 };

	if (a->aux == MEM_PRCTL_NAME || a->aux == MEM_FCNTL || a->aux == MEM_IOCTL) {
		if (s && !(s->flags & HT_FIELD_F_FAULT)) {
			m.p = s->p;
			m.n = s->n;
		}
		row->put(&m);	/* which knows whether there was anything to read */
		return;
	}
	if (!s)
		return;
	if (s->flags & HT_FIELD_F_FAULT) {
		if (d->v.c.args[a->arg])
			list_add(d->unreadable, &d->nunreadable, row->v[0].name);
		return;
	}
	put_doubt(d, s, row->v[0].name);
	m.p = s->p;
	m.n = s->n;
	row->put(&m);
}

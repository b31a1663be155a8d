// SPDX-License-Identifier: Apache-2.0
/*
 * probes_capture.c - which calls are captured: the table as the probes look it up, at the start and while they run.
 *
 * The whole table is written at once, and programs read it meanwhile. They read single entries: one that is the same before
 * and after is never seen as anything else, so that a call that is captured before and after is captured in between.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "calls.h"
#include "lib/cleanup.h"
#include "probes_internal.h"

static bool wanted(const struct probes_calls *c, unsigned call)
{
	return c ? probes_calls_has(c->captured, call) : !calls_high_rate(call);
}

static uint16_t entry_of(const struct probes_calls *c, unsigned call)
{
	uint16_t flags = calls_descs()[call].flags, entry = (uint16_t)call;

	if (!call)
		return 0;
	if (!wanted(c, call))	/* the self-test does not make it: nobody's is captured */
		return flags & (HT_CALL_F_EXEFILE | HT_CALL_F_IDENTITY) ? entry | HT_INDEX_ENTER | HT_INDEX_TEST : 0;
	if (flags & (HT_CALL_F_ENTER | HT_CALL_F_EXEC | HT_CALL_F_EXEFILE | HT_CALL_F_IDENTITY | HT_CALL_F_NORETURN | HT_CALL_F_NEWPEER |
		     HT_CALL_F_OTHERS | HT_CALL_F_TWICE | HT_CALL_F_ACTOR))
		entry |= HT_INDEX_ENTER;
	if (c && probes_calls_has(c->test, call))
		entry |= HT_INDEX_TEST;
	if (c && probes_calls_has(c->failed, call))
		entry |= HT_INDEX_FAILED;
	return entry;
}

/* What has no flag for it comes for everybody, or not at all. */
static uint16_t plain_of(const struct probes_calls *c, unsigned call)
{
	return !call || !wanted(c, call) || (c && probes_calls_has(c->test, call)) ? 0 : (uint16_t)call;
}

/* Calls that carry the records of TLS. */
static bool socket_io(const char *name)
{
	static const char *const names[] = { "read", "write", "readv", "writev", "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg",
					     "recvmmsg", "recvmmsg_time64", "socketcall", "splice", "sendfile", "sendfile64" };

	for (size_t i = 0; name && i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* What the dynamic linker maps libraries with. */
static bool maps_files(const char *name)
{
	return name && (!strcmp(name, "mmap") || !strcmp(name, "mmap2"));
}

static bool uring_io(uint8_t op)
{
	static const char *const names[] = { "READV",	  "WRITEV", "READ_FIXED", "WRITE_FIXED",  "SENDMSG",	 "RECVMSG",	"READ",
					     "WRITE",	  "SEND",   "RECV",	  "SEND_ZC",	  "SENDMSG_ZC", "READV_FIXED", "WRITEV_FIXED" };
	char room[12];
	struct str s = uring_op_name(op, room);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (s.n == strlen(names[i]) && !memcmp(s.p, names[i], s.n))
			return true;
	return false;
}

static void fill_abi(const struct probes_calls *c, enum ht_abi abi, bool tls, captured_map *m)
{
	const uint16_t *index = calls_index(abi);

	for (uint32_t nr = 0; nr < HT_NR_MAX; nr++) {
		const char *name = calls_nr_name(abi, nr);
		uint16_t entry = index[nr] < calls_count() ? entry_of(c, index[nr]) : 0;

		if (name && !strcmp(name, "restart_syscall"))
			entry = HT_INDEX_RESTART;
		if (tls && abi != HT_ABI_X32 && socket_io(name))
			entry |= HT_INDEX_ENTER | HT_INDEX_TLS;
		if (tls && maps_files(name))
			entry |= HT_INDEX_MAP;
		m->ht_index[abi * HT_NR_MAX + nr] = entry;
	}
}

static void fill_operations(const struct probes_calls *c, bool tls, captured_map *m)
{
	for (unsigned op = 0; op < URING_OPS; op++)
		m->ht_uring_index[op] = plain_of(c, uring_call((uint8_t)op)) | (tls && uring_io((uint8_t)op) ? HT_INDEX_TLS : 0);
	for (unsigned form = 0; form < HT_FORM__MAX; form++) {
		uint8_t opcode;
		uint16_t call = (uint16_t)calls_lookup(uring_form(form, &opcode));

		m->ht_uring_form[form] = plain_of(c, call);
		if (m->ht_uring_form[form] || m->ht_uring_index[opcode] & HT_INDEX_MASK)
			m->ht_uring_index[opcode] |= HT_INDEX_FORM;
	}
}

void probes_captured_fill(const struct probes_calls *c, bool tls, captured_map *m)
{
	memset(m, 0, sizeof(*m));
	for (unsigned a = 0; a < HT_ABI__MAX; a++)
		fill_abi(c, a, tls, m);
	for (unsigned k = 0; k < HT_MULTIPLEXERS; k++)
		for (uint32_t nr = 0; nr < HT_BEHIND_MAX; nr++)
			m->ht_behind[k * HT_BEHIND_MAX + nr] = plain_of(c, calls_behind(k, nr));
	fill_operations(c, tls, m);
}

/* Captured if either says so, and as little narrowed as the wider of them. What is looked at without being captured stays so. */
static uint16_t wider(uint16_t before, uint16_t now)
{
	const uint16_t call = HT_INDEX_MASK, narrowed = HT_INDEX_TEST | HT_INDEX_FAILED;

	if (!(before & call) || !(now & call))
		return before | now;
	return (uint16_t)(now & (before | ~narrowed));
}

static void widen(const volatile uint16_t *before, volatile uint16_t *now, size_t n)
{
	for (size_t i = 0; i < n; i++)
		now[i] = wider(before[i], now[i]);
}

int probes_capture(struct probes *p, const struct probes_calls *calls, bool wide)
{
	captured_map now, before;
	__u32 zero = 0;
	int r;

	r = probes_rules(p, NULL);
	if (r < 0)
		return r;
	if (bpf_map_lookup_elem(p->captured, &zero, &before) < 0)
		return -errno;
	probes_captured_fill(calls, p->tls, &now);
	if (wide) {
		widen(before.ht_index, now.ht_index, ARRAY_SIZE(now.ht_index));
		widen(before.ht_behind, now.ht_behind, ARRAY_SIZE(now.ht_behind));
		widen(before.ht_uring_index, now.ht_uring_index, ARRAY_SIZE(now.ht_uring_index));
		widen(before.ht_uring_form, now.ht_uring_form, ARRAY_SIZE(now.ht_uring_form));
	}
	now.ht_captured_gen = before.ht_captured_gen + 1;
	if (bpf_map_update_elem(p->captured, &zero, &now, BPF_ANY) < 0)
		return -errno;
	p->capture = now;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_calls_doc.c - docs/calls.md is the table of calls as it is built in. HT_WRITE=1 writes the file anew. */
#include <stdbool.h>
#include <stdint.h>

#include "agent/calls_internal.h"
#include "agent/decode_internal.h"
#include "agent/uring.h"
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "tests/tap.h"
#include "tests/unit/callregs.h"

#define DOC "docs/calls.md"

static const char *const categories[] = { [CATEGORY_MANAGEMENT] = "Management", [CATEGORY_DATA] = "Data", [CATEGORY_NETWORK] = "NetworkActivity" };
static const char *const classes[] = { [HT_CLASS_CONTROL] = "control", [HT_CLASS_PROCESS] = "process", [HT_CLASS_DATA] = "data" };

static const char *class_text(const struct ht_call_desc *d)
{
	return d->flags & HT_CALL_F_SETID ? "data; control with set-id bits" : classes[d->class];
}

static const char *read_only_text(const struct call *c)
{
	return c->read_only == RO_NO ? "no" : c->read_only == RO_YES ? "yes" : "by its arguments";
}

static const char *hook_text(uint16_t flags)
{
	if (flags & HT_CALL_F_HIGHRATE)
		return "exit, if selected";
	if (flags & HT_CALL_F_EXEC)
		return "enter, exec; exit when refused";
	if (flags & HT_CALL_F_NORETURN)
		return "process exit";
	if (flags & HT_CALL_F_ENTER)
		return "enter, exit";
	return flags & HT_CALL_F_NEWPEER ? "enter, exit, to a new peer" : "exit";
}

static const char *grade_of(const struct call *c, const struct call_arg *a)
{
	const struct ht_call_desc *d = &calls_descs()[calls_lookup(c->name)];

	switch (a->kind) {
	case ARG_PATH:
		if (d->flags & HT_CALL_F_EXEC)
			return " (object; user when refused, object where hooked)";
		return d->hook ? " (user; object where hooked)" : " (user)";
	case ARG_OPENED:
		if (d->hook)
			return " (fdAtExit; user when refused; object where hooked)";
		return " (fdAtExit; user when refused)";
	case ARG_ENTERED:
		return " (fdAtExit; user when refused)";
	case ARG_FDPATH:
		return a->arg != HT_ARG_RET ? " (object)" : d->hook ? " (fdAtExit; object where hooked)" : " (fdAtExit)";
	case ARG_PEER:
	case ARG_BOUND:
		return " (object; user where the socket does not know it)";
	case ARG_LOCAL:
		return " (object)";
	default:
		return "";
	}
}

/* The names of one section of what a structure is shown as, behind others if there are any. Are there now? */
static bool structure(struct buf *b, const struct call *c, const struct call_arg *a, enum field_section section, bool any)
{
	struct shape_field v[RECORD_FIELDS_MAX];
	unsigned n = mem_fields(a->aux, v);

	for (unsigned i = 0; i < n; i++) {
		if (v[i].section != section)
			continue;
		buf_addf(b, "%s%s%s", any ? ", " : "", v[i].name, section == SECTION_REQUEST ? grade_of(c, a) : "");
		any = true;
	}
	return any;
}

static void arguments(struct buf *b, const struct call *c)
{
	bool any = false;

	for (const struct call_arg *a = c->args; a->name; a++) {
		if (a->kind == ARG_MEM) {
			any = structure(b, c, a, SECTION_REQUEST, any);
			continue;
		}
		buf_addf(b, "%s%s%s", any ? ", " : "", a->name, grade_of(c, a));
		any = true;
	}
	if (!any)
		buf_adds(b, "-");
}

static const char *result_text(const struct call *c)
{
	static const char *const v[RET__MAX] = {
		[RET_NONE] = "-", [RET_FD] = "fd", [RET_PID] = "pid", [RET_BYTES] = "bytes", [RET_INT] = "result", [RET_KEY] = "key",
		[RET_ID] = "previousId", [RET_ADDRESS] = "fd, address (object)", [RET_FDS] = "fds", [RET_OBJECT] = "id", [RET_RING] = "fd, slot",
		[RET_POINTER] = "address", [RET_COUNT] = "count", [RET_OFFSET] = "offset",
	};

	return v[c->ret];
}

static void responses(struct buf *b, const struct call *c)
{
	bool any = c->ret != RET_NONE;

	if (any)
		buf_adds(b, result_text(c));
	for (const struct call_arg *a = c->args; a->name; a++)
		if (a->kind == ARG_MEM)
			any = structure(b, c, a, SECTION_RESPONSE, any);
	if (!any)
		buf_adds(b, "-");
}

static void rows_of(struct buf *b, const char *source)
{
	buf_addf(b, "\n## %s\n\n| call | category | ring | readOnly | hooks | requestParameters | responseElements |\n|---|---|---|---|---|---|---|\n", source);
	for (unsigned i = 1; i < calls_count(); i++) {
		const struct call *c = calls_row(i);
		const struct ht_call_desc *d = &calls_descs()[i];

		if (strcmp(c->source, source))
			continue;
		buf_addf(b, "| %s%s | %s | %s | %s | %s | ", c->name, c->i386 ? " (i386)" : "", categories[c->category], class_text(d),
			 read_only_text(c), hook_text(d->flags));
		arguments(b, c);
		buf_adds(b, " | ");
		responses(b, c);
		buf_adds(b, " |\n");
	}
}

static unsigned high_rate(void)
{
	unsigned n = 0;

	for (unsigned i = 1; i < calls_count(); i++)
		n += calls_high_rate(i);
	return n;
}

/* Opcodes by what they are recorded as; those without a row behind. */
static void forms(struct buf *b, unsigned opcode)
{
	for (unsigned form = 0; form < HT_FORM__MAX; form++) {
		uint8_t of;
		const char *call = uring_form(form, &of);

		if (of == opcode)
			buf_addf(b, "; %s%s", call, calls_high_rate((uint16_t)calls_lookup(call)) ? ", if selected" : "");
	}
}

static void operations(struct buf *b)
{
	char room[12];

	buf_addf(b, "\n## Operations of io_uring\n\n"
		    "An operation is recorded like the system call that does the same, by that call's row above, with `via` \"io_uring\" and\n"
		    "`ioUring` in additionalEventData: opcode, flags of the submission and of the ring, the program's own user_data, and the slot\n"
		    "(`fixedFile`) where a new file went instead of a descriptor. Strings are the kernel's own copies: their paths are `object`.\n"
		    "With IORING_FSYNC_DATASYNC an FSYNC is fdatasync; a URING_CMD is io_uring_cmd, but for those that ask a socket for its options.\n"
		    "Opcodes that this list does not have are `unknown_io_uring_op`. Those of which nothing needs to be known have no\n"
		    "record.\n\n| opcode | recorded as |\n|---|---|\n");
	for (unsigned op = 0; op < URING_OPS; op++) {
		struct str name = uring_op_name(op, room);
		const char *twin = uring_twin((uint8_t)op);

		if (name.p == room)
			break;
		buf_addf(b, "| %s | %s%s", name.p, twin ? twin : "not recorded", twin && calls_high_rate(uring_call((uint8_t)op)) ? ", if selected" : "");
		forms(b, op);
		buf_addf(b, " |\n");
	}
}

static void listing(struct buf *b)
{
	buf_addf(b,
		 "# Calls\n\n"
		 "What is recorded of each system call: generated from agent/calls.def (`HT_WRITE=1 build/tests/unit/test_calls_doc` in the\n"
		 "checkout writes this file; the unit test of that name fails when it is not current). %u rows; a row marked i386 holds for\n"
		 "32-bit calls whose arguments have other widths than their namesake's. Behind a path or an address stands how true it\n"
		 "is: `object` by the kernel's own object, `fdAtExit` by the descriptor that the call returned, `user` by the string in the\n"
		 "program's memory; `object where hooked`: hosttrail doctor lists the kernel's functions (fentry) that have a hook, and what fails\n"
		 "before it came there keeps its grade. Arguments without a grade are register values or structures in the program's memory. setxattr and its\n"
		 "kin are Management where the attribute is a permission (security.*, system.posix_acl_*, trusted.*). Numbers that no\n"
		 "table knows are `unknown_syscall`.\n\n"
		 "%u rows show by name and type every register that the call takes. The others leave out what the kernel is to fill in, and\n"
		 "content: what is read, written, sent, or set as an attribute or a key. Of what is asked they leave out the sets of select,\n"
		 "offsets that splice, sendfile and copy_file_range take by pointer, a futex's second address and timeout, the addresses of\n"
		 "process_vm_readv and its kin, the filter of seccomp, the pages of move_pages, a new queue's size (mq_open), what the *ctl calls\n"
		 "of IPC set, what a queued signal carries, and the blocks of io_submit. tests/live/every_row.py compares every field of\n"
		 "over 300 calls, made to succeed and made to fail, with what was passed.\n\n"
		 "What is recorded without being asked is what changes something beyond the caller's own memory and descriptors, acts on\n"
		 "others, opens, connects, or starts and ends programs; and tries of calls that no kernel has any more. What reads and writes through an\n"
		 "open descriptor, waits, looks, asks the time or about oneself, or arranges one's own memory, signals and descriptors is\n"
		 "high-rate (`if selected`, %u rows): it is captured where a selector names it, and costs the early exit where none does. So are chdir,\n"
		 "ioctl, fcntl, prlimit64, setsockopt and sched_setaffinity: the few uses of them that matter drown in those that every program\n"
		 "makes, until a selector says otherwise. rt_sigreturn, sigreturn and restart_syscall are in the table and never recorded:\n"
		 "their exit shows another call, or none.\n",
		 calls_count() - 1, callregs_rows_whole(), high_rate());
	for (unsigned i = 1; i < calls_count(); i++) {
		bool first = true;

		for (unsigned j = 1; j < i && first; j++)
			first = strcmp(calls_row(i)->source, calls_row(j)->source);
		if (first)
			rows_of(b, calls_row(i)->source);
	}
	operations(b);
}

static void doc_is_current(void)
{
	_cleanup_buf_ struct buf want = { 0 }, have = { 0 };
	char piece[4096];
	FILE *f;
	size_t n;

	listing(&want);
	ok(!want.failed);
	if (getenv("HT_WRITE")) {
		f = fopen(DOC, "w");
		must(f && fwrite(want.p, 1, want.n, f) == want.n);
		fclose(f);
	}
	f = fopen(DOC, "r");
	must(f);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(&have, piece, n);
	fclose(f);
	ok(have.n == want.n && !memcmp(have.p, want.p, want.n));
}

static const struct tap_case cases[] = { CASE(doc_is_current) };
TAP_MAIN(cases)

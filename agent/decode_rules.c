// SPDX-License-Identifier: Apache-2.0
/* decode_rules.c - which calls, with the arguments at hand, only read; and which xattrs are permissions. */
#include <fcntl.h>
#include <string.h>

#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>

#include "decode_internal.h"

/* Flags of an open that writes, creates or cuts. */
static bool open_reads(uint64_t flags)
{
	if (flags & O_PATH)
		return true;
	return (flags & O_ACCMODE) == O_RDONLY && !(flags & (O_CREAT | O_TRUNC)) && (flags & O_TMPFILE) != O_TMPFILE;
}

static bool mem_word(const struct view *v, unsigned arg, void *ret_p, unsigned n)
{
	const struct slot *s = view_slot(v, SLOT_MEM, arg);

	if (!s || s->flags & HT_FIELD_F_FAULT || s->n < n)
		return false;
	memcpy(ret_p, s->p, n);
	return true;
}

static uint64_t arg_of(const struct call *row, const struct view *v, const struct flagset *set)
{
	for (const struct call_arg *a = row->args; a->name; a++)
		if (a->set == set)
			return v->c.args[a->arg];
	return 0;
}

bool open_contradicts(const struct view *v, uint64_t flags)
{
	const struct slot *s = view_slot(v, SLOT_WALK_OBJECT, 1);
	struct ht_walk w;

	if (!s)
		s = view_slot(v, SLOT_WALK_RET, SLOT_RET);
	if (!s || s->flags & HT_FIELD_F_FAULT || s->n < sizeof(w) || v->c.h.flags & HT_EV_F_URING)
		return false;
	memcpy(&w, s->p, sizeof(w));
	return !(w.flags & HT_WALK_F_NO_FILE) && !(flags & O_PATH) && (w.f_flags & O_ACCMODE) != (flags & O_ACCMODE);
}

/* The structure is the program's: one that was seen to be exchanged, or was hidden until the call ended, is not believed. */
static bool open_how_reads(const struct call *row, const struct view *v)
{
	uint64_t flags;

	for (const struct call_arg *a = row->args; a->name; a++)
		if (a->kind == ARG_MEM && a->aux == MEM_OPEN_HOW)
			return mem_word(v, a->arg, &flags, sizeof(flags)) && open_reads(flags) && !open_contradicts(v, flags) &&
			       !(view_slot(v, SLOT_MEM, a->arg)->flags & (HT_FIELD_F_CHANGED | HT_FIELD_F_ONCE));
	return false;
}

static bool timex_reads(const struct call *row, const struct view *v)
{
	uint32_t modes;

	for (const struct call_arg *a = row->args; a->name; a++)
		if (a->kind == ARG_MEM)
			return mem_word(v, a->arg, &modes, sizeof(modes)) && (!modes || modes == 0xa001);
	return false;
}

static bool ptrace_reads(uint64_t request)
{
	switch ((uint32_t)request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
	case PTRACE_PEEKUSR:
	case PTRACE_GETREGSET:
	case PTRACE_GETSIGINFO:
	case PTRACE_PEEKSIGINFO:
	case PTRACE_GETSIGMASK:
	case PTRACE_GETEVENTMSG:
	case PTRACE_GET_SYSCALL_INFO:
	case PTRACE_SECCOMP_GET_FILTER:
	case PTRACE_SECCOMP_GET_METADATA:
	case 12:	/* PTRACE_GETREGS */
	case 14:	/* PTRACE_GETFPREGS */
	case 18:	/* PTRACE_GETFPXREGS */
	case 25:	/* PTRACE_GET_THREAD_AREA */
	case 0x420f:
	case 0x4211:
		return true;
	default:
		return false;
	}
}

static bool bpf_reads(uint64_t command)
{
	switch ((uint32_t)command) {
	case BPF_MAP_LOOKUP_ELEM:
	case BPF_MAP_GET_NEXT_KEY:
	case BPF_MAP_LOOKUP_BATCH:
	case BPF_OBJ_GET:
	case BPF_PROG_GET_NEXT_ID:
	case BPF_MAP_GET_NEXT_ID:
	case BPF_LINK_GET_NEXT_ID:
	case BPF_BTF_GET_NEXT_ID:
	case BPF_PROG_GET_FD_BY_ID:
	case BPF_MAP_GET_FD_BY_ID:
	case BPF_BTF_GET_FD_BY_ID:
	case BPF_LINK_GET_FD_BY_ID:
	case BPF_OBJ_GET_INFO_BY_FD:
	case BPF_PROG_QUERY:
	case BPF_TASK_FD_QUERY:
		return true;
	default:
		return false;
	}
}

static bool keyctl_reads(uint64_t operation)
{
	switch ((uint32_t)operation) {
	case KEYCTL_GET_KEYRING_ID:
	case KEYCTL_DESCRIBE:
	case KEYCTL_SEARCH:
	case KEYCTL_READ:
	case KEYCTL_GET_SECURITY:
	case KEYCTL_PKEY_QUERY:
	case KEYCTL_PKEY_VERIFY:
	case KEYCTL_CAPABILITIES:
		return true;
	default:
		return false;
	}
}

/* The options that read are those that the table calls PR_GET_..., and two with other names. */
static bool prctl_reads(uint64_t option)
{
	struct str name = flags_known(&flagset_prctl, (uint32_t)option);

	return (name.n > 7 && !memcmp(name.p, "PR_GET_", 7)) || (uint32_t)option == PR_CAPBSET_READ ||
	       (uint32_t)option == PR_MCE_KILL_GET;
}

static bool quota_reads(uint64_t command)
{
	struct str name = flags_known(&flagset_quota, (uint32_t)command >> 8);

	return name.p && (memmem(name.p, name.n, "GET", 3) || memmem(name.p, name.n, "SYNC", 4));
}

static bool syslog_reads(uint64_t type)
{
	return type == 0 || type == 1 || type == 2 || type == 3 || type == 9 || type == 10;
}

static bool ipcctl_reads(uint64_t command)
{
	uint32_t c = (uint32_t)command & 0xff;

	return c == 2 || c == 3 || (c >= 13 && c <= 15);	/* IPC_STAT, IPC_INFO, the SHM ones */
}

static bool semctl_reads(uint64_t command)
{
	uint32_t c = (uint32_t)command & 0xff;

	return c == 2 || c == 3 || (c >= 11 && c <= 15) || (c >= 18 && c <= 20);	/* IPC_STAT, GET..., SEM_STAT... */
}

/* The commands and options that read are those whose names say so. */
static bool named_get(const struct flagset *set, uint64_t v)
{
	struct str name = flags_known(set, (uint32_t)v);

	return name.p && memmem(name.p, name.n, "GET", 3);
}

static bool persona_reads(uint64_t persona)
{
	return (uint32_t)persona == 0xffffffff;
}

bool call_read_only(const struct call *row, const struct view *v)
{
	switch ((enum read_only)row->read_only) {
	case RO_YES:
		return true;
	case RO_OPEN:
	case RO_MQ:
		return open_reads(arg_of(row, v, &flagset_open));
	case RO_OPEN_HOW:
		return open_how_reads(row, v);
	case RO_SIGNAL:
		return !(uint32_t)arg_of(row, v, &flagset_signal);
	case RO_PTRACE:
		return ptrace_reads(v->c.args[0]);
	case RO_PRCTL:
		return prctl_reads(v->c.args[0]);
	case RO_BPF:
		return bpf_reads(v->c.args[0]);
	case RO_KEYCTL:
		return keyctl_reads(v->c.args[0]);
	case RO_TIMEX:
		return timex_reads(row, v);
	case RO_QUOTA:
		return quota_reads(arg_of(row, v, &flagset_quota));
	case RO_SYSLOG:
		return syslog_reads(v->c.args[0]);
	case RO_SECCOMP:
		return named_get(&flagset_seccomp, v->c.args[0]);
	case RO_IPCCTL:
		return ipcctl_reads(arg_of(row, v, &flagset_ipcctl));
	case RO_PERSONALITY:
		return persona_reads(v->c.args[0]);
	case RO_SEMCTL:
		return semctl_reads(v->c.args[2]);
	case RO_FCNTL:
		return named_get(&flagset_fcntl, v->c.args[1]);
	case RO_ARCH:
		return named_get(&flagset_arch_prctl, v->c.args[0]);
	case RO_NULL0:
	case RO_NULL1:
	case RO_NULL2:
		return !v->c.args[row->read_only - RO_NULL0];
	case RO_NO:
	case RO__MAX:
		break;
	}
	return false;
}

bool xattr_is_management(struct str name)
{
	static const char *const prefixes[] = { "security.", "system.posix_acl_", "trusted." };

	for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t n = strlen(prefixes[i]);

		if (name.n >= n && !memcmp(name.p, prefixes[i], n))
			return true;
	}
	return false;
}

static unsigned prctl_args(uint32_t option)
{
	struct str name = flags_known(&flagset_prctl, option);

	switch (option) {
	case PR_SET_SECCOMP:
	case PR_MCE_KILL:
	case PR_SET_SPECULATION_CTRL:
	case PR_CAP_AMBIENT:
	case PR_SET_THP_DISABLE:
		return 2;
	case PR_SET_MM:
	case PR_SET_VMA:
	case PR_SCHED_CORE:
	case PR_SET_SYSCALL_USER_DISPATCH:
		return 4;
	case PR_GET_DUMPABLE:
	case PR_GET_KEEPCAPS:
	case PR_GET_SECCOMP:
	case PR_GET_SECUREBITS:
	case PR_GET_TIMERSLACK:
	case PR_GET_TIMING:
	case PR_GET_NO_NEW_PRIVS:
	case PR_GET_THP_DISABLE:
	case PR_TASK_PERF_EVENTS_DISABLE:
	case PR_TASK_PERF_EVENTS_ENABLE:
	case PR_MCE_KILL_GET:
	case PR_GET_IO_FLUSHER:
		return 0;
	default:
		return name.p ? 1 : 4;
	}
}

unsigned operation_args(const struct call *row, uint32_t operation)
{
	static const uint8_t keyctl_args[] = {
		[KEYCTL_GET_KEYRING_ID] = 2, [KEYCTL_JOIN_SESSION_KEYRING] = 1, [KEYCTL_UPDATE] = 3, [KEYCTL_REVOKE] = 1,
		[KEYCTL_CHOWN] = 3, [KEYCTL_SETPERM] = 2, [KEYCTL_DESCRIBE] = 3, [KEYCTL_CLEAR] = 1, [KEYCTL_LINK] = 2,
		[KEYCTL_UNLINK] = 2, [KEYCTL_SEARCH] = 4, [KEYCTL_READ] = 3, [KEYCTL_INSTANTIATE] = 4, [KEYCTL_NEGATE] = 3,
		[KEYCTL_SET_REQKEY_KEYRING] = 1, [KEYCTL_SET_TIMEOUT] = 2, [KEYCTL_ASSUME_AUTHORITY] = 1, [KEYCTL_GET_SECURITY] = 3,
		[KEYCTL_SESSION_TO_PARENT] = 0, [KEYCTL_REJECT] = 4, [KEYCTL_INSTANTIATE_IOV] = 4, [KEYCTL_INVALIDATE] = 1,
		[KEYCTL_GET_PERSISTENT] = 2, [KEYCTL_DH_COMPUTE] = 4, [KEYCTL_PKEY_QUERY] = 4, [KEYCTL_PKEY_ENCRYPT] = 4,
		[KEYCTL_PKEY_DECRYPT] = 4, [KEYCTL_PKEY_SIGN] = 4, [KEYCTL_PKEY_VERIFY] = 4, [KEYCTL_RESTRICT_KEYRING] = 3,
		[KEYCTL_MOVE] = 4, [KEYCTL_CAPABILITIES] = 2, [KEYCTL_WATCH_KEY] = 3,
	};

	if (!strcmp(row->name, "prctl"))
		return prctl_args(operation);
	return operation < sizeof(keyctl_args) ? keyctl_args[operation] : 4;
}

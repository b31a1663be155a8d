// SPDX-License-Identifier: Apache-2.0
/* calls.c - the table of calls, from calls.def, and its numbers on this architecture. */
#include <pthread.h>
#include <string.h>

#include "calls_internal.h"
#include "lib/cleanup.h"

#define UNPAREN(...) __VA_ARGS__

/* What the probes read: one struct ht_op each. */
#define PATH_OP(arg, dirfd) { HT_OP_PATH, arg, DIRFD_##dirfd, 0, HT_PATH_MAX, 0 },
#define PATH_OP_ERR(arg, dirfd) { HT_OP_PATH, arg, DIRFD_##dirfd, HT_OP_F_ON_ERR, HT_PATH_MAX, 0 },
#define FD_OP(arg) { HT_OP_FD, arg, 0, 0, 0, 0 },
#define RETFD_OP { HT_OP_RETFD, 0, 0, HT_OP_F_ON_OK, 0, 0 },
#define STR_OP(arg, max) { HT_OP_STR, arg, 0, 0, max, 0 },
#define STR_IN(arg, max) { HT_OP_STR, arg, 0, HT_OP_F_TWICE, max, 0 },
#define STR_OP_OK(arg, max) { HT_OP_STR, arg, 0, HT_OP_F_ON_OK, max, 0 },
#define MEM_OP(arg, bytes) { HT_OP_MEM, arg, HT_AUX_CONST, 0, bytes, 0 },
#define MEM_IN(arg, bytes) { HT_OP_MEM, arg, HT_AUX_CONST, HT_OP_F_TWICE, bytes, 0 },
#define MEM_IN_N(arg, count, unit, bytes) { HT_OP_MEM, arg, count, HT_OP_F_TWICE, bytes, unit },
#define MEM_OP_OK(arg, bytes) { HT_OP_MEM, arg, HT_AUX_CONST, HT_OP_F_ON_OK, bytes, 0 },
#define MEM_OP_N(arg, count, unit, bytes) { HT_OP_MEM, arg, count, 0, bytes, unit },
#define SOCKADDR_OP(arg, len) { HT_OP_SOCKADDR, arg, len, 0, 128, 0 },
#define SOCKADDR_PTR_OP(arg, len) { HT_OP_SOCKADDR, arg, len, HT_OP_F_LENPTR, 128, 0 },
#define MSGHDR_OP(arg) { HT_OP_MSGHDR, arg, 0, 0, 128, 0 },
#define MSGHDRS_OP(arg, n) { HT_OP_MSGHDR, arg, n, HT_OP_F_MANY, 128, 0 },
#define KOBJ_OP(arg) { HT_OP_KOBJ, arg, 0, 0, 0, 0 },
#define KOBJS_OP(arg, size) { HT_OP_KOBJS, arg, size, 0, 0, 0 },
#define ARGV_OP(arg) { HT_OP_ARGV, arg, 0, 0, 0, 0 },
#define DIRFD_CWD HT_AUX_CWD
#define DIRFD_0 0
#define DIRFD_1 1
#define DIRFD_2 2
#define DIRFD_3 3
#define DIRFD_4 4

static const struct ht_call_desc descs[] = {
	{ .class = HT_CLASS_DATA },
	{ .class = HT_CLASS_DATA, .nargs = 6 },	/* unknown_syscall */
#define ENTER HT_CALL_F_ENTER
#define EXEC HT_CALL_F_EXEC
#define FORK HT_CALL_F_FORK
#define NORETURN HT_CALL_F_NORETURN
#define NEWPEER HT_CALL_F_NEWPEER
#define LASTING HT_CALL_F_LASTING
#define FSUID HT_CALL_F_FSUID
#define SETID HT_CALL_F_SETID
#define EXEFILE HT_CALL_F_EXEFILE
#define ACTOR HT_CALL_F_ACTOR
#define IDENTITY (HT_CALL_F_IDENTITY | ACTOR)
#define OTHERS HT_CALL_F_OTHERS
#define TWICE HT_CALL_F_TWICE
#define HIGHRATE HT_CALL_F_HIGHRATE
#define HOOK(kind) (HT_HOOK_##kind << HOOK_SHIFT)
#define HOOK_SHIFT 16	/* behind the flags */
#define DESC(cls, fl, regs, mode, ops)                                                               \
	{                                                                                            \
		.flags = (fl) & ((1 << HOOK_SHIFT) - 1), .hook = (fl) >> HOOK_SHIFT, .class = HT_CLASS_##cls, .nargs = (regs), .mode_arg = (mode),         \
		.nops = sizeof((struct ht_op[]){ UNPAREN ops{ 0, 0, 0, 0, 0, 0 } }) / sizeof(struct ht_op) - 1,     \
		.op = { UNPAREN ops },                                                               \
	},
#define CALL(n, fam, cat, cls, ro, fl, regs, ops, args, result) DESC(cls, fl, regs, 0, ops)
#define CALLM(n, fam, cat, cls, ro, fl, regs, mode, ops, args, result) DESC(cls, fl, regs, mode, ops)
#define CALL32(n, fam, cat, cls, ro, fl, regs, ops, args, result) DESC(cls, fl, regs, 0, ops)
#include "calls.def"
#undef CALL
#undef CALLM
#undef CALL32
#undef ENTER
#undef EXEC
#undef FORK
#undef NORETURN
#undef NEWPEER
#undef LASTING
#undef EXEFILE
#undef IDENTITY
#undef ACTOR
#undef OTHERS
#undef TWICE
#undef FSUID
#undef SETID
#undef HIGHRATE
#undef HOOK
};
_Static_assert(ARRAY_SIZE(descs) <= HT_CALLS_MAX, "more calls than the probes have descriptors for");

/* What the record says: one struct call_arg each. */
#define NONE CALL_ARG_NONE
#define END { NULL, ARG_END, 0, 0, NULL, NULL }
#define FILE_R "Linux::File"
#define PROCESS_R "Linux::Process"
#define SOCKET_R "Linux::Socket"
#define MODULE_R "Linux::KernelModule"
#define INT(name, arg) { name, ARG_INT, arg, 0, NULL, NULL },
#define UINT(name, arg) { name, ARG_UINT, arg, 0, NULL, NULL },
#define LONG(name, arg) { name, ARG_LONG, arg, 0, NULL, NULL },
#define ULONG(name, arg) { name, ARG_ULONG, arg, 0, NULL, NULL },
#define OFF64(name, arg) { name, ARG_OFF64, arg, 0, NULL, NULL },
#define HEX(name, arg) { name, ARG_HEX, arg, 0, NULL, NULL },
#define EXTRA(name, arg) { name, ARG_EXTRA, arg, 0, NULL, NULL },
#define OCTAL(name, arg) { name, ARG_OCTAL, arg, 0, NULL, NULL },
#define CREATE_MODE(name, arg, flags) { name, ARG_CREATE_MODE, arg, flags, NULL, NULL },
#define FD(name, arg) { name, ARG_INT, arg, 0, NULL, NULL },
#define DIRFD(arg) { "dirfd", ARG_DIRFD, arg, 0, NULL, NULL },
#define NEWDIRFD(arg) { "newDirfd", ARG_DIRFD, arg, 0, NULL, NULL },
#define PID(name, arg) { name, ARG_PID, arg, 0, NULL, PROCESS_R },
#define ID(name, arg) { name, ARG_ID, arg, 0, NULL, NULL },
#define ID16(name, arg) { name, ARG_ID16, arg, 0, NULL, NULL },
#define FLAGS(name, arg, set) { name, ARG_FLAGS, arg, 0, &flagset_##set, NULL },
#define ENUM(name, arg, set) { name, ARG_ENUM, arg, 0, &flagset_##set, NULL },
#define QUOTA(name, arg) { name, ARG_QUOTA, arg, 0, &flagset_quota, NULL },
#define IPCCALL(name, arg) { name, ARG_IPCCALL, arg, 0, &flagset_ipccall, NULL },
#define SOCKOPT(name, arg) { name, ARG_SOCKOPT, arg, 1, &flagset_sockopt, NULL },
#define FILETYPE(name, arg) { name, ARG_FILETYPE, arg, 0, &flagset_filetype, NULL },
#define PROTOCOL(name, arg) { name, ARG_PROTOCOL, arg, 0, &flagset_sockproto, NULL },
#define DEV(name, arg, mode) { name, ARG_DEV, arg, mode, NULL, NULL },
#define PATH(name, arg, dirfd) { name, ARG_PATH, arg, dirfd, NULL, FILE_R },
#define OPENED(name, arg, dirfd) { name, ARG_OPENED, arg, dirfd, NULL, FILE_R },
#define ENTERED(name, arg) { name, ARG_ENTERED, arg, NONE, NULL, FILE_R },
#define FDPATH(name, arg) { name, ARG_FDPATH, arg, 0, NULL, FILE_R },
#define MODPATH(name, arg) { name, ARG_FDPATH, arg, 0, NULL, MODULE_R },
#define INITRD(name, arg) { name, ARG_FDPATH, arg, 0, NULL, FILE_R },
#define RETPATH(name) { name, ARG_FDPATH, HT_ARG_RET, 0, NULL, FILE_R },
#define STR(name, arg) { name, ARG_STR, arg, 0, NULL, NULL },
#define MODNAME(name, arg) { name, ARG_STR, arg, 0, NULL, MODULE_R },
#define XATTR(name, arg) { name, ARG_XATTR, arg, 0, NULL, NULL },
#define MOUNTDATA(name, arg) { name, ARG_OPTIONS, arg, NONE, NULL, NULL },
#define FSKEY(name, arg) { name, ARG_FSKEY, arg, 1, NULL, NULL },
#define FSVALUE(name, arg) { name, ARG_FSVALUE, arg, 2, NULL, NULL },
#define NAMELEN(name, arg, len) { name, ARG_NAMELEN, arg, len, NULL, NULL },
#define PEER(name, arg) { name, ARG_PEER, arg, 0, &flagset_family, SOCKET_R },
#define BOUND(name, arg) { name, ARG_BOUND, arg, 0, &flagset_family, SOCKET_R },
#define LOCAL(name, arg) { name, ARG_LOCAL, arg, 0, &flagset_family, SOCKET_R },
#define ARGV(name, arg) { name, ARG_ARGV, arg, 0, NULL, NULL },
#define NUMBER(name) { name, ARG_NUMBER, 0, 0, NULL, NULL },
#define MEMORY(name, arg, what) { name, ARG_MEM, arg, MEM_##what, NULL, NULL },

static const struct call rows[] = {
	{ .name = NULL },
	{ .name = "unknown_syscall", .source = "system.linux", .category = CATEGORY_MANAGEMENT, .ret = RET_INT,
	  .args = (const struct call_arg[]){ { "number", ARG_NUMBER, 0, 0, NULL, NULL }, HEX("arg1", 0) HEX("arg2", 1)
		HEX("arg3", 2) HEX("arg4", 3) HEX("arg5", 4) HEX("arg6", 5) END } },
#define ROW(n, fam, cat, ro, i386_, arguments, result)                                              \
	{                                                                                           \
		.name = #n, .source = #fam ".linux", .category = CATEGORY_##cat, .read_only = ro,   \
		.ret = result, .i386 = i386_, .args = (const struct call_arg[]){ UNPAREN arguments END }, \
	},
#define CALL(n, fam, cat, cls, ro, fl, regs, ops, args, result) ROW(n, fam, cat, ro, false, args, result)
#define CALLM(n, fam, cat, cls, ro, fl, regs, mode, ops, args, result) ROW(n, fam, cat, ro, false, args, result)
#define CALL32(n, fam, cat, cls, ro, fl, regs, ops, args, result) ROW(n, fam, cat, ro, true, args, result)
#include "calls.def"
};
_Static_assert(ARRAY_SIZE(rows) == ARRAY_SIZE(descs), "one row a descriptor");

static uint16_t indexes[HT_ABI__MAX][HT_NR_MAX];
static const char *nr_names[HT_ABI__MAX][HT_NR_MAX];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static unsigned row_of(const char *name, bool i386)
{
	unsigned found = 0;

	for (unsigned i = 1; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, name)) {
			if (rows[i].i386 == i386)
				return i;
			if (!rows[i].i386)
				found = i;
		}
	return found;
}

static void index_build(void)
{
	unsigned n;
	const struct arch_number *v = arch_numbers(&n);

	for (unsigned abi = 0; abi < HT_ABI__MAX; abi++)
		for (unsigned nr = 0; nr < HT_NR_MAX; nr++)
			indexes[abi][nr] = HT_CALL_UNKNOWN;
	for (unsigned i = 0; i < n; i++)
		for (unsigned abi = 0; abi < HT_ABI__MAX; abi++)
			if (v[i].abis & 1 << abi) {
				indexes[abi][v[i].nr] = (uint16_t)row_of(v[i].name, abi == HT_ABI_COMPAT);
				nr_names[abi][v[i].nr] = v[i].name;
			}
}

unsigned calls_count(void)
{
	return ARRAY_SIZE(rows);
}

const struct ht_call_desc *calls_descs(void)
{
	return descs;
}

const struct call *calls_row(unsigned call)
{
	return call && call < ARRAY_SIZE(rows) ? &rows[call] : NULL;
}

const uint16_t *calls_index(enum ht_abi abi)
{
	pthread_once(&once, index_build);
	return indexes[abi];
}

uint16_t calls_behind(unsigned multiplexer, uint32_t number)
{
	const char *name = multiplexer ? arch_ipc_name(number) : arch_socketcall_name(number);

	return name ? (uint16_t)row_of(name, true) : HT_CALL_UNKNOWN;
}

bool calls_multiplexer(unsigned call)
{
	const char *name = calls_name(call);

	return name && rows[call].i386 && (!strcmp(name, "socketcall") || !strcmp(name, "ipc"));
}

bool calls_high_rate(unsigned call)
{
	return call < ARRAY_SIZE(descs) && descs[call].flags & HT_CALL_F_HIGHRATE;
}

const char *calls_name(unsigned call)
{
	return call < ARRAY_SIZE(rows) ? rows[call].name : NULL;
}

unsigned calls_lookup(const char *name)
{
	unsigned found = row_of(name, false);

	return found ? found : row_of(name, true);
}

const char *calls_nr_name(enum ht_abi abi, uint32_t nr)
{
	pthread_once(&once, index_build);
	return (unsigned)abi < HT_ABI__MAX && nr < HT_NR_MAX ? nr_names[abi][nr] : NULL;
}

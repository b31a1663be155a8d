/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls_internal.h - what one row of the table of calls holds; only for calls.c, the decoder and their tests.
 *
 * A row has two readers. The probes get struct ht_call_desc: which user memory to read and when. The decoder
 * gets the arguments: name, kind, and which of the event's fields carry them. Both come from one line of calls.def.
 */
#ifndef HOSTTRAIL_CALLS_INTERNAL_H
#define HOSTTRAIL_CALLS_INTERNAL_H

#include "calls.h"
#include "flags.h"

#define CALL_ARGS_MAX 12
#define CALL_ARG_NONE 0xff

/* How a value is shown. "word" is 64 bits wide for native and x32, 32 bits for i386. */
enum arg_kind {
	ARG_END = 0,
	ARG_INT,	/* signed 32 bits */
	ARG_UINT,	/* unsigned 32 bits */
	ARG_LONG,	/* signed word */
	ARG_ULONG,	/* unsigned word */
	ARG_OFF64,	/* i386: low word in arg, high word in arg + 1 */
	ARG_HEX,	/* word, as 0x... */
	ARG_EXTRA,	/* the same, only if the operation in register 0 takes that many */
	ARG_OCTAL,	/* mode */
	ARG_CREATE_MODE,/* mode, only when the flags in aux create something */
	ARG_DIRFD,	/* absent when AT_FDCWD */
	ARG_PID,
	ARG_ID,		/* uid or gid; all ones is -1, "leave as it is" */
	ARG_ID16,	/* the same, 16 bits (old i386 calls) */
	ARG_FLAGS,	/* names of the bits, by set */
	ARG_ENUM,	/* name of the value, by set */
	ARG_DEV,	/* device number of mknod, "major:minor" */
	ARG_PATH,	/* user string, joined with dirfd aux (CALL_ARG_NONE: cwd) */
	ARG_OPENED,	/* the same, but the returned descriptor tells what it was */
	ARG_ENTERED,	/* the same of chdir: the current directory after the call tells what it was */
	ARG_FDPATH,	/* what descriptor arg refers to */
	ARG_STR,	/* user string as it is */
	ARG_XATTR,	/* the same; the prefix decides the record's category */
	ARG_OPTIONS,	/* mount options: secrets are hidden */
	ARG_FSKEY,	/* fsconfig: only for commands (register aux) that have one */
	ARG_FSVALUE,	/* fsconfig: hidden when the key (register aux) names a secret */
	ARG_NAMELEN,	/* string whose length is in register aux */
	ARG_PEER,	/* address that was asked for, SOCKADDR(arg), and the peer of SOCK(0) */
	ARG_BOUND,	/* the same for bind: the own address of SOCK(0) */
	ARG_LOCAL,	/* own address of SOCK(arg) */
	ARG_QUOTA,	/* command and quota type in one number */
	ARG_IPCCALL,	/* low half of the register */
	ARG_FILETYPE,	/* the mode's type bits */
	ARG_SOCKOPT,	/* by the level in register aux */
	ARG_PROTOCOL,	/* by the socket's family in register 0 */
	ARG_NUMBER,	/* the system call's number */
	ARG_ARGV,	/* redacted */
	ARG_MEM,	/* structure, interpreted by `mem` */
	ARG__MAX,
};

/* What the decoder makes of a structure in user memory (decode_mem.c). */
enum mem_kind {
	MEM_NONE = 0,
	MEM_OPEN_HOW,
	MEM_CLONE_ARGS,
	MEM_TIMESPEC,		/* one, native layout */
	MEM_TIMESPEC32,
	MEM_TIMES,		/* two struct timespec: access and modification */
	MEM_TIMES32,
	MEM_TIMEVAL,
	MEM_TIMEVAL32,
	MEM_TIMEVALS,		/* two struct timeval */
	MEM_TIMEVALS32,
	MEM_UTIMBUF,
	MEM_UTIMBUF32,
	MEM_TIME32,		/* time_t of stime */
	MEM_TIMEX,
	MEM_TIMEX32,
	MEM_GROUPS,		/* gid_t[] */
	MEM_GROUPS16,
	MEM_WORDS32,		/* the block of socketcall */
	MEM_CAP_HEADER,
	MEM_CAP_DATA,
	MEM_RULESET,		/* struct landlock_ruleset_attr */
	MEM_LANDLOCK_RULE,
	MEM_MOUNT_ATTR,
	MEM_BPF_ATTR,
	MEM_PERF_ATTR,
	MEM_IO_URING_PARAMS,
	MEM_XATTR_ARGS,
	MEM_SECCOMP,
	MEM_FILE_ATTR,
	MEM_PRCTL_NAME,
	MEM_TIMEOUT,		/* one struct timespec that says how long */
	MEM_TIMEOUT32,
	MEM_TIMEOUTVAL,		/* struct timeval */
	MEM_TIMEOUTVAL32,
	MEM_ITIMERSPEC,
	MEM_ITIMERSPEC32,
	MEM_ITIMERVAL,
	MEM_ITIMERVAL32,
	MEM_SIGSET,
	MEM_SIGACTION,
	MEM_OLD_SIGACTION,
	MEM_SIGEVENT,
	MEM_ALTSTACK,
	MEM_WAIT_STATUS,
	MEM_EPOLL_EVENT,
	MEM_POLLFDS,
	MEM_OLD_SELECT,
	MEM_RLIMIT,
	MEM_RLIMIT32,
	MEM_SCHED_PARAM,
	MEM_SCHED_ATTR,
	MEM_CPUS,
	MEM_NODES,
	MEM_SEMOPS,
	MEM_MESSAGE_TYPE,
	MEM_MQ_ATTR,
	MEM_SOCKOPT,
	MEM_OLD_MMAP,
	MEM_RANGE,
	MEM_MOUNT_REQUEST,
	MEM_NS_REQUEST,
	MEM_FCNTL,		/* not always one: decode_command.c */
	MEM_IOCTL,
	MEM__MAX,
};

/* Is this call, with these arguments, reading only? */
enum read_only { RO_NO = 0, RO_YES, RO_OPEN, RO_OPEN_HOW, RO_SIGNAL, RO_PTRACE, RO_PRCTL, RO_BPF, RO_KEYCTL, RO_TIMEX, RO_QUOTA,
		 RO_SYSLOG, RO_SECCOMP, RO_IPCCTL, RO_MQ, RO_PERSONALITY, RO_SEMCTL, RO_FCNTL, RO_ARCH,
		 RO_NULL0, RO_NULL1, RO_NULL2 /* unless that register points to what is to be set */, RO__MAX };

/* What a result that is not an error says. */
enum ret_kind { RET_NONE = 0, RET_FD, RET_PID, RET_BYTES, RET_INT, RET_KEY, RET_ID, RET_ADDRESS, RET_FDS, RET_OBJECT, RET_POINTER,
		RET_COUNT, RET_OFFSET, RET_RING, RET__MAX };

struct call_arg {
	const char *name;
	uint8_t kind;			/* enum arg_kind */
	uint8_t arg;			/* register */
	uint8_t aux;			/* dirfd register, flags register, or enum mem_kind */
	const struct flagset *set;
	const char *resource;		/* NULL or "Linux::File" ... */
};

struct call {
	const char *name;		/* kernel name */
	const char *source;		/* "file.linux" */
	uint8_t category;		/* enum record_category */
	uint8_t read_only;		/* enum read_only */
	uint8_t ret;			/* enum ret_kind */
	bool i386;			/* this row holds for i386 only: other widths than its namesake */
	const struct call_arg *args;	/* ends with ARG_END */
};

const struct call *calls_row(unsigned call);	/* NULL out of range and for index 0 */

/* Numbers of one architecture (arch_*.c). */
struct arch_number {
	uint16_t nr;
	uint8_t abis;			/* bit per enum ht_abi */
	const char *name;
};
const struct arch_number *arch_numbers(unsigned *ret_n);

/* As records name it; NULL: native. */
const char *arch_abi_name(enum ht_abi abi);

/* Calls that a multiplexer (socketcall, ipc on i386) stands for; NULL if there is no such number. send and recv are
 * sendto and recvfrom without an address, as they are for the kernel. */
const char *arch_socketcall_name(uint32_t number);
const char *arch_ipc_name(uint32_t number);

#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * event.h - the one contract between the kernel programs (bpf/) and the agent.
 *
 * What it holds: the layout of everything that crosses a BPF map: ring
 * entries, the call descriptors that tell the probes what to read, counters,
 * and the words that both sides share in mapped pages. Only fixed-width types,
 * explicit padding, native byte order (both sides are one machine).
 *
 * A change of any layout here bumps HT_EVENT_VERSION: pins that an older build
 * left are then replaced, never reinterpreted (docs: agent/README.md).
 */
#ifndef HOSTTRAIL_EVENT_H
#define HOSTTRAIL_EVENT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define HT_EVENT_VERSION 19

/* ---- ring classes, ABIs, bounds --------------------------------------- */

enum ht_class {
	HT_CLASS_CONTROL = 0,	/* credentials, mounts, modules, bpf, ptrace, ... */
	HT_CLASS_PROCESS = 1,	/* fork, exec, exit */
	HT_CLASS_DATA = 2,	/* files, network */
	HT_CLASS_TLS = 3,	/* TLS payload */
	HT_CLASS__MAX = 4,
	HT_CLASS_USER = 15,	/* records made in user space: no ring */
};

enum ht_abi {
	HT_ABI_NATIVE = 0,	/* x86-64, arm64 */
	HT_ABI_COMPAT = 1,	/* i386 (also int 0x80 from a 64-bit task), arm */
	HT_ABI_X32 = 2,
	HT_ABI__MAX = 3,
};

#define HT_NR_MAX 1024		/* syscall numbers per ABI that have a slot */
#define HT_CALLS_MAX 1024	/* descriptors; index 0 means "not captured" */
#define HT_CALL_UNKNOWN 1	/* descriptor of numbers that no table knows */
#define HT_OPS_MAX 6
/* an entry of the table of captured calls: a descriptor's index (HT_INDEX_MASK) and these */
#define HT_INDEX_ENTER 0x8000	/* this call is looked at when it is entered */
#define HT_INDEX_TEST 0x4000	/* captured of the self-test's process alone */
#define HT_INDEX_FAILED 0x2000	/* captured when it fails, not else */
#define HT_INDEX_TLS 0x1000	/* reads or writes a socket, perhaps for a TLS library: looked at when it is entered, captured or not */
#define HT_INDEX_MAP 0x0800	/* maps a file, perhaps to be executed: looked at when it ends, captured or not */
#define HT_INDEX_FORM 0x0400	/* an opcode of io_uring of which one form is another call's, enum ht_uring_form, and one of the two is captured */
#define HT_INDEX_MASK (HT_CALLS_MAX - 1)
#define HT_INDEX_RESTART (HT_CALLS_MAX - 1)	/* restart_syscall: continues a held call */

enum ht_uring_form {	/* of an opcode, by what it is asked to do */
	HT_FORM_FDATASYNC,	/* FSYNC with IORING_FSYNC_DATASYNC */
	HT_FORM_GETSOCKOPT,	/* URING_CMD of a socket: SOCKET_URING_OP_GETSOCKOPT, */
	HT_FORM_SETSOCKOPT,	/* SOCKET_URING_OP_SETSOCKOPT */
	HT_FORM__MAX,
};

#define HT_MULTIPLEXERS 2		/* calls that stand for many: i386 socketcall and ipc */
#define HT_BEHIND_MAX 32	/* numbers of one multiplexer that have a slot */
#define HT_GROUPS_MAX 16	/* rings per class (CPU groups) */
#define HT_PROGRAMS_MAX 64	/* kernel programs, one a hook */
#define HT_DATA_MAX 131072	/* bytes of fields in one event */
#define HT_WALK_MAX 32768	/* bytes of names of one walk */
#define HT_PATH_MAX 4096	/* a path string with its NUL */
#define HT_ARGV_MAX 98304	/* bytes of argv carried in one event: what CloudTrail's 100 KB can hold */

/* ---- call descriptors: one per kernel name, filled by the agent from the
 *      table of calls (agent/calls.def), read-only for the probes ---------- */

enum ht_call_flag {
	HT_CALL_F_ENTER = 1 << 0,	/* stash at sys_enter (exec; strings read twice) */
	HT_CALL_F_EXEC = 1 << 1,	/* success is recorded at sched_process_exec */
	HT_CALL_F_FORK = 1 << 2,	/* a return of 0 is the child's: no call */
	HT_CALL_F_NORETURN = 1 << 3,	/* recorded at sched_process_exit (exit, exit_group); looked at when it is
					 * entered, where the executable is no longer known by then */
	HT_CALL_F_NEWPEER = 1 << 4,	/* only with an explicit address that this socket
					 * did not send to last (sendto, sendmsg, sendmmsg) */
	HT_CALL_F_HIGHRATE = 1 << 5,	/* only when a selector names it */
	HT_CALL_F_FSUID = 1 << 6,	/* identity compares fsuid (file calls) */
	HT_CALL_F_EXEFILE = 1 << 8,	/* may tell the kernel that the process runs another file: looked at when it
					 * is entered, captured or not */
	HT_CALL_F_LASTING = 1 << 9,	/* goes on when it is interrupted: each time the kernel leaves it is a record (connect) */
	HT_CALL_F_IDENTITY = 1 << 10,	/* may change who its task is in what no compared word tells: looked at when it is entered, captured or not */
	HT_CALL_F_OTHERS = 1 << 11,	/* did other threads run while it was made? Looked at when it is entered */
	HT_CALL_F_TWICE = 1 << 12,	/* has operations with HT_OP_F_TWICE */
	HT_CALL_F_ACTOR = 1 << 13,	/* may change who its task is: the record is of who it was when the call was entered */
	HT_CALL_F_SETID = 1 << 7,	/* class control instead when args[mode_arg] has S_ISUID or S_ISGID */
};

enum ht_op_kind {
	HT_OP_NONE = 0,
	HT_OP_PATH,	/* arg: user string; aux: dirfd argument or HT_AUX_CWD.
			 * Emits STR(arg); WALK(arg, BASE) of dirfd/cwd unless the string is
			 * absolute (then WALK(arg, ROOT) only when the task is chrooted).
			 * With HT_CALL_F_ENTER the string is also read at enter, and
			 * STR_ENTER(arg) follows if the two reads differ. */
	HT_OP_FD,	/* arg: descriptor. Emits WALK(arg, FD), or SOCK(arg) for a socket */
	HT_OP_RETFD,	/* the returned descriptor. Emits WALK/SOCK with arg HT_ARG_RET */
	HT_OP_STR,	/* arg: user string, at most max bytes. Emits STR(arg) */
	HT_OP_MEM,	/* arg: user pointer; aux: HT_AUX_CONST (max bytes) or the argument
			 * that holds the element count (element size = unit). Emits MEM(arg) */
	HT_OP_SOCKADDR,	/* arg: user struct sockaddr; aux: argument with its length
			 * (HT_OP_F_LENPTR: a pointer to it). Emits SOCKADDR(arg) */
	HT_OP_MSGHDR,	/* arg: user struct msghdr (by ABI). Emits SOCKADDR(arg) of msg_name */
	HT_OP_ARGV,	/* arg: user array of strings (by ABI). Emits ARGV(arg) */
	HT_OP_KOBJ,	/* arg: descriptor. Emits KOBJ(arg) where it is a pidfd, or a BPF object's */
	HT_OP_KOBJS,	/* arg: user union bpf_attr; aux: argument with its size. Emits KOBJ(arg) of what lies where
			 * descriptors may lie (ht_kobj.at), and of the result */
	HT_OP__MAX,
};

/* Which kernel function sees the objects of a call's paths, where it can be hooked (fentry): WALK(arg, OBJECT) of each then
 * takes the place of BASE, ROOT and RET. A call whose paths lie between two hooks, or that no hook sees, has NONE. */
enum ht_hook {
	HT_HOOK_NONE = 0,
	HT_HOOK_OPEN,
	HT_HOOK_REMOVE,
	HT_HOOK_MKDIR,
	HT_HOOK_SYMLINK,
	HT_HOOK_MKNOD,
	HT_HOOK_LINK,
	HT_HOOK_RENAME,
	HT_HOOK_TRUNCATE,
	HT_HOOK_CHMOD,
	HT_HOOK_CHOWN,
	HT_HOOK_UTIMES,
	HT_HOOK_CHROOT,
	HT_HOOK_MOUNT,
	HT_HOOK_UMOUNT,
	HT_HOOK_MOVE_MOUNT,
	HT_HOOK_PIVOT_ROOT,
	HT_HOOK_NOTIFY,
	HT_HOOK__MAX,
};

/* ---- functions of TLS libraries (agent/tls/stacks.h has the table): one row each, a probe's cookie is its index ---- */

#define HT_TLS_FUNCS_MAX 256

enum ht_tls_op {
	HT_TLS_NONE = 0,
	HT_TLS_WRITE,		/* plaintext goes out */
	HT_TLS_READ,		/* plaintext came in: in the buffer when the function returns */
	HT_TLS_SENDFILE,	/* plaintext goes out of a file: no buffer, a length */
	HT_TLS_HANDSHAKE,
	HT_TLS_FREE,		/* the object ends */
	HT_TLS_UNCORK,		/* what earlier writes left goes out: writes that it makes itself were counted before */
	HT_TLS_SET_FD,		/* the object's descriptor is argument `buf` */
	/* Header fields for HTTP/2 in `buf` (nghttp2_nv), `len` of them, for the session `obj`: */
	HT_TLS_H2_REQUEST,	/* the stream is argument `done` if that is above 0, else the result */
	HT_TLS_H2_RESPONSE,	/* the stream is argument `done` */
	/* Go: one field, whose name is `buf` and `len`, its value `done` (the fourth) and the fifth argument, for the encoder `obj`; and the stream that the fields
	 * of the same goroutine before it are of: the first word of what is passed on the stack. Both at the jbe of the stack's check */
	HT_TLS_H2_FIELD,
	HT_TLS_H2_STREAM,
};

enum ht_tls_ok {
	HT_TLS_OK_COUNT = 0,	/* a positive result (as an int, or ssize_t with HT_TLS_F_LONG) is the number of bytes */
	HT_TLS_OK_ONE,		/* 1 is success, and the number of bytes is *done */
	HT_TLS_OK_ZERO,		/* 0 is success, and the number of bytes is *done, or all of `len` */
	HT_TLS_OK_GO,		/* number in the first result register; success unless it is 0 */
	HT_TLS_OK_ALWAYS,	/* no result */
	HT_TLS_OK_RESULT2,	/* Rust's Result<usize>: 0 in the first register, the number in the second */
	HT_TLS_OK_RUSTLS,	/* 7000 (RUSTLS_RESULT_OK) is success, and the number of bytes is *done */
	HT_TLS_OK_RESULT_AT,	/* Rust's Result<usize> in memory, at `done`: 0, then the number */
};

enum ht_tls_abi { HT_TLS_ABI_C = 0, HT_TLS_ABI_GO_REGS, HT_TLS_ABI_GO_STACK };

enum ht_tls_func_flag {
	HT_TLS_F_LONG = 1 << 0,		/* the result is 64 bits wide */
	HT_TLS_F_PEEK = 1 << 1,		/* what is read will be read again: no data */
	HT_TLS_F_FOREIGN = 1 << 2,	/* also called for what is not TLS (NSPR): only with TLS records on the socket */
	HT_TLS_F_OBJ_REF = 1 << 3,	/* the object is what argument `obj` points to, for the argument itself lives for one call, and is one half
					 * of a connection: tls_whole() in bpf/tls_socket.bpf.h (rustls) */
	HT_TLS_F_SESSION = 1 << 4,	/* the object is no TLS object, which may have the same address later */
	HT_TLS_F_VECTOR = 1 << 5,	/* `buf` is an array of `len` struct iovec */
};

/*
 * Arguments count from 1; 0: none. The TLS object is argument `obj`. A read or write without `buf` tells a length alone.
 * Of calls that are open on one thread for one object only the outermost counts, whatever libraries call of themselves.
 * Go's stack ABI: argument n lies at 8 * n(%rsp), at a function's entry and at its RET; the first result is "argument" `done`.
 */
struct ht_tls_func {
	__u8 op;	/* enum ht_tls_op */
	__u8 abi;	/* enum ht_tls_abi */
	__u8 ok;	/* enum ht_tls_ok */
	__u8 obj;
	__u8 buf;
	__u8 len;
	__u8 done;	/* pointer to a size_t */
	__u8 flags;	/* enum ht_tls_func_flag */
};

/* A probe's cookie: the index of its function, and whether no probe tells of its return: then it is taken to succeed. */
#define HT_TLS_COOKIE_FUNC (HT_TLS_FUNCS_MAX - 1)
#define HT_TLS_COOKIE_NO_RETURN 0x10000
/* Of a session, whose program is one for all places: the function's return comes to it as well; or that alone; or the place is a
 * return instruction. None of them: the entry alone. */
#define HT_TLS_COOKIE_PAIR 0x20000
#define HT_TLS_COOKIE_RETURN 0x40000
#define HT_TLS_COOKIE_RET_INSN 0x80000
/* What most functions are: of C, with the object, a buffer and a length as their first arguments. The result is the number of bytes, or 1, and an argument
 * points to the number. Then all that the row says is here, too. */
#define HT_TLS_COOKIE_PLAIN 0x100000
#define HT_TLS_COOKIE_WRITE 0x200000	/* else it reads */
#define HT_TLS_COOKIE_LONG 0x400000	/* HT_TLS_F_LONG */
#define HT_TLS_COOKIE_DONE 24		/* from this bit on: `done`, 0 to 7 */
#define HT_TLS_COOKIE_PLACE 32	/* from this bit on: where in its page the place is */

#define HT_TLS_CHUNK 16384		/* bytes of plaintext in one entry */
#define HT_TLS_CALL_MAX (16 * HT_TLS_CHUNK)	/* and of one call of a library; of the rest the length is told */

enum ht_tls_dir { HT_TLS_SENT = 0, HT_TLS_RECEIVED = 1 };

/* Value of map `tls_wanted`, by connection; the reader's. */
struct ht_tls_wanted {
	__u64 until[2];		/* by direction: bytes of the stream before this need not be sent. All ones: none of the rest */
	__u32 streams[2];	/* HTTP/2, by direction: nor need DATA of streams with odd numbers up to this */
};

#define HT_AUX_CWD 0xff
#define HT_AUX_CONST 0xfe
#define HT_ARG_RET 0xff		/* field's arg: the call's result */
#define HT_ARG_TASK 0xfe	/* field's arg: the task itself (exe, cwd, cgroup) */

enum ht_op_flag {
	HT_OP_F_ON_OK = 1 << 0,		/* only when the call succeeded */
	HT_OP_F_ON_ERR = 1 << 1,	/* only when it failed (neither flag: always) */
	HT_OP_F_LENPTR = 1 << 2,
	HT_OP_F_TWICE = 1 << 4,		/* STR, MEM: what the kernel takes; read when the call is entered, too (twice.bpf.h) */
	HT_OP_F_MANY = 1 << 3,		/* arg: an array of struct mmsghdr, aux: the argument with its length */
};

struct ht_op {
	__u8 kind;	/* enum ht_op_kind */
	__u8 arg;	/* 0..5 */
	__u8 aux;
	__u8 flags;	/* enum ht_op_flag */
	__u16 max;	/* bytes, for STR and MEM */
	__u16 unit;	/* MEM with a count argument: bytes per element */
};

struct ht_call_desc {
	__u16 flags;	/* enum ht_call_flag */
	__u8 class;	/* enum ht_class */
	__u8 nops;
	__u8 nargs;	/* meaningful argument registers */
	__u8 mode_arg;	/* HT_CALL_F_SETID: register with the mode */
	__u8 hook;	/* enum ht_hook */
	__u8 pad;
	struct ht_op op[HT_OPS_MAX];
};

/* ---- what of event selectors the probes decide (agent/kernelrules.h): a rule is a bit, one a selector. A call goes out where some
 *      rule is left of those that its call, outcome, user, cgroup and path leave ---- */

#define HT_RULE_SETS 256	/* 0: every such call goes out */
#define HT_RULE_TEXT 128	/* bytes of a path that are looked at from its beginning, with the letter before them */
#define HT_RULE_END 32		/* and from its end */
#define HT_RULE_BEGINS 'b'	/* key of a text from the beginning; NUL-terminated: of the whole path */
#define HT_RULE_ENDS 'e'	/* key of a text from the end, last byte first */

struct ht_rules {		/* those that can want a call */
	__u64 may[2][2];	/* [it failed][it changes something] */
	__u64 walked;		/* of these: ask for the path of the descriptor */
	__u8 fd_arg;		/* which descriptor: a register, or HT_ARG_RET */
	__u8 flags_arg;		/* register with an open's flags, which tell what it changes; HT_ARG_RET: not known */
	__u8 pad[6];
};

enum ht_rule_kind { HT_RULE_EUID = 0, HT_RULE_LOGINUID, HT_RULE_CGROUP, HT_RULE__MAX };
struct ht_rule_id {		/* key of map rule_ids: whom rules name. Value: __u64, the rules that are left */
	__u64 id;
	__u32 kind;		/* enum ht_rule_kind */
	__u32 pad;
};
struct ht_rule_path {		/* key of map rule_paths, a trie of bits */
	__u32 bits;
	__u8 text[HT_RULE_TEXT];
};
struct ht_rule_paths {		/* its value: of all texts that the longest one begins with */
	__u64 may, never;
};

/* ---- ring entries ------------------------------------------------------- */

enum ht_event_kind {
	HT_EV_CALL = 1,		/* struct ht_call + fields; counted (has a sequence number) */
	HT_EV_IDENT = 2,	/* struct ht_ident + fields; not counted */
	HT_EV_EXIT = 3,		/* struct ht_event only: a process (last thread) ended, and no call says so; not counted */
	HT_EV_TLS = 4,		/* struct ht_tls + plaintext; not counted, but one that is lost is (class tls). seq: among its
				 * connection's entries */
	HT_EV__MAX,
};

enum ht_event_flag {
	HT_EV_F_IDENT_INLINE = 1 << 0,	/* identity could not be delivered: IDMIN field follows */
	HT_EV_F_IN_CALL = 1 << 1,	/* the task died inside this call: ret is not valid */
	HT_EV_F_EXEC = 1 << 2,		/* made at sched_process_exec (identity is the new one) */
	HT_EV_F_SHARED_FILES = 1 << 3,	/* descriptor table shared: fdAtExit is unverified */
	HT_EV_F_TRUNCATED = 1 << 4,	/* some field did not fit */
	HT_EV_F_ENTER_MISSED = 1 << 5,	/* no enter stash for a call that wants one */
	HT_EV_F_INTERRUPTED = 1 << 6,	/* a restarted call that was closed as EINTR */
	HT_EV_F_GROUP_DEAD = 1 << 7,	/* exit of the last thread: the process is gone */
	HT_EV_F_REFUSED = 1 << 8,	/* seccomp did not let it run (SECCOMP_RET_TRAP); ret is -ENOSYS */
	HT_EV_F_RET_GONE = 1 << 9,	/* the returned descriptor was no longer there when it was looked up */
	HT_EV_F_URING = 1 << 10,	/* an operation of io_uring: URING field follows, nr is its opcode */
	HT_EV_F_NO_RESULT = 1 << 11,	/* recorded when it was submitted: ret is not valid */
	HT_EV_F_TRACED = 1 << 12,	/* a tracer had the task when the call ended */
	HT_EV_F_LISTENED = 1 << 13,	/* somebody listens, or listened, to the task's seccomp filters */
	HT_EV_F_CHANGED = 1 << 14,	/* its registers were changed while it was made: here it is as it was begun */
	HT_EV_F_DOUBTED = 1 << 15,	/* perhaps never made: these registers are not what was begun */
};

struct ht_event {
	__u16 kind;		/* enum ht_event_kind */
	__u16 flags;		/* enum ht_event_flag */
	__u16 cpu;
	__u8 class;		/* enum ht_class: the ring it was counted in */
	__u8 abi;		/* enum ht_abi */
	__u32 len;		/* whole entry, bytes */
	__u32 gen;		/* identity generation of the task (0: inline) */
	__u64 seq;		/* per class and CPU, from 0; only HT_EV_CALL */
	__u64 time;		/* boot-time ns */
	__u64 start;		/* task start, boot-time ns: (tid, start) is the task key */
	__u32 tid;		/* in the initial pid namespace */
	__u32 tgid;
};
_Static_assert(sizeof(struct ht_event) == 48, "event header");

struct ht_call {
	struct ht_event h;
	__s64 ret;		/* result or -errno; 0 for exec */
	__u64 args[6];		/* argument registers, zero-extended for 32-bit ABIs */
	__u64 task_calls;	/* number among this task's recorded calls, from 1 */
	__u32 nr;		/* syscall number as made (bit 30 cleared for x32) */
	__u16 call;		/* descriptor index */
	__u16 restarts;		/* kernel restarts that preceded this result */
	/* struct ht_field ... */
};
_Static_assert(sizeof(struct ht_call) == 48 + 8 + 48 + 8 + 8, "call event");

#define HT_COMM_LEN 16
#define HT_GROUPS_SHOWN 32

struct ht_exe {			/* the executable, by the kernel's own numbers */
	__u64 ino;
	__u64 size;
	__s64 ctime_sec;
	__u32 ctime_nsec;
	__u32 dev;		/* superblock's s_dev (kernel encoding: major<<20|minor) */
	__u32 gen;		/* i_generation */
	__u32 mode;		/* i_mode: set-uid bits */
	__u32 uid;		/* owner, initial user namespace */
	__u32 nlink;		/* 0: deleted or memfd */
};

struct ht_ident {
	struct ht_event h;
	__u64 leader_start;	/* (tgid, leader_start): process key */
	__u64 parent_start;	/* (ppid, parent_start): parent process key (real_parent's leader) */
	__u32 ppid;
	__u32 tid_ns;		/* tid and tgid as the task's own pid namespace shows them */
	__u32 tgid_ns;
	__u32 sid;		/* POSIX session id (initial pid namespace) */
	/* all uids and gids in the initial user namespace */
	__u32 uid, gid, suid, sgid, euid, egid, fsuid, fsgid;
	__u32 loginuid;		/* 0xffffffff: never logged in */
	__u32 audit_session;	/* 0xffffffff: none */
	__u32 uid_in_ns;	/* euid as the task's own user namespace shows it */
	__u32 userns_level;
	__u32 userns_owner;	/* who made the outermost user namespace below the initial one; level 0: 0 */
	__u32 pad;
	__u64 cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
	__u32 ns_user, ns_mnt, ns_pid, ns_net, ns_uts, ns_ipc, ns_cgroup, ns_time;
	__u64 cgroup_id;	/* of the cgroup whose path is given */
	__u32 tty_dev;		/* 0: none */
	__u32 securebits;
	__u32 seccomp_mode;	/* 0, 1 strict, 2 filter */
	__u16 no_new_privs;
	__u16 ngroups;		/* all supplementary groups; at most HT_GROUPS_SHOWN below */
	__u32 groups[HT_GROUPS_SHOWN];
	char comm[HT_COMM_LEN];
	char tty[16];
	struct ht_exe exe;
	/* fields: WALK(TASK, EXE), CGROUP(TASK) */
};
_Static_assert(sizeof(struct ht_ident) % 8 == 0, "ident");

/* ---- fields: what follows the fixed part, each 8-byte aligned ------------ */

enum ht_field_kind {
	HT_FIELD_STR = 1,	/* user string as read at exit, no NUL; flag CUT if longer */
	HT_FIELD_STR_ENTER,	/* the same string as read at enter; sent only if it differed */
	HT_FIELD_WALK,		/* struct ht_walk + names, leaf first, each NUL-terminated */
	HT_FIELD_MEM,		/* raw user memory */
	HT_FIELD_SOCKADDR,	/* raw user struct sockaddr */
	HT_FIELD_SOCK,		/* struct ht_sock: the kernel's socket */
	HT_FIELD_ARGV,		/* __u64 total bytes, then NUL-separated strings. Flag CUT: with a total
				 * beyond what is given, the first and the last bytes, one half each;
				 * else there was more, of unknown length, behind what is given */
	HT_FIELD_IDMIN,		/* struct ht_idmin */
	HT_FIELD_CGROUP,	/* cgroup names, leaf first, each NUL-terminated */
	HT_FIELD_KSTR,		/* kernel's copy of a string (bprm filename; arg 0 filename, 1 interp) */
	HT_FIELD_URING,		/* struct ht_uring */
	HT_FIELD_REPEAT,	/* struct ht_repeat: the event stands for several equal calls; its time is the last one's */
	HT_FIELD_KOBJ,		/* struct ht_kobj, one or more: whose objects descriptors stand for when the call ends */
	HT_FIELD__MAX,
};

enum ht_field_flag {
	HT_FIELD_F_CUT = 1 << 0,	/* longer than what is given */
	HT_FIELD_F_FAULT = 1 << 1,	/* the user page could not be read: len is 0 */
	/* of what is read twice, when the call was entered and when it ended: */
	HT_FIELD_F_CHANGED = 1 << 2,	/* it was something else before */
	HT_FIELD_F_ONCE = 1 << 3,	/* it could not be read before */
	HT_FIELD_F_SHARED = 1 << 4,	/* it was the same, but others could have written there in between */
};

/* which object a WALK describes */
enum ht_walk_role {
	HT_WALK_FD = 1,		/* the descriptor argument */
	HT_WALK_RET,		/* the returned descriptor */
	HT_WALK_BASE,		/* dirfd or cwd that the string is relative to */
	HT_WALK_ROOT,		/* the task's root (chroot), for absolute strings */
	HT_WALK_EXE,
	HT_WALK_CWD,
	HT_WALK_OBJECT,		/* what the kernel found for the path argument, as a hook in the call saw it. One that the
				 * call is about to make has no inode yet: ino and mode 0 */
};

struct ht_field {
	__u8 kind;	/* enum ht_field_kind */
	__u8 arg;	/* argument index, HT_ARG_RET or HT_ARG_TASK */
	__u8 role;	/* enum ht_walk_role, for WALK */
	__u8 flags;	/* enum ht_field_flag */
	__u32 len;	/* bytes that follow; the next field starts 8-aligned */
};

enum ht_walk_flag {
	HT_WALK_F_TRUNCATED = 1 << 0,	/* walk ended early: not a whole path */
	HT_WALK_F_DETACHED = 1 << 1,	/* the mount is not reachable from the task's namespace root */
	HT_WALK_F_DELETED = 1 << 2,	/* unlinked (nlink 0 or unhashed) */
	HT_WALK_F_IN_ROOT = 1 << 3,	/* passed the task's root (chroot): root_at is valid */
	HT_WALK_F_NO_FILE = 1 << 4,	/* no such descriptor when read */
	HT_WALK_F_PSEUDO = 1 << 5,	/* pipe, anon_inode, memfd, socket: names hold what dname says */
	HT_WALK_F_MOVED = 1 << 6,	/* renames or mounts at the same moment, each time that it was walked */
	HT_WALK_F_NOWHERE = 1 << 7,	/* detached, and in no mount namespace that anybody is in */
};

struct ht_walk {
	__u64 ino;
	__u64 s_magic;		/* superblock magic: tells memfd, pipefs, anon_inodefs ... */
	__u32 dev;		/* kernel encoding */
	__u32 mnt_id;
	__u32 mode;		/* i_mode */
	__u32 f_flags;		/* struct file's flags, 0 for cwd/root */
	__u16 flags;		/* enum ht_walk_flag */
	__u16 ncomp;		/* names that follow */
	__u16 root_at;		/* names before the task's root was passed */
	__u16 pad;
};

struct ht_sock {
	__u16 family;		/* AF_* */
	__u16 type;		/* SOCK_* */
	__u16 protocol;
	__u16 state;
	__u16 sport, dport;	/* host order */
	__u32 pad;
	__u8 saddr[16], daddr[16];	/* v4 in the first 4 bytes */
	__u64 ino;
};

/* What happened on a TLS connection. Entries of a connection come in order of seq; one that is missing was lost. */
enum ht_tls_what {
	HT_TLS_DATA = 1,	/* `full` bytes of a direction from `offset` on; the first `captured` of them follow. What lies
				 * between two entries with following numbers was not wanted, or held back (the ring was pressed) */
	HT_TLS_SOCKET,		/* struct ht_sock follows: its socket became known */
	HT_TLS_END,		/* its object is gone, or has another socket now */
	/* Of sockets, seen by their calls, not by a library: conn is the socket's inode number, seq means nothing. struct ht_sock follows. */
	HT_TLS_HELLO,		/* then `captured` bytes of what the socket carries from its first handshake record on, from `offset` on; `full`: the call's */
	HT_TLS_FLOWED,		/* behind a handshake, application data went there and came back */
	HT_TLS_OPTED_OUT,	/* the same, where nothing of it was or will be sent: `full` is enum ht_optout, `dir` where the ClientHello went */
	/* Of a session of an HTTP/2 library: conn is its number, among those of connections. */
	HT_TLS_FIELDS,		/* a header block for stream `offset`, of `full` fields: struct ht_tls_field of each follows, in `captured` bytes. Stream 0:
				 * of the same one as those of the session's next entry */
	HT_TLS_MAPPED,		/* a file was mapped to be executed that is not in tls_told: struct ht_tls_mapping follows, then a WALK of it. conn and seq mean nothing */
};

#define HT_TLS_PAGE 4096

struct ht_tls_mapping {
	struct ht_exe exe;	/* the file */
	__u64 at;		/* where it was mapped */
	__u32 parent;		/* of the process: in its mount namespace, maybe, when the process is gone */
	__u32 pages;		/* as long as that, in HT_TLS_PAGE bytes */
};

/*
 * Key of map `tls_told`: a file that was mapped to be executed, as it was then. Value: __u64, the reader's epoch in which that was told. The agent takes out
 * what it could not look at: it is told again when it is mapped again.
 */
struct ht_tls_file {
	__u64 ino;
	__s64 ctime_sec;
	__u32 ctime_nsec;
	__u32 dev, gen;
	__u32 pad;
};

/* Whose TLS is left alone: constants of the object, made of the configuration (agent/optout.h). */
enum ht_optout { HT_OPTOUT_NONE = 0, HT_OPTOUT_BROWSER, HT_OPTOUT_PROGRAM, HT_OPTOUT_CGROUP, HT_OPTOUT_USER };

#define HT_OPTOUT_PATTERNS 128
#define HT_OPTOUT_TEXT 128	/* bytes of a pattern, its NUL among them */
#define HT_OPTOUT_USERS 32

struct ht_optouts {		/* patterns: of names, then of paths of executables, then of cgroups */
	__u32 names, paths, cgroups;	/* where each kind ends */
	__u32 nusers;
	__u32 user[HT_OPTOUT_USERS];	/* effective uids */
	__u8 of[HT_OPTOUT_PATTERNS];	/* enum ht_optout */
	char text[HT_OPTOUT_PATTERNS][HT_OPTOUT_TEXT];
};

#define HT_TLS_HELLO_MAX 2048	/* bytes of a direction that are sent so */

struct ht_tls {
	struct ht_event h;	/* gen 0: the task's identity could not be delivered */
	__u64 conn;		/* number of the connection, never used again */
	__u64 offset;
	__u64 full;
	__u32 captured;
	__u8 what;		/* enum ht_tls_what */
	__u8 dir;		/* enum ht_tls_dir */
	__u8 fault;		/* the bytes could not be read */
	__u8 fresh;		/* seen from its handshake on */
	__u64 by;		/* the thread, or the goroutine */
	__u64 lost;		/* HT_TLS_DATA: where in the other direction's stream the last piece ended that was lost or held back; 0: none was */
	/* HT_TLS_DATA on HTTP/2: so many bytes before `offset` are frames of which nothing was sent, PING, WINDOW_UPDATE and DATA; of that, on the stream
	 * of the last frame whose header was sent, so many bytes */
	__u32 held, body;
};
_Static_assert(sizeof(struct ht_tls) == 48 + 56, "TLS event");

#define HT_TLS_FIELDS_MAX 64		/* of a list; a longer one is not told */
#define HT_TLS_FIELDS_BYTES 16384	/* of a list */
#define HT_TLS_NAME_MAX 256
#define HT_TLS_VALUE_MAX 4096

struct ht_tls_field {		/* then name and value; the next one begins 8-aligned */
	__u16 name;		/* its length: 1 to HT_TLS_NAME_MAX - 1 */
	__u16 no_value;		/* it is too long, or nobody's business: only its length is told */
	__u32 value;		/* its length: below HT_TLS_VALUE_MAX, unless no_value */
};
_Static_assert(sizeof(struct ht_tls_field) == 8, "header field");

struct ht_idmin {		/* carried inline when the identity could not be delivered */
	__u64 leader_start;
	__u32 ppid;
	__u32 uid, gid, euid, egid, fsuid, suid;
	__u32 loginuid, audit_session;
	__u32 cause;		/* enum ht_cause */
	__u64 cgroup_id;
	char comm[HT_COMM_LEN];
};

/* How an io_uring operation was asked for. Bits 0..6 are the submission's own flags (IOSQE_*). */
enum ht_uring_flag {
	HT_URING_F_SQPOLL = 1 << 8,	/* the ring's kernel thread submitted it */
	HT_URING_F_PERSONALITY = 1 << 9,/* with registered credentials: the identity is theirs */
	HT_URING_F_PREP = 1 << 10,	/* refused before it was prepared: strings are the user's, not the kernel's copies */
	HT_URING_F_KADDR = 1 << 11,	/* the address is the kernel's copy */
	HT_URING_F_DIRECT = 1 << 12,	/* a new file goes into `slot`, there is no descriptor */
	HT_URING_F_AMBIGUOUS = 1 << 13,	/* a result of this user_data came, which may be another one's or nobody's */
	HT_URING_F_MULTISHOT = 1 << 14,	/* one submission, many results */
	HT_URING_F_NO_ROOM = 1 << 15,	/* NO_RESULT because too many operations wait */
	/* It was not made at once: what a relative name starts from was perhaps another directory by then: */
	HT_URING_F_DIRFD_LATER = 1 << 16,	/* if that is a descriptor's */
	HT_URING_F_CWD_LATER = 1 << 17,		/* if it is the working directory; so is the root, for other names */
};

struct ht_uring {
	__u64 user_data;
	__u32 flags;		/* enum ht_uring_flag */
	__u32 slot;		/* DIRECT: as asked for, from 1; all ones: the kernel chooses, ret tells */
	__u32 opcode;
	__u32 pad;
};

enum ht_kobj_kind { HT_KOBJ_MAP = 1, HT_KOBJ_PROG, HT_KOBJ_LINK, HT_KOBJ_PID };

#define HT_KOBJ_PLACES 9
#define HT_KOBJ_RET 0xffff	/* at: the result */

struct ht_kobj {
	__u16 at;		/* byte in the structure; 0 for a descriptor that is an argument */
	__u16 kind;		/* enum ht_kobj_kind */
	__u32 id;		/* the kernel's number of it; of a pidfd: of the process, in the initial namespace */
};

struct ht_repeat {
	__u64 count;		/* at least 2 */
	__u64 first;		/* boot-time ns of the first */
};

/* ---- counters and shared words (BPF_F_MMAPABLE arrays) -------------------- */

enum ht_cause {
	HT_CAUSE_RING_FULL = 0,		/* reservation failed */
	HT_CAUSE_SCRATCH = 1,		/* scratch in use (nested probe) */
	HT_CAUSE_STORAGE = 2,		/* no task storage where the call needs it */
	HT_CAUSE_FLOOD = 3,		/* cut: its principal had filled its share of the ring; see ht_principal */
	HT_CAUSE__MAX = 4,
};

/* map `counters`, index class * ncpu + cpu; written by that CPU alone.
 * Invariant when quiet: seq == submitted + sum(lost). */
struct ht_counters {
	__u64 seq;			/* next sequence number = numbers taken. In every version the first word: pins that are replaced are counted by it */
	__u64 submitted;		/* entries that went into the ring */
	__u64 lost[HT_CAUSE__MAX];
	__u64 lost_first, lost_last;	/* boot-time ns of the first and latest loss */
	__u64 ident_lost;		/* identities that could not be delivered */
	__u64 storage_failed;		/* task-storage creations that failed */
	__u64 bytes;			/* bytes that went into the ring, all entries */
	__u64 used;			/* bytes waiting in the ring when this CPU last asked: every 1/64 that it writes */
	__u64 merged, merged_sent;	/* calls that were merged (no numbers of their own), and those of them whose entry went out */
	__u64 pad[2];
};
_Static_assert(sizeof(struct ht_counters) == 128, "counters");

/*
 * Map `principals`, one table per ring, index class * groups + group: who fills the ring, counted while it is more than a
 * quarter full. A principal is a cgroup and a real uid. It has a slot with call 0 among the first HT_PRINCIPALS for everything it
 * writes, and one for each call it makes among as many others: who makes many calls takes nobody's place. Behind them are cgroups as a
 * whole, with everything below them: HT_FLOOD_GROUPS each of those directly below the root, of those below these, and so on.
 * Slots lie in sets of HT_PRINCIPAL_WAYS that the tag chooses; one whose owner wrote nothing of what is in the ring and whose losses
 * are settled is given to the next owner. A principal that finds none is counted in `others`, a cgroup is not counted.
 *
 * cut, and `settled` beside it (struct ht_settled), only grow, over all owners. An owner changes only while they are equal, so that what lies between
 * them is the present owner's. For every ring: sum of cut = sum of lost[HT_CAUSE_FLOOD] of its CPUs, when quiet. Cgroups have none.
 */
#define HT_PRINCIPALS 1024
#define HT_FLOOD_SLOTS (2 * HT_PRINCIPALS)	/* theirs, then their calls' */
#define HT_FLOOD_LEVELS 4			/* of cgroups below the root; what is deeper belongs to the last one */
#define HT_FLOOD_GROUPS 512
#define HT_FLOOD_ALL (HT_FLOOD_SLOTS + HT_FLOOD_LEVELS * HT_FLOOD_GROUPS)
#define HT_PRINCIPAL_WAYS 8
#define HT_PRINCIPAL_TAKEN 2	/* tag while a slot changes its owner; real tags are odd, 0 is free */

struct ht_principal {
	__u64 tag;		/* seeded hash of the next three */
	__u64 cgroup_id;	/* of the cgroup that identities show */
	__u32 uid;		/* real, initial user namespace */
	__u16 call;		/* descriptor index; 0: all its calls */
	__u16 pad;
	__u64 window;		/* the half ring it last wrote in, counted from the ring's first byte */
	__u64 bytes, before;	/* written in that half ring, and in the one before it */
	__u64 cut;		/* numbers cut */
	__u64 pad2;
};
_Static_assert(sizeof(struct ht_principal) == 64, "principal");

struct ht_principals {
	struct ht_principal slot[HT_FLOOD_ALL], others;
};

/* Map `settled`, same index: of what was cut of each slot (and of `others`, last), how much is in frames on disk. The reader's. */
struct ht_settled {
	__u64 slot[HT_FLOOD_SLOTS + 1];
};

/* map `shared`, one element */
struct ht_shared {
	__u64 epoch;		/* reader's; a new value makes identities be sent again */
	__u64 armed;		/* reader sleeps: the next event wakes it and clears this */
	__u64 marked;		/* tasks alive that carry the scope mark (tree scope) */
	__u64 scope_cgroup;
	__u64 ops_waiting;	/* io_uring operations that are recorded when they end */
	__u64 missed_said[HT_PROGRAMS_MAX];	/* reader's: how many of each program's recursion misses are in records on disk */
	__u64 pad[3];
};

/* What the flush program is told: sends merged calls that began before this boot-time ns; `all`: as long as there is any room. */
struct ht_flush {
	__u64 before;
	__u32 all, pad;
};

/* user-visible part of task storage `tasks` (first word), for marking a tree
 * before its first instruction: update with a pidfd as key */
#define HT_TASK_MARKED (1 << 0)	/* in the recorded tree; inherited at task_newtask */
#define HT_TASK_SELF (1 << 1)	/* one of ours: data-path calls on own_dirs are not recorded */
#define HT_TASK_PROBE (1 << 2)	/* makes the self-test's calls: in every scope, and not inherited */

enum ht_scope { HT_SCOPE_HOST = 0, HT_SCOPE_TREE = 1, HT_SCOPE_CGROUP = 2 };

#endif

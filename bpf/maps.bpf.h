/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * maps.bpf.h - every map, every constant that the loader sets, and what a task carries.
 */
#ifndef HOSTTRAIL_MAPS_BPF_H
#define HOSTTRAIL_MAPS_BPF_H

#define OUT_MAX (sizeof(struct ht_ident) + HT_DATA_MAX)	/* an entry never gets longer */
#define STRS_MAX 4000	/* two of them and the storage's own header stay below 8 KiB (kmalloc_nolock's limit) */
#define OBJECT_MAX 8000	/* the same for walks of the objects that a hook saw */
#define OWN_DIR_DEPTH 5
#define SIGSYS_ 31
#define NO_CALL 0xffffffffu	/* the number of none */

/* What a call does with the bytes of a socket, as arch_socket_io() says it. */
#define IO_SEND 1
#define IO_IOV 2	/* the buffer is the first of an array */
#define IO_MSG 4	/* that a struct msghdr names */
#define IO_ANY 8
#define IO_MANY 16	/* an array of those, each with its number of bytes behind it */
#define IO_32 32	/* pointers and lengths have 32 bits */
#define IO_BLIND 64	/* the bytes are not in the program's memory */

/* ---- set by the loader, constant for the verifier */
const volatile bool ht_have_cast;
const volatile bool ht_exit_has_mm;	/* sched_process_exit comes before the task gives up its memory */
const volatile bool ht_have_preempt;	/* bpf_preempt_disable() */
const volatile bool ht_hooked;		/* the hooks of hooks.bpf.h are attached */
const volatile __u32 ht_scope;		/* enum ht_scope */
const volatile __u32 ht_scope_level;	/* depth of the recorded cgroup */
const volatile __u32 ht_ncpu = 1;
const volatile __u32 ht_group_shift = 3;	/* CPU >> this: its group of rings */
const volatile __u32 ht_ngroups = 1;
const volatile __u64 ht_flood_seed;	/* random: nobody can choose whose slot a user shares */
const volatile __u32 ht_ring_shift[HT_CLASS__MAX];	/* log2 of a ring's bytes */
const volatile struct ht_call_desc ht_calls[HT_CALLS_MAX];
const volatile bool ht_tls_on;		/* the programs of tls.bpf.h are loaded */
struct dir {
	__u64 ino;
	__u64 dev;
};
#define TLS_OWN_MAX 4
const volatile __u64 ht_tls_own[2 * TLS_OWN_MAX];	/* inode and device of our own programs: their calls are no news, and shipping them would make more */
const volatile struct ht_optouts ht_optouts;	/* whose TLS is left alone */
const volatile __u32 ht_tls_scratch = 1;	/* how many scratches they have, behind those of the CPUs */
const volatile bool ht_uring_cqe = true;	/* io_uring_complete has the CQE, not its parts */
const volatile __u64 ht_uring_creds;		/* REQ_F_CREDS, REQ_F_APOLL_MULTISHOT of this kernel; 0: unknown */
const volatile __u64 ht_uring_multishot;

/* ---- which calls are captured: written by the loader, also while the probes run. An entry is one word, and one that stays the
 * same is never seen as anything else. */
#define CAPTURED SEC(".data.captured")
volatile __u16 ht_index[HT_ABI__MAX * HT_NR_MAX] CAPTURED = {};
volatile __u16 ht_behind[HT_MULTIPLEXERS * HT_BEHIND_MAX] CAPTURED = {};	/* as ht_index: the calls that a multiplexer stands for */
volatile __u16 ht_uring_index[256] CAPTURED = {};	/* descriptor of an io_uring opcode; 0: not captured */
volatile __u16 ht_uring_form[HT_FORM__MAX] CAPTURED = {};	/* as ht_uring_index, where that says HT_INDEX_FORM */
volatile __u32 ht_captured_gen CAPTURED = 0;		/* another number each time that the table is written */
volatile __u8 ht_rules_of[HT_CALLS_MAX] CAPTURED = {};	/* by descriptor: in ht_rules. All 0 while rules are exchanged */
volatile struct ht_rules ht_rules[HT_RULE_SETS] CAPTURED = {};
volatile __u64 ht_rules_other[HT_RULE__MAX] CAPTURED = {};	/* what is left for who is not in rule_ids; all ones: rules do not ask */
volatile __u64 ht_rules_path CAPTURED = 0;	/* what asks for no beginning or end of a path */
volatile __u64 ht_rules_asked CAPTURED = 0;	/* a bit per kind that is in rule_ids */

static __always_inline const volatile struct ht_call_desc *desc_of(__u32 call)
{
	barrier_var(call);	/* or the compiler drops the mask where it knows better than the verifier */
	return &ht_calls[call & (HT_CALLS_MAX - 1)];
}

__u32 ht_generation;	/* last identity generation given out */
#define TLS_WATCHING 4096
__u32 ht_tls_watching[TLS_WATCHING];	/* by the last bits of tids: how many tasks are in a call of which the bytes are to be looked at, see tls_hello.bpf.h */
__u64 ht_memory_writes;	/* how often somebody wrote into the memory of another process, see hooks.bpf.h */

struct held {			/* a call that the kernel is about to restart */
	__u64 args[6];
	__u32 nr;
	__s32 code;		/* the last -ERESTART... */
	__u16 call;		/* 0: nothing held */
	__u16 restarts;
	__u8 abi;
	__u8 pad[3];
	__u64 sp;
	__u64 alt, alt_size;	/* the stack for handlers, which a handler may not see any more (SS_AUTODISARM) */
};

struct stash {			/* an exec as it was entered, a fork where its child was made */
	__u64 args[6];
	__u32 nr;
	__u16 call;		/* 0: nothing here */
	__u8 abi;
	__u8 pad;
};

struct compared {		/* what makes an identity another one; compared word by word */
	__u64 cred[10];		/* struct cred from uid to cap_ambient, as it lies there */
	__u64 user_ns, group_info;
	__u64 audit;		/* login uid and session */
	__u64 nsproxy, css_set, cgroup_id;
	__u64 ns_inums;		/* of mount and network namespace: an nsproxy's address is soon used again */
	__u64 exe_file;
	__u64 parent, sid, tty;
};

struct others {			/* a look at the threads of a process, see others.bpf.h */
	__u64 self, head, node;	/* struct task_struct *, struct list_head * */
	__u64 files;
	__u64 runs;		/* a sum over them: who, and how often switched away from */
	__u64 mm;
	__u32 have, have_mm;	/* this table of descriptors, this memory */
	__u32 n;		/* threads; 0: one runs, or there are too many */
	__u32 pad;
};

struct task {
	__u32 flags;		/* HT_TASK_*: first, user space writes it */
	__u32 gen;		/* 0: no identity yet */
	__u64 delivered;	/* a bit per ring */
	__u64 epoch;
	__u64 calls;
	__u64 returned;		/* mark of the last call whose result looks like none, see call_mark() */
	struct compared was;
	struct held held;
	struct stash exec;
	struct stash begun;	/* what the next end of a captured call has to be, see forge.bpf.h */
	__s64 begun_ret;
	__u64 filter;		/* struct seccomp_filter * that was asked about last */
	__u64 args[6];		/* of the call that is being looked at, where they are not the registers */
	__u64 object_of;	/* mark of the call for which a hook left something, see call_mark() */
	__u32 object;		/* bytes in `objects` that it left; OBJECT_NONE: a hook came, and could not */
	__u32 object_gen;	/* the table then: where the call is no longer captured when it ends, nobody takes what was left */
	__u32 is_begun;
	__u32 listened;		/* HT_EV_F_LISTENED, or 0 */
#ifdef __TARGET_ARCH_arm64
	__u64 first_of;		/* mark of the call whose first argument a tracer changed, */
	__u64 first;		/* and to what */
#endif
	__u64 answers;		/* struct seccomp_filter * that answers_zero() was asked about last */
	__u64 foreign;		/* struct files_struct * that another process has, or had, too */
	__u64 ended;		/* threads_past() when nobody else was there */
	__u64 made;		/* threads that it has made */
	__u32 zeros;		/* what it said: HT_EV_F_LISTENED, or 0 */
	__u32 others;		/* threads when a call was entered of which that is asked, see others.bpf.h; 0: nothing is known */
	__u64 others_runs;
	struct others look;
	__u32 others_of;	/* OTHERS_*: what was nobody else's then */
	__u8 twice_of;		/* a bit for each operation of the call at hand that was read when it was entered */
	__u8 twice_alone;	/* nobody else had the memory then */
	__u16 born;		/* its own beginning, which looks like a fork that returns 0, is behind it */
	__u64 twice[HT_OPS_MAX];	/* digests of what was there, see twice.bpf.h */
	__u64 twice_writes;	/* ht_memory_writes before */
	__u64 block[6];		/* arguments of the call behind a multiplexer as they were when it was entered, */
	__u32 block_call;	/* and that call; 0: nothing is known */
	__u32 block_nr;		/* of the multiplexer */
	__u64 cloned;		/* flags of the task that it made last, as the kernel had them */
	__u64 before_of;	/* mark of a call with HT_CALL_F_ACTOR that was entered by who is in `was`, whose record it will be; 0: none */
	__u32 before;		/* that one's generation; 0: the ring does not have it */
	__u32 before_cpu;	/* whose ring has it */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task);
} tasks SEC(".maps");

struct strs {			/* strings as they were when the call was entered */
	__u32 nr;
	__u16 abi;
	__u16 n;		/* 0: nothing here */
	__u8 arg[2];
	__u8 fault[2];
	__u16 len[2];		/* without NUL; STRS_MAX - 1: perhaps longer */
	char s[2][STRS_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct strs);
} strs SEC(".maps");

struct object {			/* WALK fields, as they go into the event */
	__u8 b[OBJECT_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct object);
} objects SEC(".maps");

struct walk_dentry {
	__u64 parent, name;
	__u32 len, seq;
};

#define WALK_FIRST 8

struct walk_step {		/* one of the first steps up, as it was taken */
	__u64 at;		/* from this dentry, */
	__u64 to, on;		/* or from this struct mount * to the one that it is mounted on, and where; else 0 */
	__u32 seq, pad;		/* of the dentry */
};

struct walk {			/* state of a path walk, see walk.bpf.h */
	__u64 vfsmnt;		/* in: struct vfsmount * */
	__u64 dentry, mnt;	/* in: struct dentry *; struct mount * */
	__u64 mnt_root, mnt_parent, mnt_mountpoint;
	__u64 root_mnt, root_dentry;	/* of the task: struct mount *, struct dentry * */
	__u64 ns_root;
	__u64 from;		/* where it begins: dentry */
	__u64 seen, again;	/* digest of the dentries, sequence counters and mounts on the way, and of the second time */
	__u32 steps;
	__u32 nfirst;		/* steps in `first` */
	__u64 rest_dentry, rest_mnt;	/* where the others begin */
	struct walk_step first[WALK_FIRST];
	__u32 names;		/* where in the scratch the names begin */
	__u32 pos;
	__u16 ncomp, root_at;
	__u16 flags;
	__u8 top;		/* the walk got to a root */
	__u8 odd;		/* met a dentry that was just being renamed */
	struct walk_dentry at;	/* the dentry that is looked at */
	__u8 copy[128];		/* without direct loads: it from d_seq to the end of its inline name */
};

struct op_wait {		/* an io_uring operation between submission and completion: what lies before its event */
	__u64 ctx, user_data;
	__u64 files;		/* the submitter's table of descriptors */
	__u64 epoch;		/* the reader that has the identity */
	__u64 fs;		/* the submitter's struct fs_struct *, and how often it had changed */
	__u64 ended;		/* threads_past() of the submitter */
	__u32 fs_seq;
	__u32 was_shared;	/* as in the scratch, at submission */
	__u32 len;		/* of the event */
	__s32 failed;		/* error that it will end with, if it is known already */
	struct ht_uring u;
	struct ht_idmin min;	/* who, for another reader */
};

struct op_in {			/* what op_args() found for the operation at hand */
	__u64 str[6];		/* kernel strings by argument */
	__u64 addr, mem;	/* kernel copies: struct sockaddr; what an HT_OP_MEM shows, struct open_how or epoll_event */
	__u32 addr_len;
	__u32 later;		/* the memory of an HT_OP_MEM is the user's, and read anew when the operation is made */
	__u8 sqe[64];		/* a submission that was refused */
};

struct scratch {
	__u32 busy;
	__u32 pos;		/* bytes used in b */
	__u32 evflags;		/* enum ht_event_flag gathered while fields are written */
	__u32 object;		/* a hook's objects are in the event already */
	__u32 cut;		/* what flood_cut() said: 0, or whose the call is that is to be merged or cut */
	__u32 was_shared;	/* somebody who is gone by now may have changed the descriptors */
	__u32 unmapped;		/* the identity at hand is in a user namespace that has no map of uids yet */
	__u32 exe_len;		/* bytes of the field with the executable, which the identity just sent has first; 0: it has none */
	__u32 ring;		/* CPU into whose ring the entry goes */
	__u32 pad;
	__u64 writes;		/* the task's twice_writes; all ones: nothing is known */
	__u64 cloned;		/* the task's */
	__u32 twice_at[HT_OPS_MAX];	/* where an operation (STR, MEM) put its field, if it ran */
	__u64 task;		/* whoever took the scratch: struct task_struct *, see task_of() */
	__u64 content;		/* digest of such a call */
	__u64 cred;		/* struct cred * that the identity is made of; 0: the task's */
	struct ht_call c;	/* the call being recorded */
	struct walk w;
	struct compared now;
	__u32 uid_map[15];	/* the first five extents of a struct uid_gid_map */
	__u32 pad2;
	__u64 kobj_file, kobj_object;	/* looked at: addresses, here because the verifier computes with no pointer that it saw read */
	struct ht_kobj kobj;
	struct op_in in;
	struct op_wait wait;	/* directly before b: both go into a map together */
	__u8 b[OUT_MAX + HT_ARGV_MAX];	/* beyond OUT_MAX: room that the verifier wants */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);	/* CPUs */
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HT_CLASS__MAX);	/* times CPUs */
	__type(key, __u32);
	__type(value, struct ht_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ht_shared);
} shared SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HT_CLASS__MAX);	/* times groups */
	__type(key, __u32);
	__type(value, struct ht_principals);
} principals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HT_CLASS__MAX);	/* times groups */
	__type(key, __u32);
	__type(value, struct ht_settled);
} settled SEC(".maps");

#define HT_MERGE_SLOTS 256
#define HT_MERGE_WAYS 8
#define HT_MERGE_MAX 1024	/* longer events are not merged */
#define HT_MERGE_TAKEN 1	/* tag of a slot that somebody works on; 0: free */

struct merged {			/* equal calls, see merge.bpf.h */
	__u64 tag;		/* digest of its content */
	__u64 count, first, last;
	__u64 calls;		/* the first one's number among the task's */
	__u32 len, pad;
	__u8 b[HT_MERGE_MAX + sizeof(struct ht_field) + sizeof(struct ht_repeat)];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HT_MERGE_SLOTS);
	__type(key, __u32);
	__type(value, struct merged);
} merged SEC(".maps");

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, HT_CLASS__MAX * HT_GROUPS_MAX);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");

struct peer {
	__u64 sock;		/* inode number of the socket */
};

#define SOCKADDR_MAX 128	/* sizeof(struct sockaddr_storage) */
#define NAMED_WORDS (SOCKADDR_MAX / 8 + 1)

struct named {			/* the address that a send names: whole, for whoever may choose what lies behind it makes any digest equal */
	__u64 w[NAMED_WORDS];	/* zeros behind it; the last word is its length */
};

struct sending {		/* what a send named when it was entered, and when it ended */
	struct named to, at_end;
	__s64 how;		/* as names_whom() says */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sending);
} sends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct peer);
	__type(value, struct named);	/* what was sent to last */
} peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct dir);
	__type(value, __u32);
} own_dirs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct ht_rule_id);
	__type(value, __u64);
} rule_ids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct ht_rule_path);
	__type(value, struct ht_rule_paths);
} rule_paths SEC(".maps");

/* ---- TLS (tls.bpf.h) */

struct tls_key {		/* a library's object */
	__u64 obj;
	__u32 tgid;
	__u32 life;		/* of this program: start of the process and how often it made an exec */
};

struct tls_conn {
	__u64 id;
	__u64 off[2];		/* bytes so far, by direction */
	__u64 run[2];		/* by direction: where its bytes since the last ones of the other begin */
	__u64 seq;		/* entries so far */
	__u64 sock;		/* inode number of its socket; 0: not known */
	__u64 lost[2];		/* by direction: where the last piece ended that was lost, or held back */
	__u32 flags;		/* TLS_CONN_* */
	__s32 fd;		/* what the program or the object says; -1: nothing */
	__u32 writing;		/* Go: writes that have not returned */
	__u32 seen;		/* the descriptor on which its records were seen, and 1; 0: none */
	__u64 whole;		/* the object that has this half's bytes, too, and all of the state; 0: itself */
	struct tls_frames frames[2];	/* HTTP/2, by direction */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct tls_key);
	__type(value, struct tls_conn);
} tls_conns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct ht_tls_wanted);
} tls_wanted SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HT_TLS_FUNCS_MAX);
	__type(key, __u32);
	__type(value, struct ht_tls_func);
} tls_funcs SEC(".maps");

struct tls_open {		/* a library's function between its entry and its return */
	struct tls_key key;
	__u64 sp, buf, len, done;
	__u64 by;		/* the thread, or the goroutine */
	__u64 more;		/* of a header field: the argument behind `done` */
	union {
		__u64 when;	/* it was entered */
		__u64 task;	/* it has returned: whose call it is, struct task_struct * */
	};
	__u32 func;		/* 0: none */
	__u32 pad;
};

#define TLS_WROTE 4

struct tls_wrote {		/* a write that the socket has not seen yet */
	struct tls_key key;
	__u64 n;		/* 0: none */
};

struct tls_sock_key {
	__u64 sk, ino;
};

struct tls_stream {		/* a direction of a socket, as TLS records */
	__u32 left;		/* bytes until the next record's head */
	__u32 data;		/* records of application data so far */
	__u32 sent;		/* bytes from its first record on that the reader got */
	__u8 begun, past;	/* its first handshake record was seen; another one than of the handshake was seen */
	__u8 have, tries;	/* bytes of the next head; calls that were none of TLS */
	__u8 head[16];
	__u8 blind, pad[3];	/* bytes went by that cannot be read: heads are no longer found */
};

struct tls_sock {
	struct tls_stream stream[2];	/* by enum ht_tls_dir */
	__u32 mark;		/* the server's data when the client's had come */
	__u8 judged;		/* nothing more is wanted of it */
	__u8 client;		/* direction of the ClientHello */
	__u8 v13;		/* the server's data came first: encrypted handshake */
	__u8 ready;		/* the client's data has come */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct tls_sock_key);
	__type(value, struct tls_sock);
} tls_socks SEC(".maps");

struct tls_judged {		/* what the task was when it was asked whether its TLS is recorded */
	__u64 exe, set, cgroup;
	__u32 exec, euid;
	__u32 who;		/* enum tls_who */
	__u32 life;		/* as in a key; this and the next, which only an exec changes, are read here rather than all over the task */
	__u64 start;
	__u32 tid, tgid;
};

struct tls_glob {		/* patterns that are compared with a text; not on the stack, of which the verifier knows too much */
	__u64 text;		/* a kernel string */
	__u32 i, to;		/* patterns */
	__u32 at, pos;		/* in the pattern, in the text */
	__u32 star, mark;	/* behind the last '*' (0: none), and the text that it does not cover yet */
	__u32 found;		/* enum ht_optout */
	__u32 below;		/* what begins so and goes on behind a '/' fits, too */
};

struct tls_found {		/* an inet stream socket */
	__u64 sk, ino;
};

struct tls_watch {		/* a call on a socket that is not judged yet */
	struct tls_sock_key key;	/* ino 0: none */
	__u64 at;		/* where its bytes lie: by io */
	__u32 io;		/* IO_* */
	__u32 slot;		/* where in ht_tls_watching it is counted, from 1 on; 0: it is not */
};

struct tls_scan {		/* through the bytes of a call; not on the stack, of which the verifier knows too much */
	__u64 vec;		/* further buffers: an array of struct iovec; 0: there is one */
	__u64 at, seg;		/* the buffer at hand, and bytes left of it */
	__u64 left;		/* of the call, or of one of its messages */
	__u64 msg;		/* the next message */
	__u32 nmsg;		/* further messages */
	__u32 io, dir;
	__u8 bad, secret;	/* secret: the reader gets none of the bytes */
	__u8 pad[2];
};

struct tls_task {		/* what each small call needs comes first, side by side */
	struct tls_judged judged;
	struct tls_open open;
	__u64 epoch;		/* the reader that knows the task as it `was` by gen, which lies at gen_at in struct task as long as nobody makes it another one */
	__u64 gen_at;
	struct compared was;
	__u32 gen;
	__u32 next;		/* of wrote is written next */
	__u64 recv_buf;		/* where the last read outside a library's function put the bytes */
	__s32 recv_fd;
	__u32 pad;
	struct compared now;	/* and now; where single words can be read, not used */
	struct tls_glob glob;
	struct tls_sock_key flowed;	/* the socket of which that is to be said */
	struct tls_watch watch;	/* the call at hand */
	struct tls_scan scan;
	struct tls_found at;	/* the socket of the call at hand; ino 0: it is on none */
	struct tls_open call;	/* the function at hand, where that is not enough; not on the stack, of which older kernels have too little */
	struct tls_sock_key past;	/* the last one that was found judged, which it stays */
	struct tls_open fields;	/* header fields of a stream whose number is not known yet */
	struct tls_piece piece;	/* the bytes of the call that returns */
	struct tls_conn fresh;	/* a connection that is made */
	struct tls_wrote wrote[TLS_WROTE];
	__u64 half[2];		/* by enum ht_tls_dir: the object of which one half was used last, where each has its own */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tls_task);
} tls_tasks SEC(".maps");

struct {				/* of many files those that were not met for long go: told once more, which costs an entry and misses none */
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct ht_tls_file);
	__type(value, __u64);
} tls_told SEC(".maps");

struct tls_go {			/* goroutines change threads */
	__u64 g;
	__u32 tgid, func;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct tls_go);
	__type(value, struct tls_open);
} tls_gos SEC(".maps");

/* Pinned with the rest, written and read by the loader only (agent/probes.c). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 256);
} meta SEC(".maps");

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_internal.h - what the decoder's files share: an event taken apart, the shapes of a row, and what was found
 * out about paths and addresses while the record is put together. Nothing here outlives one decode_call() but the
 * shapes, which are built once for the process and never freed (batches refer to them).
 */
#ifndef HOSTTRAIL_DECODE_INTERNAL_H
#define HOSTTRAIL_DECODE_INTERNAL_H

#include "calls_internal.h"
#include "decode.h"
#include "fields.h"
#include "guard.h"

#define PATH_ROOM (HT_WALK_MAX + HT_PATH_MAX + 64)
#define CALL_PATHS_MAX 2
#define LIST_MAX 8
#define ADDRESS_TEXT_MAX 128

/* ---- an event taken apart ---- */

enum slot_kind {
	SLOT_STR = 0, SLOT_STR_ENTER, SLOT_MEM, SLOT_SOCKADDR, SLOT_SOCK, SLOT_ARGV, SLOT_KSTR,
	SLOT_WALK_FD, SLOT_WALK_RET, SLOT_WALK_BASE, SLOT_WALK_ROOT, SLOT_WALK_EXE, SLOT_WALK_CWD, SLOT_WALK_OBJECT,
	SLOT_URING, SLOT_REPEAT, SLOT_KOBJ, SLOT__MAX,
};
#define SLOT_RET 6
#define SLOT_TASK 7

struct slot {
	const uint8_t *p;
	uint32_t n;
	uint8_t flags;			/* enum ht_field_flag */
};

struct view {
	struct ht_call c;		/* a copy: the ring's bytes may be unaligned in tests and fuzzing */
	uint16_t have[SLOT__MAX];	/* bit per argument */
	struct slot slot[SLOT__MAX][8];
};

/* 0 or -EBADMSG. */
int view_take(struct view *v, const void *ev, uint32_t n);
/* NULL if the event has no such field (a field that faulted is there, with HT_FIELD_F_FAULT). */
static inline const struct slot *view_slot(const struct view *v, enum slot_kind kind, unsigned arg)
{
	return v->have[kind] & 1u << arg ? &v->slot[kind][arg] : NULL;
}

/* Of what is read twice: perhaps the kernel took something else. */
static inline bool slot_doubted(const struct slot *s)
{
	return s && s->flags & (HT_FIELD_F_CHANGED | HT_FIELD_F_ONCE | HT_FIELD_F_SHARED);
}

static inline struct str slot_str(const struct slot *s)
{
	return (struct str){ s ? (const char *)s->p : NULL, s ? s->n : 0 };
}

#define NO_RESULT_FLAGS (HT_EV_F_IN_CALL | HT_EV_F_NO_RESULT)

static inline bool view_failed(const struct view *v)
{
	return !(v->c.h.flags & NO_RESULT_FLAGS) && v->c.ret < 0 && v->c.ret >= -4095;
}

static inline bool view_ok(const struct view *v)
{
	return !(v->c.h.flags & NO_RESULT_FLAGS) && !view_failed(v);
}

static inline bool view_word32(const struct view *v)
{
	return v->c.h.abi == HT_ABI_COMPAT;
}

/* ---- shapes ---- */

#define FIELD_ABSENT 0xff

enum common_field {		/* additionalEventData of any call */
	COMMON_UNVERIFIED = 0, COMMON_CHANGED, COMMON_SUPERVISED, COMMON_ABI, COMMON_VIA, COMMON_UNREADABLE, COMMON_CUT, COMMON_NO_RESULT, COMMON_TRUNCATED,
	COMMON_ENTER_MISSED, COMMON_SOURCE_ADDRESS, COMMON_LOCAL_ADDRESS, COMMON_LOCAL_PORT, COMMON_CWD,
	COMMON_URING_OPCODE, COMMON_URING_FLAGS, COMMON_URING_DATA, COMMON_URING_SLOT, COMMON__MAX,
};

struct path_fields {		/* of one path argument */
	const char *name;		/* of the argument: "path", "newPath" */
	uint8_t source, in_root, kind, truncated, mount_id, device, inode;
};

enum noted_field {		/* behind all others, only in records that have something to say there */
	NOTED_SELF_TEST = 0, NOTED_TAMPER_KIND, NOTED_TAMPER_TARGET, NOTED__MAX,
};

struct call_shape {
	struct shape v[2][2][2];	/* [read only][management although the row says data][with the noted fields] */
	const struct shape_field *fields;
	struct shape inside[2][2][2];	/* of tasks in a pid namespace, whose numbers name no process of the host's */
	uint8_t nargs;
	uint8_t first[CALL_ARGS_MAX];	/* the argument's first field */
	uint8_t ret;			/* first field of the result */
	uint8_t common[COMMON__MAX];
	uint8_t noted;			/* first noted field */
	uint8_t npaths;
	struct path_fields path[CALL_PATHS_MAX];
};

const struct call_shape *call_shape(unsigned call);	/* NULL before call_shapes_build() or out of range */
int call_shapes_build(void);				/* once a process; 0 or -ENOMEM */

/* Fields that a path takes in the request, from its first one. */
enum { PATH_TEXT = 0, PATH_REQUESTED, PATH_AT_ENTER, PATH_FIELDS };
/* Fields that an address takes. PEER and BOUND have the requested one behind the true one. */
enum { ADDR_FAMILY = 0, ADDR_ADDRESS, ADDR_PORT, ADDR_PATH, ADDR_SCOPE, ADDR_PID, ADDR_GROUPS, ADDR_FIELDS };
enum { ARGV_LIST = 0, ARGV_OMITTED, ARGV_SIZE, ARGV_SHA256, ARGV_INTERPRETER, ARGV_FIELDS };

/* ---- a record under construction ---- */

enum source { SOURCE_OBJECT = 0, SOURCE_FD, SOURCE_USER };

struct path_result {
	struct str path;		/* p NULL: not known */
	struct str requested;		/* p NULL: there is none to show */
	struct str at_enter;		/* p NULL: both reads agree */
	struct str in_root;
	const char *kind;
	enum source source;
	bool unverified, changed, truncated;
	bool object;			/* w is of the object itself */
	struct ht_walk w;
};

struct address {
	uint16_t family;		/* 0: none */
	struct str address, path;	/* p NULL: this family has none */
	int64_t port, scope, pid, groups;	/* -1: none */
	char text[ADDRESS_TEXT_MAX];
};

struct device_text {
	uint32_t dev;
	uint8_t n;
	char text[23];
};

struct decoder {
	struct view v;
	const struct call *row;
	const struct call_shape *shape;
	struct batch *b;
	const char *via;
	/* found while the request was put, said in additionalEventData */
	unsigned npaths;
	struct path_result path[CALL_PATHS_MAX];
	struct str unverified[LIST_MAX], unreadable[LIST_MAX], cut[LIST_MAX];
	unsigned nunverified, nunreadable, ncut;
	bool changed, self_test;
	bool path_doubted;		/* another path may be the true one, and it is not the one that was asked for */
	uint64_t calls;			/* that the record stands for */
	struct guard *guard;		/* NULL: nothing is ours */
	const struct ident *who;	/* made the call, where known */
	struct guard_hit tamper;
	enum source address_source;
	struct ht_uring uring;		/* opcode and flags 0 if the call is no operation of io_uring */
	struct address peer, own;
	/* rooms for text */
	struct device_text devices[8];
	char room[CALL_PATHS_MAX][2][PATH_ROOM];
	char names[2][PATH_ROOM];	/* executable and cwd for decode_exec() */
	struct str list[FLAGS_MAX];
	struct str argv[HT_ARGV_MAX + 3];
	char argv_room[2 * HT_ARGV_MAX];
	char small[256];
};

/* Argument values by ABI. */
int64_t arg_word(const struct view *v, unsigned arg);		/* signed */
uint64_t arg_uword(const struct view *v, unsigned arg);

void list_add(struct str *list, unsigned *n, const char *name);
void put_exchangeable(struct decoder *d, const char *name);

/* decode_path.c: `room` are two texts of PATH_ROOM. */
void path_of_arg(const struct view *v, const struct call *row, const struct call_arg *a, char (*room)[PATH_ROOM],
		 struct path_result *ret_p);
struct str device_text(struct decoder *d, uint32_t major, uint32_t minor);

/* decode_addr.c */
void address_of_sock(const struct slot *s, bool peer, struct address *ret_a);
void put_address(struct decoder *d, unsigned first, const struct address *a);
void put_socket_arg(struct decoder *d, const struct call_arg *a, unsigned first);

/* decode_mem.c: fields of a structure, and their values. */
unsigned mem_fields(enum mem_kind kind, struct shape_field *ret_v);
void put_mem(struct decoder *d, const struct call_arg *a, unsigned first);

/* decode_argv.c */
void put_argv(struct decoder *d, const struct call_arg *a, unsigned first);

/* decode_args.c: a string or structure that the kernel may have taken as something else. */
void put_doubt(struct decoder *d, const struct slot *s, const char *name);

/* decode_rules.c: the kernel's file is open for something else. */
bool open_contradicts(const struct view *v, uint64_t flags);

/* decode_uring.c */
void uring_take(struct decoder *d);
uint32_t uring_flags(const struct view *v);	/* enum ht_uring_flag; of another call HT_URING_F_PREP */
bool uring_copied(const struct view *v);	/* strings are the kernel's own copies */
const char *uring_no_result(const struct decoder *d);
void put_uring(struct decoder *d);

/* decode_args.c */
void put_request(struct decoder *d);
void put_flags(struct decoder *d, unsigned field, const struct flagset *set, uint64_t v);
void put_name(struct decoder *d, unsigned field, const struct flagset *set, uint64_t v);

/* decode_rules.c */
bool call_read_only(const struct call *row, const struct view *v);
bool xattr_is_management(struct str name);
unsigned operation_args(const struct call *row, uint32_t operation);	/* registers after the operation's own */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - the record model, and how a record is written into a batch.
 *
 * A batch is one RecordBatch (hosttrail.proto) under construction. The agent's
 * decoder appends records to it event by event; nothing is allocated per
 * record once the batch's buffers have grown (batch_reset keeps them).
 * Reading batches, and records as CloudTrail JSON, is recordread.h.
 *
 * Ownership: a batch copies everything it is given, except shapes, which must
 * outlive it (they are static tables).
 * Errors: batch_* functions that can fail return 0 or -errno. A failed append
 * leaves the batch as it was before batch_begin().
 * Threads: one batch belongs to one thread.
 */
#ifndef HOSTTRAIL_RECORD_H
#define HOSTTRAIL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_FIELDS_MAX 64
#define RECORD_NAME_DEPTH 4		/* parts of a dotted field name */
#define BATCH_STRING_MAX (128 * 1024)	/* longest interned string; longer ones are cut by the caller */
/* What one batch can hold; the writer stops there (-E2BIG) and the reader refuses more. A text counts as often as it is named: a few
 * bytes of a batch can name one a million times, and a reader shows it each time. */
#define RECORD_TEXT_MAX (4u << 20)	/* of a record's fields together; a call's event, and what is said of a call inside TLS, have less than 1 MiB */
#define PROCESS_TEXT_MAX (128 * 1024)	/* of a process */
#define BATCH_TEXT_MAX (1ull << 32)	/* of all records' fields */
#define BATCH_RECORDS_MAX (1u << 20)
#define BATCH_STRINGS_MAX (1u << 20)
#define BATCH_TABLE_MAX 65536u		/* processes, identities, rings: each */
#define BATCH_SHAPES_MAX 4096u
#define SHAPE_NAME_MAX 63		/* a field's name or resource type: printable ASCII without quotes */
#define SHAPE_SOURCE_MAX 255		/* likewise event source, name and type */

enum record_category { CATEGORY_MANAGEMENT = 1, CATEGORY_DATA, CATEGORY_NETWORK, CATEGORY_INSIGHT };
enum field_section { SECTION_REQUEST = 1, SECTION_RESPONSE, SECTION_ADDITIONAL, SECTION_SERVICE, SECTION_RESOURCE, SECTION_TLS };
enum field_kind { FIELD_INT = 1, FIELD_UINT, FIELD_OCTAL, FIELD_HEX, FIELD_BOOL, FIELD_STRING, FIELD_STRINGS, FIELD_INTS, FIELD_JSON };
#define FIELD_WHOLE "*"		/* name of a FIELD_JSON: its members are the section's */
enum identity_type { IDENTITY_UNKNOWN = 0, IDENTITY_ROOT, IDENTITY_IAM_USER, IDENTITY_ASSUMED_ROLE, IDENTITY_AWS_SERVICE, IDENTITY_FEDERATED };

struct shape_field {
	enum field_section section;
	const char *name;		/* dots nest */
	enum field_kind kind;
	const char *resource_type;	/* NULL, or e.g. "Linux::File" */
};

struct shape {
	const char *event_source;	/* "file.linux" */
	const char *event_name;		/* "openat" */
	const char *event_type;		/* "HostApiCall" */
	enum record_category category;
	bool read_only;
	unsigned nfields;
	const struct shape_field *fields;
};

/* Everything by value or by pointer to the caller's bytes; NULL strings are absent. */
struct str {
	const char *p;
	size_t n;
};

#define RECORD_PROCESS_MINIMAL 1u	/* the identity came inline with the event and is minimal */
#define RECORD_PROCESS_DELETED 2u	/* the executable's file had been removed */
struct record_process {
	uint32_t pid, parent_pid, pid_in_ns, session_id;
	uint64_t start, parent_start;
	struct str executable, executable_id, executable_sha256;	/* sha256 as hex text */
	struct str command, cgroup, container, tty;
	uint32_t ns[8];			/* user, mnt, pid, net, uts, ipc, cgroup, time */
	uint32_t flags;			/* RECORD_PROCESS_* */
	uint64_t cgroup_id;
};

struct record_identity {
	struct record_process process;
	uint32_t tid;
	uint64_t tid_start;
	enum identity_type type;
	struct str principal_id, arn_tail, user_name, invoked_by;
	struct str issuer_name;
	uint32_t issuer_uid;
	struct str source_identity, via;
	int64_t session_start;		/* epoch seconds, 0 unknown */
	struct str source_ip, why_unknown;
	uint32_t loginuid, audit_session;
	uint32_t uids[4], gids[4];	/* real, saved, effective, fs */
	uint32_t groups[32];
	unsigned ngroups;
	uint32_t uid_in_ns;
	uint64_t cap_effective;
};

#define HOST_TEXT_MAX 255		/* of each; longer ones: -EINVAL from batch_reset() */
struct record_host {
	const char *host_id, *machine_id, *boot_id, *hostname, *kernel_release, *agent_version, *region, *account;
};

struct record_head {
	uint8_t ring_class;
	uint16_t cpu;
	uint64_t seq;
	uint64_t time;			/* boot-time ns */
	uint32_t identity;		/* from batch_identity() */
	uint64_t request;		/* number among the task's recorded calls */
	const char *error;		/* errno's name or NULL */
	const char *error_message;	/* NULL: errno's own text */
	struct str source_ip;		/* empty: the identity's */
	uint64_t repeat_count;		/* 0 or 1: not merged */
	uint64_t first_time;		/* merged: boot-time ns of the first */
	uint16_t restarts;		/* how often the kernel restarted the call */
	struct str user_agent;		/* empty: the executable's path */
	struct str access_key;		/* TLS-level AWS calls */
	struct str region;		/* empty: the host's */
	struct str request_id;		/* as the service gave it; empty: task key and `request` */
	struct str api_version;
};

/* 0, or -EINVAL and why: too many fields, an empty, overlong, doubled, reserved or too deep name, an unknown kind,
 * section or category. Reserved in SECTION_ADDITIONAL: what every record carries (eventTimeNanos, repeatCount,
 * firstEventTimeNanos, restarts, process, hostId, hostname). */
int shape_check(const struct shape *shape, const char **ret_why);

struct batch;

int batch_new(struct batch **ret_b);
/* A batch that keeps nothing: it tells what a record would be made of, for who decides whether it shall be one (sketch.h). The
 * identity in the head is not looked at. */
struct batch_tap {
	void *ctx;
	void (*begin)(void *ctx, const struct shape *shape, const struct record_head *head);
	void (*number)(void *ctx, const struct shape_field *f, int64_t v);
	void (*text)(void *ctx, const struct shape_field *f, struct str s);	/* of a list: each of its texts */
};
int batch_new_tapped(const struct batch_tap *tap, struct batch **ret_b);
void batch_free(struct batch **b);	/* NULL-safe */
/* Empties it; keeps buffers. `host` is copied into the batch. */
int batch_reset(struct batch *b, const struct record_host *host);
/* Only in a stream's first control frame; previous may be NULL. */
int batch_stream_start(struct batch *b, const uint8_t previous[16], const uint8_t previous_hash[32], uint64_t boot_time);

/* Index of a string in this batch; 0 for the empty string or when memory fails. */
uint32_t batch_str(struct batch *b, const void *p, size_t n);
/* Cached index of an identity under the caller's key (any non-zero number that stands for
 * this very content, e.g. cache slot and generation). -1: not in this batch yet, add it. */
int64_t batch_identity_find(const struct batch *b, uint64_t key);
/* Adds it. Index, or -errno. */
int64_t batch_identity(struct batch *b, uint64_t key, const struct record_identity *id);

/* One record: begin, then its fields in the order of the shape, then end (or cancel).
 * Fields that are not put are absent. begin: -EINVAL for a bad shape (see shape_check) or head,
 * -ENOMEM. A field out of order, of another kind, or too long makes end answer -EINVAL or -E2BIG
 * and the record is as if cancelled. -E2BIG of begin: the batch is full. */
int batch_begin(struct batch *b, const struct shape *shape, const struct record_head *head);
void batch_int(struct batch *b, unsigned field, int64_t value);	/* INT UINT OCTAL HEX BOOL */
/* STRING, and JSON: a text that is not sound JSON is shown as a string. */
void batch_string(struct batch *b, unsigned field, const void *p, size_t n);
void batch_strings(struct batch *b, unsigned field, const struct str *v, unsigned n);
void batch_ints(struct batch *b, unsigned field, const int64_t *v, unsigned n);
int batch_end(struct batch *b);
void batch_cancel(struct batch *b);

unsigned batch_count(const struct batch *b);		/* records so far */
size_t batch_size(const struct batch *b);		/* bytes that finish would give, about */
/* The first record's; 0 when empty. The frame's first_time must be this number: records count from it. */
uint64_t batch_first_time(const struct batch *b);
/* So many sequences of the frame are settled and no records, for nobody selected them; until batch_reset(). */
void batch_filtered(struct batch *b, uint64_t n);
uint64_t batch_last_time(const struct batch *b);	/* the latest one's */
/* The encoded RecordBatch; valid until the next call on this batch. */
int batch_finish(struct batch *b, const uint8_t **ret_p, size_t *ret_n);

#endif

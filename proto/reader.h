/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.h - inside of a reader, shared by the files that open, render and summarise.
 *
 * What reader_open() accepted holds: every string index is below nstrings, every table index
 * below its table's count, every values list ends where it should.
 */
#ifndef HOSTTRAIL_READER_H
#define HOSTTRAIL_READER_H

#include "recordread.h"
#include "wire.h"

#define READER_NAMESPACES 8

struct reader_list {		/* a short repeated uint32; more than fits is ignored */
	uint32_t n, v[READER_NAMESPACES];
};

struct reader_process {
	uint32_t pid, parent_pid, executable, executable_id, executable_sha256, command, cgroup, container, tty, session_id,
		pid_in_ns, flags;
	uint64_t start, parent_start, cgroup_id;
	struct reader_list ns;
};

struct reader_identity {
	uint32_t process, tid, type, principal_id, arn_tail, user_name, invoked_by, issuer_name, issuer_uid, source_identity,
		via, source_ip, why_unknown, loginuid, audit_session, uid_in_ns;
	uint64_t tid_start, cap_effective;
	int64_t session_start;
	struct reader_list uids, gids;
	struct wire_span groups;	/* packed varints, each below 2^32 */
};

struct reader_shape {
	struct shape shape;
	char *text;			/* that its names point into */
	/* a bit per field: the one that marks calls of the self-test; what is in each section; what is a resource; names with dots */
	uint64_t self_test, sections[SECTION_TLS + 1], resources, dotted;
};

struct reader_ring {
	uint32_t ring_class, cpu;
	uint64_t seq;			/* first_seq; while opening: the last record's */
};

/* One record's own fields. */
struct reader_record {
	uint32_t shape, identity, ring, error, source_ip, error_message, user_agent, access_key, restarts,
		region, request_id, api_version;
	uint64_t seq_delta, request, repeat_count;
	int64_t time_delta, first_time_delta;
	struct wire_span values;
};

/* Where a record lies, and what only its predecessors tell. */
struct reader_place {
	uint32_t at, n;
	uint64_t time, seq;
};

/* A stretch of members as it was written before: most records of a frame have few. */
struct reader_said {
	uint32_t at, n, room;		/* in reader.said; n 0: not yet */
	uint64_t with;			/* what else it follows from */
	uint64_t hash;
};

struct reader {
	struct wire_span batch;
	struct record_frame frame;
	struct record_host host;
	char *host_text;
	struct str *strings;
	struct reader_shape *shapes;
	struct reader_process *processes;
	struct reader_identity *identities;
	struct reader_ring *rings;
	struct reader_place *records;
	uint32_t nstrings, nshapes, nprocesses, nidentities, nrings, nrecords;
	uint64_t named;			/* while opening: bytes of text that the records so far name */
	struct buf scratch, text;	/* reused by render and summary */
	struct buf said;		/* at most as long as the batch */
	struct reader_said *says;	/* which of them: recordsaid.c; NULL: none yet */
};

int reader_record_at(const struct reader *r, unsigned i, struct reader_record *ret);

static inline struct str reader_str(const struct reader *r, uint32_t i)
{
	return r->strings[i];
}

/* The values of one record, found field by field. */
struct reader_values {
	uint64_t present;
	uint64_t text;			/* bytes of the strings that they name */
	struct wire_span at[RECORD_FIELDS_MAX];	/* begins at the field's value; end is the list's */
};
/* 0 or -EBADMSG with *ret_why: the list does not fit the shape. */
int reader_values(const struct reader *r, const struct shape *s, struct wire_span list, struct reader_values *ret,
		  const char **ret_why);
int64_t reader_value(struct wire_span *at);	/* next number of a checked list */

/* A user's name, once; a resource. Both only while there is room. */
void summary_username(struct record_summary *s, struct str name);
void summary_resource(struct record_summary *s, const char *type, struct str name);

struct json;
/* max: how long texts may be. */
void reader_identity_json(struct reader *r, const struct reader_identity *id, struct str access_key, size_t max, struct json *j);
void reader_process_json(struct reader *r, const struct reader_identity *id, size_t max, struct json *j);

/* What was said of this part; of: the shape or identity that it follows from. NULL: no memory. */
struct reader_said *reader_said(struct reader *r, enum record_part part, uint32_t of);
size_t reader_said_cost(const struct reader *r);
/* Writes it as it was, with the comma before it; false: it was not said with this. s may be NULL. */
bool reader_say_again(const struct reader *r, const struct reader_said *s, uint64_t with, struct json *j);
/* What was written from `from` on is what is said with this; s may be NULL. Gives its hash. */
uint64_t reader_keep(struct reader *r, struct reader_said *s, uint64_t with, const struct json *j, size_t from);
struct str reader_source_ip(const struct reader *r, const struct reader_record *x, const struct reader_identity *id);

#endif

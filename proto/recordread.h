/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recordread.h - reads an encoded RecordBatch: hostile bytes, every index and
 * length is checked when it is opened; what open accepts, the others can render.
 *
 * Ownership: the reader borrows the caller's bytes for its whole life.
 * Threads: one reader belongs to one thread.
 */
#ifndef HOSTTRAIL_RECORDREAD_H
#define HOSTTRAIL_RECORDREAD_H

#include "record.h"
#include "lib/buf.h"

struct reader;

/* What of the frame header a record needs to be shown. */
struct record_frame {
	uint8_t stream[16];
	uint64_t first_time;	/* boot-time ns of the first record */
	int64_t wall_offset;	/* wall clock minus boot time, ns */
};

/* 0, -EBADMSG (malformed; *ret_why says what, static text), -ENOMEM. */
int reader_open(const void *p, size_t n, const struct record_frame *frame, struct reader **ret_r, const char **ret_why);
void reader_free(struct reader **r);
unsigned reader_count(const struct reader *r);
/* Memory that it holds or may come to hold, about. */
size_t reader_cost(const struct reader *r);
/* Host fields; strings are NUL-terminated copies owned by the reader. */
const struct record_host *reader_host(const struct reader *r);

/* One record as one line of CloudTrail JSON, appended to out without newline. */
int reader_json(struct reader *r, unsigned i, struct buf *out);
/* Stretches of members that many records share. In the order in which they stand in the text; none lies in another. */
enum record_part {
	PART_TIME,	/* eventVersion, eventTime */
	PART_CALL,	/* eventSource, eventName, awsRegion */
	PART_FROM,	/* sourceIPAddress, userAgent */
	PART_WHO,	/* userIdentity */
	PART_KIND,	/* readOnly ... eventCategory */
	PART_ACCOUNT,	/* recipientAccountId */
	PART_PROCESS,	/* of additionalEventData: process */
	PART_HOST,	/* of additionalEventData: hostname, hostId */
	PART__MAX
};
/* Where in out they lie, from the first one's name to the end of the last one's value, and record_hash() of these bytes. */
struct record_parts {
	struct {
		size_t at, n;
		uint64_t hash;
	} v[PART__MAX];
};
/* The same, and its parts. */
int reader_json_parts(struct reader *r, unsigned i, struct buf *out, struct record_parts *ret_p);

/* Of text that only its length and its bytes tell apart; strangers may choose texts whose hashes are equal. */
uint64_t record_hash(const void *p, size_t n);

/* What the index and compact output need. Strings are borrowed from the reader until its
 * next call; absent ones have n == 0. */
#define RECORD_RESOURCES_MAX 8
struct record_summary {
	int64_t time;			/* wall clock, ns since the epoch */
	uint8_t event_id[16];
	uint8_t ring_class;
	uint16_t cpu;
	uint64_t seq;
	struct str event_name, event_source, event_type, error, access_key;
	enum record_category category;
	bool read_only;
	struct str usernames[3];	/* what LookupEvents' Username matches */
	unsigned nusernames;
	struct str resource_names[RECORD_RESOURCES_MAX], resource_types[RECORD_RESOURCES_MAX];
	unsigned nresources;
	uint32_t pid;
	struct str executable, command;
	uint64_t repeat_count;		/* at least 1 */
	bool self_test;			/* a call that the agent made to see whether capture works */
};
int reader_summary(struct reader *r, unsigned i, struct record_summary *ret_s);
int64_t reader_time(const struct reader *r, unsigned i);	/* only the summary's time; i must be below the count */

/* eventID of 4-frame.md: UUIDv8 of 56 bits stream, 4 class, 12 cpu, 50 sequence. */
void event_id_make(const uint8_t stream[16], unsigned ring_class, unsigned cpu, uint64_t seq, uint8_t ret_id[16]);
void uuid_text(const uint8_t id[16], char ret_text[37]);
int uuid_parse(const char *text, uint8_t ret_id[16]);	/* 0 or -EINVAL */

#endif

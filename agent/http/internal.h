/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of agent/http/ share: memory that is wiped, messages and calls, the two lanes of a connection. */
#ifndef HOSTTRAIL_HTTP_INTERNAL_H
#define HOSTTRAIL_HTTP_INTERNAL_H

#define HASH_NONFATAL_OOM 1	/* then hh.tbl is NULL */
#include <uthash.h>

#include "agent/http/hpack.h"
#include "agent/http/http.h"
#include "agent/http/internal_memory.h"

#define DETECT_MAX (48u << 10)		/* bytes of a direction in which a beginning is looked for */
#define QUIET_STEP (256u << 10)	/* beyond them, as long as the other direction is silent: so many are unwanted, then it is asked again */
#define MARKS_MAX 16
#define SPARE_CALLS 2

/* ---- message.c */
struct head {
	struct arena text;
	struct http_field *fields;
	unsigned nfields, cap;
	size_t kept;		/* bytes of HTTP_HEAD_MAX that are taken */
	uint32_t flags;
	enum http_version version;
	struct str method, scheme, authority, target;
	unsigned status;
	bool done;		/* all of it that there will be has been read */
	bool dropped;		/* the last field was */
	bool pseudo;		/* HTTP/2: a pseudo-header field could be read */
};

struct message {
	struct head head, trailers;
	struct zbuf prefix;
	uint32_t want;
	uint64_t length, start, end;
	bool begun, ended;
	bool hole;		/* in the prefix: it ends before that */
	bool uncounted;		/* not all bytes of the body are in length */
	bool sure;		/* HTTP/2: a head without readable status is no 1xx, for DATA followed */
	bool is_told;
	struct head told;	/* HTTP/2: the head as its program told it */
};

struct call {
	struct http_call shown;
	struct message request, response;
	struct call *prev, *next;
	UT_hash_handle hh;	/* HTTP/2: by stream */
	uint32_t stream, flags, reset_code;
	uint64_t number;
	unsigned informational;
	bool headed, answered;	/* the sink was asked */
	bool waits;		/* for its request: the response was seen first */
	bool head_method, connect;
};

struct http_conn;

void head_reset(struct memory *m, struct head *h);
void head_move(struct memory *m, struct head *to, struct head *from);	/* leaves `from` empty */
/* A copy that lives as long as the head; absent, and HTTP_TRUNCATED, where it does not fit. */
struct str head_text(struct memory *m, struct head *h, struct str s);
void head_field(struct memory *m, struct head *h, struct str name, struct str value, bool sensitive);
void head_continue(struct memory *m, struct head *h, struct str more);	/* HTTP/1: the last field's value goes on */

void message_body(struct memory *m, struct message *msg, const char *p, size_t n);
void message_skip(struct message *msg, uint64_t n);		/* n bytes of the body that were not captured */
uint64_t message_unwanted(const struct message *msg, uint64_t n);	/* how many of the next n bytes of the body */

struct call *call_new(struct http_conn *c, uint32_t stream);	/* NULL: no memory */
void call_headed(struct http_conn *c, struct call *call);	/* the request's head is there, or will never be */
void call_answered(struct http_conn *c, struct call *call);	/* the response's head is there */
void call_check(struct http_conn *c, struct call *call);	/* gives it if both have ended */
void call_give(struct http_conn *c, struct call *call);
void calls_free(struct http_conn *c);

/* ---- h1_start.c */
struct start {
	bool response;
	enum http_version version;
	struct str method, target;	/* method absent: where it begins could not be told */
	unsigned status;
};

bool start_read(const char *p, size_t n, struct start *ret_s);		/* a whole line is one */
bool start_find(const char *p, size_t n, struct start *ret_s);		/* a line ends with one, behind who knows what */
bool start_known_method(struct str s);
bool line_is_field(const char *p, size_t n);	/* "token:" */

/* ---- h2_scan.c: frames where nobody knows where they begin */
#define SCAN_MAX 16
#define SCAN_HELD (64u << 10)
#define FRAME_HEADER 9

struct frame {
	uint32_t length, stream;
	uint8_t type, flags;
};

struct scan {
	struct {
		size_t start, last, next;	/* in the held bytes: the first frame, the last one, and where the next one must begin */
		unsigned score;
	} chains[SCAN_MAX];
	unsigned n;
};

struct frame frame_read(const uint8_t *p);
/* One more byte is in p[0..n). True: frames begin at *ret_start. */
bool scan_step(struct scan *s, const uint8_t *p, size_t n, size_t *ret_start);
/* How many of n bytes are no frame's beginning, for all we know: they need not be kept. */
size_t scan_forget(struct scan *s, size_t n);

/* ---- one direction of HTTP/2 */
enum h2_state { H2_FRAME = 0, H2_PRE, H2_PAYLOAD, H2_PADDING, H2_SCAN, H2__MAX };

struct h2_lane {
	enum h2_state state;
	bool first;		/* the server's first frame is SETTINGS, if we see its beginning */
	bool late;		/* frames were missed */
	unsigned depth;		/* of beginnings that were found in what another one had led to */
	uint8_t bytes[FRAME_HEADER + 1];	/* of a frame's header, or of what stands before its payload */
	unsigned have, need;
	struct frame frame;
	uint32_t left, padding;	/* bytes of payload; behind it */
	uint32_t large;		/* the last stream that was seen to have a large body of which no more is wanted */
	struct scan scan;
	struct hpack hpack;
	struct {		/* a header block, in HEADERS or PUSH_PROMISE and CONTINUATIONs */
		bool open, lost, bad, ends;	/* lost: not all of it can be read; bad: no block at all; ends: END_STREAM */
		uint32_t stream, promised;
		uint64_t when;
		struct zbuf rest;	/* bytes that begin a field */
		struct head head;
		struct arena text;	/* of parts: what was read, if we joined late and something may be told */
		struct http_part *parts;
		unsigned nparts, parts_cap;
		bool unknown, parts_lost, is_told;
		struct head told;
	} block;
};

/* ---- one direction */
enum h1_state { H1_START = 0, H1_FIELDS, H1_LENGTH, H1_CHUNK, H1_DATA, H1_DATA_END, H1_TRAILERS, H1_CLOSE, H1_MAYBE, H1_RESYNC, H1_CONFIRM, H1_WAIT, H1__MAX };

struct framing {	/* what a head of HTTP/1 says of its body's length */
	uint64_t length;
	bool has_length, coded, chunked, bad;
	bool doubt;	/* others may read of its fields something else: not even `chunked` counts */
};

struct mark {
	size_t at;
	uint64_t when;
};

struct lane {
	enum http_dir dir;
	uint64_t when;		/* of the piece that is being read */
	struct zbuf held;	/* bytes that nobody understands yet */
	struct mark marks[MARKS_MAX];
	unsigned nmarks;
	size_t line_at;		/* in held: where the line begins */
	bool found_at, found_response;	/* the line before it may be a start line */
	bool seen, skipped, exhausted;	/* anything at all; bytes are missing; more than DETECT_MAX of it */

	struct zbuf line, found;	/* a line that has not ended; a start line that is to be confirmed */
	uint64_t line_when, found_when;
	bool line_lost;			/* it was too long */
	bool begun;			/* a message did */
	enum h1_state h1, after;	/* after: H1_MAYBE's state if it is a body */
	struct framing framing;
	uint64_t left;			/* bytes of a body or chunk */
	struct call *call;		/* whose message this is */
	struct h2_lane h2;
};

enum http_protocol { PROTOCOL_UNKNOWN = 0, PROTOCOL_1, PROTOCOL_2 };

struct http_conn {
	struct http_sink sink;
	struct memory memory;
	enum http_protocol protocol;
	enum http_state state;
	enum http_role role;
	bool over;
	struct lane lanes[2];
	struct call *open, *spare, *streams;	/* utlist, in order of their beginning; uthash */
	unsigned nopen, nspare;
	uint64_t next_number;
	bool request_lost;
	/* HTTP/1: whose response is this? */
	bool paired, pipelined, response_lost, doubt;
	/* HTTP/2: streams that requests were seen on; those in between may have been missed */
	uint32_t first, highest, gap_from, gap_to;
};

/* ---- conn.c, detect.c */
void lane_mark(struct lane *l);		/* what is held back from here on came at l->when */
void lane_replay(struct http_conn *c, struct lane *l, size_t from);	/* what it held back, to the parser */
size_t detect_feed(struct http_conn *c, struct lane *l, const char *p, size_t n);	/* how much of it was taken */
void detect_skip(struct lane *l);

/* ---- h1.c */
void h1_feed(struct http_conn *c, struct lane *l, const char *p, size_t n);
void h1_skip(struct http_conn *c, struct lane *l, uint64_t n);
void h1_end(struct http_conn *c);
uint64_t h1_unwanted(const struct http_conn *c, const struct lane *l);
bool h1_spares(const struct http_conn *c, const struct lane *l, uint64_t n);

/* ---- h2.c, h2_call.c */
void h2_begin(struct http_conn *c, struct lane *l, bool preface);	/* preface: from the connection's beginning */
void h2_feed(struct http_conn *c, struct lane *l, const char *p, size_t n);
void h2_skip(struct http_conn *c, struct lane *l, uint64_t n);
void h2_end(struct http_conn *c);
uint64_t h2_unwanted(const struct http_conn *c, const struct lane *l);
void h2_frames(struct http_conn *c, struct lane *l, uint64_t data);	/* whole ones that were not captured, see http_conn_frames() */
bool h2_wants_data(const struct http_conn *c, const struct lane *l);
uint32_t h2_unwanted_streams(const struct http_conn *c, const struct lane *l);
void h2_lane_free(struct memory *m, struct lane *l);
void h2_block_end(struct http_conn *c, struct lane *l);	/* the block's head is as complete as it will be */
struct call *h2_call(struct http_conn *c, uint32_t stream);
void h2_message_end(struct http_conn *c, struct lane *l, struct call *call);
void h2_reset(struct http_conn *c, const struct lane *l, uint32_t stream, uint32_t code);
void h2_found(struct http_conn *c, const struct lane *l);
void h2_doubt_head(struct http_conn *c, struct message *m);
void h2_field(struct http_conn *c, struct head *h, const struct hpack_field *f);
void h2_frames_lost(struct http_conn *c, struct lane *l);

/* ---- h2_told.c */
void h2_told_field(struct http_conn *c, struct lane *l, const struct hpack_field *f);	/* one of the block that is being read */
void h2_told_ask(struct http_conn *c, struct lane *l);	/* the block's told head, if there is one */
void h2_told_reset(struct http_conn *c, struct lane *l);
void h2_told_check(struct http_conn *c, struct call *call);	/* before it is given */

/* ---- h1_pair.c */
struct call *h1_ask(struct http_conn *c);	/* a request begins */
struct call *h1_answer(struct http_conn *c);	/* a response begins: to which? */
void h1_lost(struct http_conn *c, const struct lane *l);	/* messages may have been */

static inline struct str str_of(const char *p, size_t n)
{
	return (struct str){ p, n };
}

/* Does it carry the requests? */
static inline bool lane_asks(const struct http_conn *c, const struct lane *l)
{
	return (l->dir == HTTP_SENT) == (c->role == HTTP_CLIENT);
}

static inline struct message *lane_message(const struct http_conn *c, const struct lane *l)
{
	return lane_asks(c, l) ? &l->call->request : &l->call->response;
}

#endif

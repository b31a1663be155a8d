/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shipmsg.h - the messages of the service Trail (hosttrail.proto), written and read without copying the
 * frames in them. What is read is hostile: nothing is read past its end, unknown fields are skipped.
 *
 * Writing appends to a buf. Reading: point a wire_span at the message and ask for the next element:
 * 1 an element, 0 the end, -EBADMSG malformed. Elements point into the message.
 * Pure functions, thread-safe.
 */
#ifndef HOSTTRAIL_SHIPMSG_H
#define HOSTTRAIL_SHIPMSG_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "wire.h"

#define SHIP_REQUEST_MAX (8u << 20)	/* bytes of a ShipRequest that a store takes */
#define SHIP_FRAME_OVERHEAD 6		/* bytes that a frame costs in a ShipRequest beside its own, at most */

#define SHIP_METHOD "/hosttrail.v1.Trail/Ship"
#define HEADS_METHOD "/hosttrail.v1.Trail/Heads"

enum ship_status { SHIP_UNSPECIFIED = 0, SHIP_STORED = 1, SHIP_REJECTED = 2, SHIP_RETRY = 3 };

struct ship_result {
	enum ship_status status;	/* values that we do not know: SHIP_UNSPECIFIED */
	const char *reason;		/* not terminated */
	size_t reason_len;
};

struct ship_head {
	uint32_t chain;
	uint64_t next;
	uint8_t last_hash[32];
	bool has_hash;
};

int ship_request_add(struct buf *out, const void *frame, size_t n);
int ship_request_time(struct buf *out, int64_t wall_ns);	/* once a request */
/* The whole request: how many frames it has and when it was made (0: it does not say), or -EBADMSG. */
int ship_request_check(const void *p, size_t n, int64_t *ret_wall_ns);
int ship_request_next(struct wire_span *s, struct wire_span *ret_frame);

int ship_reply_add(struct buf *out, enum ship_status status, const char *reason);
int ship_reply_next(struct wire_span *s, struct ship_result *ret_result);

int heads_request_build(struct buf *out, const uint8_t stream[16]);
int heads_request_read(const void *p, size_t n, uint8_t ret_stream[16]);	/* 0 or -EBADMSG */
int heads_reply_add(struct buf *out, const struct ship_head *head);
int heads_reply_next(struct wire_span *s, struct ship_head *ret_head);

#endif

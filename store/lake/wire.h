/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - messages between the store and a process that runs a query (worker.h: the store's side, work.h: the process's).
 *
 *     u32 type, u32 length, then its body: numbers as this machine has them, texts behind their u32 length
 *
 *     store                          process
 *                                    HELLO, with a descriptor of its statm
 *                                    READY u32 is held to the lake's files; or FAULT text: it cannot be used
 *     CHECK sql
 *                                    TAKEN, before anything is made of it
 *                                    TABLES u32 n, n names, i64 from, i64 to; or REFUSED u32 ours, text
 *     BIND u32 n, n (name, select), u32 n, n parameters
 *                                    BOUND; or REFUSED
 *     RUN u32 n, n (u64 frames of the journal behind the segments)
 *                                    ASK u32 table, u64 frame, u32 text too: any time until it is done
 *     FRAME i32 error, i64 received, i64 position, u32 n, n (u32 number, record's text)
 *                                    COLUMNS u32 n, n names, then ROWS u32 n, n rows of so many values (length ~0: NULL), often
 *                                    DONE; or FAILED text. The next CHECK may come
 *
 * What a process sends is hostile: it has run strangers' SQL. Nothing is believed but its length, and that up to WIRE_MAX.
 *
 * Ownership: texts that are read borrow from the body. Threads: one per end and direction.
 */
#ifndef HOSTTRAIL_STORE_LAKE_WIRE_H
#define HOSTTRAIL_STORE_LAKE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "proto/record.h"
#include "sandbox.h"

enum wire_type {
	WIRE_HELLO = 1,
	WIRE_READY,
	WIRE_FAULT,
	WIRE_CHECK,
	WIRE_TAKEN,
	WIRE_TABLES,
	WIRE_REFUSED,
	WIRE_BIND,
	WIRE_BOUND,
	WIRE_RUN,
	WIRE_ASK,
	WIRE_FRAME,
	WIRE_COLUMNS,
	WIRE_ROWS,
	WIRE_DONE,
	WIRE_FAILED,
};

#define WIRE_MAX (64u << 20)		/* of a message to the store, and so of a row */
#define WIRE_COLUMNS_MAX 16384
#define WIRE_NULL UINT32_MAX

/* Bytes that are read from the front; bad: they ended before what was asked for, which is 0 or empty then. */
struct wire {
	const uint8_t *p;
	size_t n;
	bool bad;
};

struct wire wire_of(const struct buf *b);
uint32_t wire_u32(struct wire *w);
uint64_t wire_u64(struct wire *w);
struct str wire_str(struct wire *w);
/* p NULL: it is NULL. */
struct str wire_value(struct wire *w);
void wire_add_u32(struct buf *b, uint32_t v);
void wire_add_u64(struct buf *b, uint64_t v);
void wire_add_str(struct buf *b, const void *p, size_t n);

/* 0 or -errno (the other end is gone: -EPIPE). */
int wire_send(int fd, enum wire_type type, const struct buf *body);
/* max 0: any length. 0, -EPIPE: the other end is gone, -EMSGSIZE: it is longer than max, -ENOMEM. */
int wire_receive(int fd, size_t max, enum wire_type *ret_type, struct buf *body);

/* ---- what a process sends. 0 or -EBADMSG. */

int wire_tables(const struct buf *body, struct sandbox_tables *ret_t);
int wire_refused(const struct buf *body, bool *ret_ours, char why[DUCK_WHY_MAX]);
void wire_text(const struct buf *body, char why[DUCK_WHY_MAX]);

struct wire_ask {
	uint32_t table;
	uint64_t frame;
	bool text;
};
int wire_ask(const struct buf *body, struct wire_ask *ret_a);
/* Names, one after another, each with its NUL, into ret; so many. */
int wire_columns(const struct buf *body, struct buf *ret, unsigned *ret_n);

#endif

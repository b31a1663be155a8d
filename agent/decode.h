/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode.h - one call event from a ring becomes one record in a batch.
 *
 * calls.h holds the table; this file's module interprets an event by its row: arguments by
 * name and kind, paths put together from walks and strings, truth grades, result, resources.
 * Event bytes are hostile: every length is checked, -EBADMSG and nothing appended on a lie.
 * No allocation per event. Not thread-safe.
 */
#ifndef HOSTTRAIL_DECODE_H
#define HOSTTRAIL_DECODE_H

#include "bpf/event.h"
#include "proto/record.h"

struct decoder;

int decoder_new(struct decoder **ret_d);
void decoder_free(struct decoder **d);

/* What calls are looked at for being aimed at us, and who makes the next one (NULL: not known). Both stay the caller's. */
struct guard;
struct ident;
void decoder_guard(struct decoder *d, struct guard *g);
void decoder_actor(struct decoder *d, const struct ident *who);

/* Appends ev (n bytes) as a record of `identity` (batch_identity's index). 0, -EBADMSG, -ENOMEM. */
int decode_call(struct decoder *d, const struct ht_call *ev, uint32_t n, struct batch *b, uint32_t identity);

/* For how many calls does the record of the one decoded last stand? More than one where the kernel merged them. */
uint64_t decoder_calls(const struct decoder *d);

/* Was the call decoded last aimed at the trail itself? */
bool decoder_aimed(const struct decoder *d);

/* May what the call decoded last stated as path be another file's, put there meanwhile? Not if it is just what was asked for. */
bool decoder_path_doubted(const struct decoder *d);

/* The same for a call of the trail's self-test: additionalEventData says so. */
int decode_call_of_test(struct decoder *d, const struct ht_call *ev, uint32_t n, struct batch *b, uint32_t identity);

/* Whole event well-formed: sizes, fields inside, kinds known. Used before any other look. */
int event_check(const void *p, uint32_t n);
/* Iterates fields: 1 and the field, 0 at the end. Only after event_check. */
struct field_iter { const uint8_t *at, *end; };
void fields_of_call(const struct ht_call *ev, uint32_t n, struct field_iter *ret_i);
void fields_of_ident(const struct ht_ident *ev, uint32_t n, struct field_iter *ret_i);
int field_next(struct field_iter *i, struct ht_field *ret_f, const uint8_t **ret_data);

/* Path text of a walk (leaf-first names become "/a/b"), at most max bytes. Length, or -EBADMSG. */
int walk_path(const uint8_t *data, uint32_t len, char *out, size_t max);
/* Same for a CGROUP field. */
int cgroup_path(const uint8_t *data, uint32_t len, char *out, size_t max);

/* exec events: argv (redacted, as JSON-ready strings) and paths, for the process table. */
struct exec_view {
	struct str executable;		/* path text in the decoder's scratch, valid until its next call */
	struct str cwd;
	const uint8_t *argv;		/* raw NUL-separated, NOT redacted: never leaves the agent */
	uint32_t argv_len;
};
int decode_exec(struct decoder *d, const struct ht_call *ev, uint32_t n, struct exec_view *ret_v);

#endif

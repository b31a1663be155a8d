/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - writes JSON text into a buf, front to back; nothing is built in memory first.
 *
 * Text may be any bytes; what comes out is always valid UTF-8 and nothing is lost: a byte that
 * is not part of valid UTF-8, a NUL byte, and each byte of U+FFFD itself becomes U+FFFD and the
 * byte's two hex digits ("\xff" -> U+FFFD "ff"). json_unescape() is the way back. Whole
 * numbers beyond 2^53, which many readers round, become text.
 *
 * Errors: those of the buf; look at out->failed once at the end.
 */
#ifndef HOSTTRAIL_JSON_H
#define HOSTTRAIL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

struct json {
	struct buf *out;
	bool comma;	/* the next member or element needs one before it */
};

/* Members take a key; elements of an array take NULL. */
void json_open(struct json *j, const char *key, char bracket);	/* '{' or '[' */
void json_close(struct json *j, char bracket);			/* '}' or ']' */
void json_text(struct json *j, const char *key, const void *p, size_t n);
/* Text out of JSON that was written here: what is U+FFFD in it is not escaped once more. */
void json_text_again(struct json *j, const char *key, const void *p, size_t n);
/* At most about max bytes of the text: the middle is replaced by U+2026. */
void json_text_cut(struct json *j, const char *key, const void *p, size_t n, size_t max);
void json_string(struct json *j, const char *key, const char *s);
void json_int(struct json *j, const char *key, int64_t v);
void json_uint(struct json *j, const char *key, uint64_t v);
void json_digits(struct json *j, const char *key, uint64_t v);	/* always text */
char *json_decimal(char *to, uint64_t v);			/* its digits, at most 20; gives their end */
void json_boolean(struct json *j, const char *key, bool v);
void json_null(struct json *j, const char *key);
void json_key(struct json *j, const char *key);			/* comma and key; a value must follow */

void json_members(struct json *j, const void *p, size_t n);	/* at least one, as they were written before */

/* Undoes the byte escape in text that a JSON parser has already decoded. 0 or -EINVAL/-ENOMEM. */
int json_unescape(const void *p, size_t n, struct buf *out);
/* Is it one JSON value in valid UTF-8, no white space around it, nested at most JSON_DEPTH_MAX deep? */
#define JSON_DEPTH_MAX 64
bool json_sound(const void *p, size_t n);
/* How many bytes the valid UTF-8 sequence at p has: 0 if there is none. */
unsigned utf8_sequence(const uint8_t *p, size_t n);

#endif

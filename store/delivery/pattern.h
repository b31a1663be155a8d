/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern.h - event patterns as EventBridge's rules have them: whether an event is one that somebody asked for.
 *
 * A pattern is an object of the event's shape. Each field must match; it is a list, of which one must:
 *	a text, number, true, false or null		just that; of numbers their spelling counts
 *	{"prefix": T}, {"suffix": T}			T a text, or {"equals-ignore-case": text}
 *	{"equals-ignore-case": text}, {"wildcard": text}	* is any text; \* and \\ are themselves
 *	{"anything-but": V}				V a text, a number, a list of either, or {prefix, suffix, equals-ignore-case or wildcard: text
 *							or texts}; the field must be there
 *	{"numeric": [op, number, ...]}			one or two of = < <= > >=, with JSON numbers only
 *	{"cidr": "10.0.0.0/8"}				IPv4 or IPv6
 *	{"exists": true or false}			for leaves
 * or an object of such fields. "$or": [{...}, {...}] matches if one of the objects does, beside its siblings. Where the event has an array,
 * one of its elements must match, all of an object's fields the same one. Case is ignored for ASCII letters only.
 *
 * Ownership: what pattern_parse() gives is the caller's. Threads: it does not change; any may match.
 */
#ifndef HOSTTRAIL_STORE_PATTERN_H
#define HOSTTRAIL_STORE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#define PATTERN_TEXT_MAX 65536
#define PATTERN_DEPTH 32
#define PATTERN_WHY_MAX 256

struct pattern;
struct json_object;

/* 0, -ENOMEM, or -EINVAL and one line in why. */
int pattern_parse(const char *text, size_t n, struct pattern **ret_p, char why[PATTERN_WHY_MAX]);
/* The same of a file; -errno if it cannot be read. */
int pattern_load(const char *path, struct pattern **ret_p, char why[PATTERN_WHY_MAX]);
void pattern_free(struct pattern **p);		/* NULL-safe */

bool pattern_matches(const struct pattern *p, struct json_object *event);
/* An event as text. 1, 0, -ENOMEM, or -EBADMSG: it is no JSON object. */
int pattern_matches_text(const struct pattern *p, const char *text, size_t n);

#endif

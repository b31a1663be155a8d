/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret.h - what of an HTTP call may be stored. The rule is the allow-list: what no list here and no rule names is hidden or left out.
 *
 * A secret's whole value becomes REDACT_HIDDEN (proto/redact.h), never a part of it. Names are compared in any case.
 * Nothing here keeps state; only the functions that take an arena need memory.
 */
#ifndef HOSTTRAIL_API_SECRET_H
#define HOSTTRAIL_API_SECRET_H

#include "jsontext.h"
#include "proto/redact.h"
#include "uri.h"

/* A header whose value may be stored as it is (unless secret_form() finds a secret in it). */
bool secret_header_listed(struct str name);
/* A query parameter of any API whose value may be stored. */
bool secret_query_listed(struct str name);
/* A header, parameter, variable or JSON member whose value is a secret. */
bool secret_name(struct str name);
/* A value that shows by its form that it is a secret, wherever it stands: tokens of known issuers, JWTs, private keys, URLs with a
 * password, long random text. Long hexadecimal text is not: digests look like that. */
bool secret_form(struct str value);
/* The same without the random text, for values of which a model says that they are none: identifiers look like that. And signed URLs. */
bool secret_token(struct str value);
/* Is something assigned to a secret's name anywhere in it ("a=1&password=x")? */
bool secret_assigned(struct str text);
/* The same in sentences, which repeat what was sent: "invalid token: x", and, if quoted, "no key \"x\"", too. */
bool secret_told(struct str text, bool quoted);

/* A secret's name in quotes before a colon, as in JSON. */
bool secret_named(struct str text);
/* secret_form(), secret_assigned() or secret_named(), or "Bearer x" in it. */
bool secret_text(struct str value);
/* "user:password@host" without a scheme before it. */
bool secret_userinfo(struct str value);

/* One segment of a path, decoded. */
enum secret_segment {
	SEGMENT_WORD = 0,	/* names a kind of thing or an operation */
	SEGMENT_ID,		/* one of many things: a number, UUID, date, short hexadecimal, a name with such a part */
	SEGMENT_SECRET,		/* what nobody may read: random text, 32 and more hexadecimal digits, `;parameters`, `password=x`, `user:x@host`, a known token's form */
};
enum secret_segment secret_segment(struct str segment);

/* A path as it may be stored: itself, or REDACT_HIDDEN when a segment of it is a secret. */
struct str secret_path(struct api_arena *a, struct str host, struct str path);
/* The same as a template of at most 200 bytes, of printable ASCII without quotes: "/users/{id}/keys". */
struct str secret_template(struct api_arena *a, struct str host, struct str path);
/* Both; either may be NULL. False: no memory. */
bool secret_path_both(struct api_arena *a, struct str host, struct str path, struct str *ret_shown, struct str *ret_template);
/* Writes the member, or that it is hidden: by its name or by its form. */
void secret_put(struct jsontext *j, struct str key, struct str value);
/* Every parameter of a query as a member; several of one name as an array. `also`: names, blanks between, whose values may be stored
 * beside those of the general list; NULL: none. At most 64 names; further ones are left out ("omitted"). */
void secret_put_query(struct jsontext *j, struct str query, const char *also);
/* The scheme of an Authorization header if it is a known one, else "other"; absent for an absent value. */
struct str secret_scheme(struct str authorization);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt.h"

#include "jsonread.h"
#include "proto/base64.h"
#include "secret.h"
#include "text.h"

#define PAYLOAD_MAX (16 * 1024)
#define CLAIM_MAX 256

/* base64url without padding (RFC 7515). Absent: it is none. */
static struct str decoded(struct str s, struct api_arena *a)
{
	char *out = s.n && s.n <= PAYLOAD_MAX ? api_arena_get(a, s.n) : NULL;
	size_t n;

	if (!out || base64url_decode(s.p, s.n, out, s.n, &n) < 0)
		return (struct str){ 0 };
	return (struct str){ out, n };
}

struct str jwt_claim(struct str authorization, const char *claim, struct api_arena *a)
{
	struct str rest = str_trim(authorization), scheme = str_cut(&rest, ' '), header, payload, value;

	rest = str_trim(rest);
	header = str_cut(&rest, '.');
	payload = str_cut(&rest, '.');
	if (!str_is_nocase(scheme, "Bearer") || !str_begins(header, "eyJ") || !rest.n || memchr(rest.p, '.', rest.n))
		return (struct str){ 0 };
	value = jsonread_text(a, jsonread_get(decoded(payload, a), claim));
	return value.n && value.n <= CLAIM_MAX && !secret_token(value) ? value : (struct str){ 0 };
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uri.h - a request's target and host in parts: path segments and query parameters, still encoded until they are asked for decoded.
 *
 * Everything points into the call's own bytes, or (decoded) into an arena. Bounds: URI_SEGMENTS_MAX segments; what is behind them
 * is the last one's. Nothing fails but for memory, which answers an absent text.
 */
#ifndef HOSTTRAIL_API_URI_H
#define HOSTTRAIL_API_URI_H

#include "agent/http/http.h"
#include "api.h"

#define URI_SEGMENTS_MAX 64

struct uri {
	struct str path;	/* from its '/'; "*" of OPTIONS stays; absent where there is no target */
	struct str query;	/* behind '?'; absent: no '?' */
	struct str host;	/* as the target names it ("http://host/path", CONNECT's "host:port"), without userinfo; else absent */
};

/* Userinfo and fragment are left out. */
void uri_split(struct str target, struct uri *ret_uri);

/* "/a//b/" is a, "", b, "". "/" alone has none. */
struct uri_path {
	struct str segment[URI_SEGMENTS_MAX];
	unsigned n;
};
void uri_segments(struct str path, struct uri_path *ret_path);

/* The next parameter: false at the end. The value is absent where there is no '='. */
bool uri_query_next(struct str *rest, struct str *ret_key, struct str *ret_value);
/* The first of that name, which must not need decoding; undecoded. True also for one without a value (which is then absent). */
bool uri_query_get(struct str query, const char *name, struct str *ret_value);

/* %XX becomes its byte, and '+' a blank where asked for; a bad escape stays as it is. The same bytes when nothing is encoded. */
struct str uri_decode(struct api_arena *a, struct str s, bool plus);

/* Host or :authority with its port, without userinfo; absent: there is none. */
struct str uri_authority(const struct http_call *call);

/* The host called, lower case, without userinfo and port, only of letters, digits and ".-_:[]" and at most 253 bytes: what the request
 * says, else the server name of TLS, else the address of the end that serves; "unknown" if there is none. */
struct str uri_host(const struct api_peer *peer, const struct http_call *call, struct api_arena *a);
/* The same as the request has it (any case, with port), without memory: for matching. Absent: it does not say. */
struct str uri_host_raw(const struct api_peer *peer, const struct http_call *call);

#endif

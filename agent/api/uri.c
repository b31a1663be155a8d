/* SPDX-License-Identifier: Apache-2.0 */
#include "uri.h"

#include <ctype.h>

#include "text.h"

#define HOST_MAX 253

static struct str without_userinfo(struct str authority)
{
	const char *at = authority.n ? memrchr(authority.p, '@', authority.n) : NULL;

	return at ? str_from(authority, (size_t)(at + 1 - authority.p)) : authority;
}

/* Where the first byte of two or three stands; s.n: nowhere. */
static size_t find(struct str s, char a, char b, char c)
{
	size_t i = 0;

	while (i < s.n && s.p[i] != a && s.p[i] != b && s.p[i] != c)
		i++;
	return i;
}

static size_t upto(struct str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

	return at ? (size_t)(at - s.p) : s.n;
}

void uri_split(struct str target, struct uri *ret_uri)
{
	struct str rest = target;
	size_t end;

	*ret_uri = (struct uri){ 0 };
	if (!target.p)
		return;
	if (str_begins_nocase(rest, "http://") || str_begins_nocase(rest, "https://")) {
		rest = str_from(rest, rest.p[4] == ':' ? 7 : 8);
		end = find(rest, '/', '?', '#');
		ret_uri->host = without_userinfo(str_first(rest, end));
		rest = str_from(rest, end);
	} else if (rest.n && rest.p[0] != '/' && rest.p[0] != '*' && rest.p[0] != '?') {
		end = find(rest, '/', '?', '#');
		ret_uri->host = without_userinfo(str_first(rest, end));
		rest = str_from(rest, end);
	}
	rest = str_first(rest, upto(rest, '#'));
	end = upto(rest, '?');
	ret_uri->path = end ? str_first(rest, end) : STR("/");
	if (end < rest.n)
		ret_uri->query = str_from(rest, end + 1);
}

void uri_segments(struct str path, struct uri_path *ret_path)
{
	struct str rest = path.n && path.p[0] == '/' ? str_from(path, 1) : path;

	ret_path->n = 0;
	if (!rest.n)
		return;
	while (rest.p && ret_path->n < URI_SEGMENTS_MAX - 1)
		ret_path->segment[ret_path->n++] = str_cut(&rest, '/');
	if (rest.p)
		ret_path->segment[ret_path->n++] = rest;
}

bool uri_query_next(struct str *rest, struct str *ret_key, struct str *ret_value)
{
	while (rest->n) {
		struct str value = str_cut(rest, '&'), key = str_cut(&value, '=');

		if (!key.n && !value.p)
			continue;
		*ret_key = key;
		*ret_value = value;
		return true;
	}
	return false;
}

bool uri_query_get(struct str query, const char *name, struct str *ret_value)
{
	struct str key, value;

	while (uri_query_next(&query, &key, &value))
		if (str_is(key, name)) {
			*ret_value = value;
			return true;
		}
	return false;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct str uri_decode(struct api_arena *a, struct str s, bool plus)
{
	char *p;
	size_t n = 0;

	if (upto(s, '%') == s.n && (!plus || upto(s, '+') == s.n))
		return s;
	p = api_arena_get(a, s.n + 1);
	if (!p)
		return (struct str){ 0 };
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '%' && s.n - i > 2 && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0) {
			p[n++] = (char)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2]));
			i += 2;
		} else {
			p[n++] = plus && s.p[i] == '+' ? ' ' : s.p[i];
		}
	}
	return (struct str){ p, n };
}

/* ---- the host */

static struct str without_port(struct str s)
{
	const char *colon = s.n ? memrchr(s.p, ':', s.n) : NULL;

	if (s.n && s.p[0] == '[') {
		const char *end = memchr(s.p, ']', s.n);

		return end ? str_first(s, (size_t)(end + 1 - s.p)) : s;
	}
	if (colon && memchr(s.p, ':', s.n) == colon)
		return str_first(s, (size_t)(colon - s.p));
	return s;
}

static bool host_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '.' && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != ':' && s.p[i] != '[' && s.p[i] != ']')
			return false;
	return s.n > 0 && s.n <= HOST_MAX;
}

struct str uri_authority(const struct http_call *call)
{
	return without_userinfo(call->request.head.authority);
}

struct str uri_host_raw(const struct api_peer *peer, const struct http_call *call)
{
	struct str s = uri_authority(call);
	struct uri u;

	if (s.n)
		return without_port(s);
	uri_split(call->request.head.target, &u);
	if (u.host.n)
		return without_port(u.host);
	return peer->server_name;
}

struct str uri_host(const struct api_peer *peer, const struct http_call *call, struct api_arena *a)
{
	struct str tries[] = { uri_host_raw(peer, call), peer->server_name, call->role == HTTP_SERVER ? peer->local_address : peer->address };
	char *p;

	for (unsigned i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct str s = tries[i];

		while (s.n > 1 && s.p[s.n - 1] == '.')
			s.n--;
		if (!host_ok(s))
			continue;
		p = api_arena_get(a, s.n + 1);
		for (size_t k = 0; p && k < s.n; k++)
			p[k] = (char)tolower((unsigned char)s.p[k]);
		return p ? (struct str){ p, s.n } : (struct str){ 0 };
	}
	return STR("unknown");
}

// SPDX-License-Identifier: Apache-2.0
/* Start lines of HTTP/1: where one is known to stand, and where one may stand behind bytes that nobody understands. */
#include <ctype.h>

#include "agent/http/internal.h"
#include "lib/cleanup.h"

#define METHOD_MAX 32
#define VERSION_LEN 8	/* HTTP/1.1 */

static bool is_token(unsigned char c)
{
	return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

bool line_is_field(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && is_token((unsigned char)p[i]))
		i++;
	return i && i < n && p[i] == ':';
}

/* Those that end with another one's name are last: see method_before(). */
static const char *const methods[] = {
	"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "UNLOCK", "REPORT",
	"MKCALENDAR", "MKACTIVITY", "CHECKOUT", "MERGE", "REBIND", "UNBIND", "ACL", "UNLINK", "PURGE", "NOTIFY", "UNSUBSCRIBE", "M-SEARCH", "QUERY", "LIST",
	"PATCH", "LOCK", "SEARCH", "BIND", "LINK", "SUBSCRIBE",
};
#define WHOLE_METHODS 29

static size_t method_index(struct str s)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(methods) && (strlen(methods[i]) != s.n || memcmp(methods[i], s.p, s.n)))
		i++;
	return i;
}

bool start_known_method(struct str s)
{
	return method_index(s) < ARRAY_SIZE(methods);
}

static bool version_read(const char *p, size_t n, enum http_version *ret_v)
{
	if (n < VERSION_LEN || memcmp(p, "HTTP/1.", 7) || (p[7] != '0' && p[7] != '1'))
		return false;
	*ret_v = p[7] == '1' ? HTTP_1_1 : HTTP_1_0;
	return true;
}

/* "HTTP/1.1 200 OK": the reason may be missing. */
static bool status_read(const char *p, size_t n, struct start *ret_s)
{
	struct start s = { .response = true };

	if (!version_read(p, n, &s.version) || n < VERSION_LEN + 4 || p[VERSION_LEN] != ' ')
		return false;
	for (unsigned i = VERSION_LEN + 1; i < VERSION_LEN + 4; i++) {
		if (!isdigit((unsigned char)p[i]))
			return false;
		s.status = 10 * s.status + (unsigned)(p[i] - '0');
	}
	if (s.status < 100 || (n > VERSION_LEN + 4 && p[VERSION_LEN + 4] != ' '))
		return false;
	*ret_s = s;
	return true;
}

/* " /target HTTP/1.1" at the end of n bytes, several spaces being as good as one: where the first one is, or 0. */
static size_t target_before(const char *p, size_t n, struct start *s)
{
	size_t end, i;

	if (n < VERSION_LEN + 4 || !version_read(p + n - VERSION_LEN, VERSION_LEN, &s->version) || p[n - VERSION_LEN - 1] != ' ')
		return 0;
	end = n - VERSION_LEN - 1;
	while (end && p[end - 1] == ' ')
		end--;
	i = end;
	while (i && p[i - 1] != ' ' && p[i - 1])
		i--;
	if (!i || i == end || p[i - 1] != ' ')
		return 0;
	s->target = str_of(p + i, end - i);
	while (i && p[i - 1] == ' ')
		i--;
	return i;
}

bool start_read(const char *p, size_t n, struct start *ret_s)
{
	struct start s = { 0 };
	size_t space;

	if (status_read(p, n, ret_s))
		return true;
	space = target_before(p, n, &s);
	if (!space || space > METHOD_MAX)
		return false;
	for (size_t i = 0; i < space; i++)
		if (!is_token((unsigned char)p[i]))
			return false;
	s.method = str_of(p, space);
	*ret_s = s;
	return true;
}

/* The method whose last letter stands before `end`. What is before it may be a body's end or the rest of a longer name. */
static bool method_before(const char *p, size_t end, struct start *s)
{
	size_t i = end, known;

	while (i && (isupper((unsigned char)p[i - 1]) || p[i - 1] == '-'))
		i--;
	if (i == end)
		return false;
	known = method_index(str_of(p + i, end - i));
	if (known < (i ? ARRAY_SIZE(methods) : WHOLE_METHODS))
		s->method = str_of(p + i, end - i);
	return true;
}

static bool target_plausible(struct str t)
{
	for (size_t i = 0; i < t.n; i++)
		if ((unsigned char)t.p[i] < ' ' || t.p[i] == 0x7f)
			return false;
	return t.p[0] == '/' || t.p[0] == '*' || (t.n > 8 && (!memcmp(t.p, "http://", 7) || !memcmp(t.p, "https://", 8)));
}

bool start_find(const char *p, size_t n, struct start *ret_s)
{
	struct start s = { 0 };
	size_t space;

	for (size_t i = n < VERSION_LEN + 4 ? 0 : n - VERSION_LEN - 3; i-- > 0;)
		if (p[i] == 'H' && status_read(p + i, n - i, ret_s))
			return true;
	space = target_before(p, n, &s);
	if (!space || !target_plausible(s.target) || !method_before(p, space, &s))
		return false;
	*ret_s = s;
	return true;
}

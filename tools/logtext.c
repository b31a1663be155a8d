/* SPDX-License-Identifier: Apache-2.0 */
#include "logtext.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const char head[] = "{\"Records\":[";

/* Behind the object that begins at `at`; 0: it does not end. Whether it is sound JSON is not asked: it is compared with one that is. */
static size_t object_end(const char *text, size_t n, size_t at)
{
	unsigned depth = 0;
	bool string = false;

	for (; at < n; at++) {
		char c = text[at];

		if (string && c == '\\')
			at++;
		else if (c == '"')
			string = !string;
		else if (!string && (c == '{' || c == '['))
			depth++;
		else if (!string && (c == '}' || c == ']') && --depth == 0)
			return at + 1;
	}
	return 0;
}

int logtext_next(const char *text, size_t n, size_t *at, size_t *ret_start, size_t *ret_end)
{
	bool first = *at == 0;
	size_t end;

	if (first) {
		if (n < sizeof(head) - 1 || memcmp(text, head, sizeof(head) - 1))
			return -EBADMSG;
		*at = sizeof(head) - 1;
	}
	if (n - *at == 2 && !memcmp(text + *at, "]}", 2))
		return 0;
	if (!first && (*at >= n || text[(*at)++] != ','))
		return -EBADMSG;
	if (*at >= n || text[*at] != '{')
		return -EBADMSG;
	end = object_end(text, n, *at);
	if (!end)
		return -EBADMSG;
	*ret_start = *at;
	*ret_end = *at = end;
	return 1;
}

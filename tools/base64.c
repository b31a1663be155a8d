/* SPDX-License-Identifier: Apache-2.0 */
#include "base64.h"

#include <errno.h>
#include <string.h>

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters to up to three bytes. How many, or -EBADMSG. */
static int decode_group(const char *p, bool last, uint8_t ret[3])
{
	int pad = last ? (p[3] == '=') + (p[3] == '=' && p[2] == '=') : 0;
	uint32_t v = 0;

	for (int i = 0; i < 4; i++) {
		int d = i >= 4 - pad ? 0 : digit(p[i]);

		if (d < 0)
			return -EBADMSG;
		v = v << 6 | (uint32_t)d;
	}
	if (pad && v & (pad == 1 ? 0xffu : 0xffffu))
		return -EBADMSG;
	ret[0] = (uint8_t)(v >> 16);
	ret[1] = (uint8_t)(v >> 8);
	ret[2] = (uint8_t)v;
	return 3 - pad;
}

int base64_decode(const char *text, struct buf *out)
{
	size_t n = strlen(text), before = out->n;
	int r = 0;

	if (n % 4)
		return -EBADMSG;
	r = buf_reserve(out, n / 4 * 3);
	for (size_t i = 0; r >= 0 && i < n; i += 4) {
		uint8_t bytes[3];

		r = decode_group(text + i, i + 4 == n, bytes);
		if (r >= 0)
			r = buf_add(out, bytes, (size_t)r);
	}
	if (r < 0)
		out->n = before;
	return r < 0 ? r : 0;
}

int base64_encode(const void *bytes, size_t n, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *p = bytes;
	int r = buf_reserve(out, (n + 2) / 3 * 4);

	for (size_t i = 0; !r && i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0u);
		char group[4] = { digits[v >> 18], digits[v >> 12 & 63], i + 1 < n ? digits[v >> 6 & 63] : '=', i + 2 < n ? digits[v & 63] : '=' };

		r = buf_add(out, group, 4);
	}
	return r;
}

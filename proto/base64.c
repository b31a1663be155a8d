/* SPDX-License-Identifier: Apache-2.0 */
#include "base64.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#define VARIANT sodium_base64_VARIANT_ORIGINAL

int base64_decode(const char *text, struct buf *out)
{
	size_t n = strlen(text), got;
	int r = buf_reserve(out, n / 4 * 3 + 1);

	if (r < 0)
		return r;
	if (sodium_base642bin(out->p + out->n, out->cap - out->n, text, n, NULL, &got, NULL, VARIANT) < 0)
		return -EBADMSG;
	out->n += got;
	return 0;
}

int base64_encode(const void *bytes, size_t n, struct buf *out)
{
	size_t room = sodium_base64_encoded_len(n, VARIANT);	/* with its NUL */
	int r = buf_reserve(out, room);

	if (r < 0)
		return r;
	sodium_bin2base64((char *)out->p + out->n, room, bytes, n, VARIANT);
	out->n += room - 1;
	return 0;
}

int base64url_decode(const char *text, size_t n, void *out, size_t room, size_t *ret_n)
{
	size_t got;

	if (sodium_base642bin(out, room, text, n, NULL, &got, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) < 0)
		return -EBADMSG;
	*ret_n = got;
	return 0;
}

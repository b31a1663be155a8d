/* SPDX-License-Identifier: Apache-2.0 */
/* textinput.h - an input whose first byte says what the rest is: a text of exactly its size, so that ASan sees what is read behind it. */
#ifndef HOSTTRAIL_TESTS_TEXTINPUT_H
#define HOSTTRAIL_TESTS_TEXTINPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline void need(bool good)
{
	if (!good)
		abort();
}

/* Without that byte, and with a 0 at its end; the caller's. */
static inline char *textinput(const uint8_t *p, size_t n)
{
	char *text = malloc(n);

	need(text && n);
	memcpy(text, p + 1, n - 1);
	text[n - 1] = '\0';
	return text;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* ini.h - the lines of AWS's credentials files, which are read in two places: our keys (auth.h), and a bucket's (delivery/bucket.h). */
#ifndef HOSTTRAIL_STORE_INI_H
#define HOSTTRAIL_STORE_INI_H

#include <string.h>

/* Without the white space around it, in place. */
static inline char *ini_trimmed(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
	n = strlen(s);
	while (n && strchr(" \t\r", s[n - 1]))
		s[--n] = '\0';
	return s;
}

#endif

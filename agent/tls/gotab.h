/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gotab.h - Go's table of functions (pclntab), which is in every Go program, stripped or not, and the version that built it.
 *
 * Layouts of Go 1.2, 1.16, 1.18 and 1.20 (which 1.27 still has), 64-bit little-endian. The bytes are hostile: each offset is checked
 * when it is used. A table refers to the caller's bytes and owns nothing.
 */
#ifndef HOSTTRAIL_TLS_GOTAB_H
#define HOSTTRAIL_TLS_GOTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gotab {
	const uint8_t *p;
	size_t n;
	unsigned layout;	/* 2, 16, 18, 20: of Go 1.x */
	uint64_t text_start;	/* 18 and later: what the table says, 0 in a file that is still to be relocated */
	uint64_t nfunc;
	size_t names, funcs;	/* where these parts begin */
};

/* 0, -EBADMSG: no table, or none of a layout that we know. */
int gotab_open(const uint8_t *p, size_t n, struct gotab *ret_t);
#define GOTAB_TEXT_START 24	/* where in the table text_start lies */

/* Function `i`: first address and the one behind its last, and its name. 18 and later: addresses count from text_start. */
bool gotab_function(const struct gotab *t, uint64_t i, uint64_t *ret_entry, uint64_t *ret_end, const char **ret_name);

/* The minor version of "go1.19.8", "devel go1.22-4d2f15 ..." : 0, or -EBADMSG. */
int goversion_minor(const char *text, unsigned *ret_minor);

/*
 * .go.buildinfo at `p`: the version's text, if it stands there (Go 1.18 and later); else the address of a Go string that has it.
 * 0, or -EBADMSG; *ret_pointer_at is where in p that address stands (it may be the loader's to fill in), 0 if there is text.
 */
int gobuildinfo_version(const uint8_t *p, size_t n, char *ret_text, size_t room, size_t *ret_pointer_at);

#endif

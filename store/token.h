/* SPDX-License-Identifier: Apache-2.0 */
/* token.h - where an answer left off, for the client to carry: opaque, and good only with the same key, use and
 * parameters. Thread-safe. */
#ifndef HOSTTRAIL_STORE_TOKEN_H
#define HOSTTRAIL_STORE_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "index.h"

#define TOKEN_TEXT 128		/* with its NUL */

/* binding: what the token depends on (operation and parameters), hashed into it. */
void token_make(const uint8_t key[32], const void *binding, size_t n, const struct index_key *at, char ret[TOKEN_TEXT]);
int token_read(const uint8_t key[32], const void *binding, size_t n, const char *text, struct index_key *ret_at);	/* 0 or -EINVAL */

#endif

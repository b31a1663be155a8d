/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.h - user names by number, as far as they are known.
 *
 * NSS can block for seconds, so this is only the cache: a number that is not in it is asked for
 * through ask and answered later by names_set(), and asked for again when it is used after NAMES_STALE: the
 * old answer stands until the new one comes. Bounded to NAMES_MAX entries (oldest out).
 * Not thread-safe.
 */
#ifndef HOSTTRAIL_NAMES_H
#define HOSTTRAIL_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/record.h"

#define NAMES_MAX 4096
#define NAME_MAX_LEN 64
#define NAMES_STALE (20 * 1000000000ull)	/* ns */

struct names;
/* Asks for a number's name; the answer comes through names_set(), perhaps before ask returns. */
typedef void (*names_ask_fn)(void *ctx, uint32_t uid);

int names_new(names_ask_fn ask, void *ctx, struct names **ret_n);
void names_free(struct names **n);
/* Known name, or an empty string (asked for, if it was not yet). now: boot-time ns. Valid until the next call. */
struct str names_user(struct names *n, uint32_t uid, uint64_t now);
/* True: asked for and not answered. */
bool names_waiting(const struct names *n, uint32_t uid);
/* True: this is what is known. */
bool names_is(const struct names *n, uint32_t uid, const char *name);
/* Answer; an empty name says that there is none. True: this number was used unnamed, or under another name. */
bool names_set(struct names *n, uint32_t uid, const char *name);
/* Forgets which questions are open, so that they are asked again (the resolver was restarted). */
void names_ask_again(struct names *n);

#endif

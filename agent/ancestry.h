/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ancestry.h - how a person became someone else: which sudo, su or set-uid file stands between them.
 *
 * Follows who made whom (proctab.h), also when the maker is gone. What a process was given by its nearest changer is
 * handed down to its descendants of the same login. Not thread-safe.
 */
#ifndef HOSTTRAIL_ANCESTRY_H
#define HOSTTRAIL_ANCESTRY_H

#include "idcache.h"
#include "proctab.h"

/* A new identity: what it says about its process goes into the table. */
void ancestry_note(struct proctab *t, const struct ident *id);
/* Path of the program through which this process of that login acts as another user, copied into out; empty: not known. */
struct str ancestry_via(struct proctab *t, const struct proc_key *key, uint32_t loginuid, char out[PROCTAB_TEXT_MAX]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logins.h - where login sessions come from: the SSH client's address by audit session.
 *
 * The process that holds the connection is the session's nearest sshd ancestor; who may ask its
 * socket is asked for each session (ask), the answer comes through logins_set(). What the session itself
 * could have written (SSH_CONNECTION) is not looked at. Bounded to LOGINS_MAX. Not thread-safe.
 */
#ifndef HOSTTRAIL_LOGINS_H
#define HOSTTRAIL_LOGINS_H

#include "proctab.h"

#define LOGINS_MAX 4096
#define LOGIN_ADDRESS_LEN 64

struct logins;
typedef void (*logins_ask_fn)(void *ctx, uint32_t audit_session, uint32_t pid, uint64_t start);

int logins_new(logins_ask_fn ask, void *ctx, struct logins **ret_l);
void logins_free(struct logins **l);
/* Address, or empty: not (yet) known. `key` is a process of the session. */
struct str logins_address(struct logins *l, uint32_t audit_session, struct proctab *t, const struct proc_key *key);
bool logins_waiting(const struct logins *l, uint32_t audit_session);	/* asked and not answered */
/* Answer; an empty one says that it could not be had: later processes of the session ask again, a few times. True: news. */
bool logins_set(struct logins *l, uint32_t audit_session, const char *address);

/* The far end of the connection that process pid holds (needs privilege): 0, -ENOENT, -errno. */
int login_peer_of(uint32_t pid, char ret_address[LOGIN_ADDRESS_LEN]);

#endif

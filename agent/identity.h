/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.h - from the kernel's numbers to userIdentity: root, user, user become other, service.
 *
 * What decides: login uid, the compared uid (effective; fsuid for file calls), user namespace, cgroup. Names,
 * hashes and addresses come from the tables in struct identity_env, as far as they are known now.
 * Results point into the tables and into struct identity_text: use them before either changes. Not thread-safe.
 */
#ifndef HOSTTRAIL_IDENTITY_H
#define HOSTTRAIL_IDENTITY_H

#include "exes.h"
#include "idcache.h"
#include "logins.h"
#include "names.h"
#include "proctab.h"
#include "proto/ownrecord.h"

struct identity_env {
	const char *host_id;
	int64_t wall_offset;		/* wall clock minus boot time, ns */
	struct names *names;
	struct proctab *procs;
	struct logins *logins;
	struct exes *exes;
};

struct identity_text {
	char principal[192], arn[4608], invoked[4352], exe_id[EXE_ID_LEN];
	char login[NAME_MAX_LEN], user[NAME_MAX_LEN], source[LOGIN_ADDRESS_LEN];
	char via[PROCTAB_TEXT_MAX];
};

/* by_fsuid: for calls that act with the file system uid. */
void identity_of(const struct identity_env *env, const struct ident *id, bool by_fsuid, struct identity_text *t,
		 struct record_identity *ret_i);
/* The minimal identity that an event carries when the whole one could not be delivered. */
void identity_minimal(const struct identity_env *env, const struct ht_event *h, const struct ht_idmin *m,
		      struct identity_text *t, struct record_identity *ret_i);
/* An event whose generation never arrived: Unknown, and why. */
void identity_unknown(const struct identity_env *env, const struct ht_event *h, const char *why,
		      struct identity_text *t, struct record_identity *ret_i);
/* The agent itself, for the trail's own records. */
void identity_self(const struct identity_env *env, const struct procfs_self *self, const char *program,
		   struct identity_text *t, struct record_identity *ret_i);
/* Number of a user whose name is asked for and not answered yet, among those that this identity shows. */
bool identity_waits(const struct identity_env *env, const struct ident *id);
/* The same for where its session comes from. */
bool identity_waits_login(const struct identity_env *env, const struct ident *id);

#endif

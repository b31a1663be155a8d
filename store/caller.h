/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caller.h - who asks: the key that a request was signed with, what its role allows, what it may see, how often it may ask.
 *
 * Keys are made by auth_load(), and belong to it. Threads: any; only the bucket of caller_admit() changes, under its own lock.
 */
#ifndef HOSTTRAIL_STORE_CALLER_H
#define HOSTTRAIL_STORE_CALLER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "decoded.h"
#include "labels.h"
#include "lib/buf.h"

/* Each may do what the ones before it may. */
enum caller_role {
	ROLE_READER,		/* looks up, tails, describes, fetches delivered files */
	ROLE_ANALYST,		/* queries by SQL */
	ROLE_OPERATOR,		/* makes, starts and stops trails and event data stores, changes trails */
	ROLE_ADMINISTRATOR,	/* deletes and restores them; changes event data stores, which may shorten what they keep */
};

#define CALLER_VALUES_MAX 64

/* What a key may see: all conditions hold, of each one value does. An empty one is none. */
struct caller_scope {
	char *accounts[CALLER_VALUES_MAX];	/* account and host id that the sender's certificate binds */
	char *labels[CALLER_VALUES_MAX];	/* of hosts; caller_label() makes hosts of them */
	char **hosts;			/* sorted */
	unsigned naccounts, nhosts, nlabels;
	unsigned categories;		/* bits 1 << enum record_category; 0: all */
};

struct caller {
	char id[129];
	enum caller_role role;
	struct caller_scope scope;
	double rate;			/* requests a second; 0: as many as it likes */
	unsigned queries;		/* of SQL at once; 0: as many as there may be */
	pthread_mutex_t lock;
	double tokens;			/* left; at most two seconds' */
	uint64_t at;			/* boot-time ns of the last look */
};

const char *caller_role_name(enum caller_role role);
/* One setting of a profile: hosttrail_role, _rate, _queries, _accounts, _hosts, _labels, _categories (values between commas). 1: taken, 0: none of these,
 * -EINVAL, -ENOMEM. */
int caller_set(struct caller *c, const char *name, const char *value);
void caller_init(struct caller *c, double rate);
/* The hosts that the settings give its labels; of its own hosts, if it names any, those. Once, after its settings. 0 or -ENOMEM */
int caller_label(struct caller *c, const struct conf_list *host_labels);
void caller_clear(struct caller *c);

/* One more request. False: too many. */
bool caller_admit(struct caller *c, uint64_t now);
/* NULL (tests, and who is asked by nobody): everything. */
bool caller_is_scoped(const struct caller *c);
bool caller_sees_frame(const struct caller *c, const struct decoded *d);
/* Adds the scope as a condition of SQL over the lake's columns, "true" if there is none. Errors are the buf's. */
void caller_sql(const struct caller *c, struct buf *out);
bool caller_sees_record(const struct caller *c, const struct record_summary *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.h - who may ask: the keys of a credentials file in AWS's INI format, and Signature Version 4's results as AWS's
 * errors.
 *
 *   [default]
 *   aws_access_key_id = HTAK...
 *   aws_secret_access_key = ...
 *
 *   hosttrail_role = reader                       reader (where it is not said), analyst, operator, administrator
 *   hosttrail_rate = 10                           requests a second; 0: any number
 *   hosttrail_accounts, hosttrail_hosts, hosttrail_labels, hosttrail_categories = VALUE, VALUE    it sees no other records
 *   hosttrail_queries = 3                         queries of SQL at once
 *
 * Every profile is a key that may ask. A file that everybody may read is refused. Thread-safe after auth_load().
 */
#ifndef HOSTTRAIL_STORE_AUTH_H
#define HOSTTRAIL_STORE_AUTH_H

#include "caller.h"
#include "proto/sigv4.h"
#include "reply.h"

#define AUTH_KEYS_MAX 1024

struct auth;

/* rate: of keys that say none. why: one line for people (at least 256 bytes). -ENOENT: no such file, -EINVAL: malformed, no key in it, or open to everybody. */
int auth_load(const char *path, const char *region, double rate, struct auth **ret_a, char why[256]);
/* What the settings call hosts, for keys that see hosts of some label; once, before anybody asks. 0 or -ENOMEM */
int auth_label(struct auth *a, const struct conf_list *host_labels);
/* Whether some key may see some records only. */
bool auth_has_scopes(const struct auth *a);
void auth_free(struct auth **a);
/* any_region: it need not be signed for the store's own. 0 and whose the request is (the auth's), or -EINVAL with the error in r. */
int auth_check(const struct auth *a, const struct sigv4_request *request, int64_t now_seconds, bool any_region, struct reply *r,
	       struct caller **ret_caller);
/* Whose the secret is that was sent as it is (Basic); NULL: nobody's. */
struct caller *auth_by_secret(const struct auth *a, const char *id, const char *secret);
/* The same of a request to S3's API, in any region. SIGV4_OK, or what is wrong and a line about it. */
enum sigv4_result auth_check_s3(const struct auth *a, const struct sigv4_request *request, int64_t now_seconds, struct buf *message,
				struct caller **ret_caller);

#endif

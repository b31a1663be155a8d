/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digestkeys.h - the RSA-2048 keys that sign digests, as CloudTrail's are used: PKCS #1 v1.5 over SHA-256.
 *
 * A key signs the digests that end within its life; then the next one is made. Private keys lie in <dir>/digest-keys/<fingerprint>.pem,
 * readable by the store alone, and are removed once they sign no more; public ones stay in the ledger.
 * Errors: 0 or -errno. Threads: any.
 */
#ifndef HOSTTRAIL_STORE_DIGESTKEYS_H
#define HOSTTRAIL_STORE_DIGESTKEYS_H

#include "store/delivery/ledger.h"

struct digest_key;

/* The key of the digest of seconds [begin, end], made if there is none. */
int digest_key_for(struct ledger *l, const char *dir, int64_t begin, int64_t end, int64_t life, struct digest_key **ret_k);
void digest_key_free(struct digest_key **k);
const char *digest_key_fingerprint(const struct digest_key *k);		/* MD5 of the PKCS #1 key, hex */
int digest_key_sign(const struct digest_key *k, const void *p, size_t n, char ret_hex[513]);

#endif

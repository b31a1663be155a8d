/* SPDX-License-Identifier: Apache-2.0 */
/* rsa.h - RSA signatures as CloudTrail's digests have them: PKCS #1 v1.5 over SHA-256. Thread-safe. */
#ifndef HOSTTRAIL_RSA_H
#define HOSTTRAIL_RSA_H

#include <stddef.h>

/* key: PKCS #1 RSAPublicKey, DER. 0, -EBADMSG: another key, text or signature, or no key at all; -ENOMEM. */
int rsa_verify(const void *key, size_t key_len, const void *p, size_t n, const void *signature, size_t signature_len);

#endif

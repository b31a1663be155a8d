/* SPDX-License-Identifier: Apache-2.0 */
#include "rsa.h"

#include <errno.h>

#include <openssl/evp.h>

int rsa_verify(const void *key, size_t key_len, const void *p, size_t n, const void *signature, size_t signature_len)
{
	const unsigned char *at = key;
	EVP_PKEY *pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)key_len);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	int r = -EBADMSG;

	if (!c)
		r = -ENOMEM;
	else if (pkey && at == (const unsigned char *)key + key_len && EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, pkey) == 1 &&
		 EVP_DigestVerify(c, signature, signature_len, p, n) == 1)
		r = 0;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(pkey);
	return r;
}

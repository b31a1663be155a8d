/* SPDX-License-Identifier: Apache-2.0 */
/* What a certificate binds: subject alternative names of any certificate that OpenSSL can read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "proto/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *p = data;
	X509 *x = d2i_X509(NULL, &p, (long)size);
	struct pki_binding b;
	const char *why = NULL;

	if (x && pki_binding_of_cert(x, &b, &why) == 0) {
		if (strlen(b.host_id) != 36 || !b.account[0] || !b.region[0])
			abort();
	} else if (x && !why) {
		abort();
	}
	X509_free(x);
	ERR_clear_error();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.h - one HTTP request to an endpoint, over libcurl: no redirects, bounded answers, ended when the store ends.
 * One thread at a time; what a transfer holds is used again by its next request. */
#ifndef HOSTTRAIL_STORE_TRANSFER_H
#define HOSTTRAIL_STORE_TRANSFER_H

#include <curl/curl.h>

#include "bucket_internal.h"
#include "s3sign.h"

struct transfer {
	const struct bucket *b;		/* set by the caller, with body and n */
	const void *body;
	size_t n;
	CURL *curl;
	struct curl_slist *list;
	struct buf answer, headers;
	long status;
};

/* Sends a request, signed or not. 0 and the status, or -errno and why; -ECANCELED: the store ends. */
int transfer_perform(struct transfer *t, struct s3_request *q, char *why);
void transfer_free(struct transfer *t);
bool transfer_stopped(const struct bucket *b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api.h - the store's HTTP server: docs/api.md over libmicrohttpd.
 *
 * Bounds: API_CONNECTIONS_MAX connections, API_HEADERS_MAX bytes of headers, API_BODY_MAX bytes of body, API_RECEIVE_SECONDS for a
 * whole request, API_TAILS_MAX Tails that wait at once. What is over a bound is refused and counted.
 * Threads: a pool of libmicrohttpd's; api_notify() by any.
 */
#ifndef HOSTTRAIL_STORE_API_H
#define HOSTTRAIL_STORE_API_H

#include <stdbool.h>
#include <stdint.h>

#include "reply.h"
#include "store.h"

#define API_THREADS 4
#define API_CONNECTIONS_MAX 512
#define API_HEADERS_MAX (32u << 10)
#define API_BODY_MAX (64u << 10)
#define API_RECEIVE_SECONDS 20
#define API_TAILS_MAX 256

enum api_count { API_REQUESTS, API_ERRORS, API_REFUSED_AUTH, API_THROTTLED, API_TOO_LARGE, API_SLOW, API_OPEN, API_WAITING, API_COUNT__MAX };

struct api_config {
	const char *listen;		/* "address:port", port 0: any */
	const char *cert, *key;		/* PEM files. On any address but loopback, and there where `tls` says so, only TLS is spoken */
	bool tls;
	bool metrics_open;		/* /metrics takes no key on other addresses than loopback either */
};

/* why (at least 256 bytes) says what failed. */
int api_start(struct store *st, const struct api_config *config, struct api **ret_a, char why[256]);
void api_stop(struct api **a);
uint16_t api_port(const struct api *a);
bool api_speaks_tls(const struct api *a);
/* Something new is indexed, or half a second is over: waiting requests look again. */
void api_notify(struct api *a);
uint64_t api_count(const struct api *a, enum api_count which);

/* One request without HTTP around it, for tests and fuzzing: as the server would answer after the signature was
 * checked. Never waits. */
void api_answer(struct store *st, const char *target, const void *body, size_t n, struct reply *r);

#endif

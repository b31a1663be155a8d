/* SPDX-License-Identifier: Apache-2.0 */
/* api_internal.h - connections (api_conn.c) and requests (api.c). */
#ifndef HOSTTRAIL_STORE_API_INTERNAL_H
#define HOSTTRAIL_STORE_API_INTERNAL_H

#include <pthread.h>

#include <microhttpd.h>

#include "api.h"
#include "ops.h"

#define API_HEADERS_COUNT 100
#define API_METHOD_MAX 16

/* An open connection, for its deadline. */
struct api_conn {
	int fd;
	uint64_t since;			/* boot-time ns; 0: a request is being answered */
	struct api_conn *next, **link;
};

struct request {
	struct api *api;
	struct MHD_Connection *connection;
	char *uri;			/* as sent, with the query */
	char method[API_METHOD_MAX];
	bool begun, too_large;
	struct buf body;
	const struct op *op;
	struct json_object *in;
	struct op_state state;
	uint64_t generation;		/* of the api, when the operation last looked */
	struct request *next, **link;	/* while it waits */
};

struct api {
	struct store *st;
	struct MHD_Daemon *daemon;
	uint16_t port;
	bool metrics_keyed;		/* only who has a key reads /metrics */
	struct buf cert, key;		/* as PEM, with their NULs; empty: no TLS */
	uint64_t counts[API_COUNT__MAX];	/* atomic */
	pthread_mutex_t lock;		/* lists */
	struct api_conn *conns;
	struct request *waiting;
	unsigned nwaiting;
	uint64_t generation;		/* of api_notify() calls */
	bool stopping;
};

enum MHD_Result api_handler(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
			    const char *data, size_t *n, void **ctx);
void request_method(struct request *q, const char *method);
/* It is answered: for the audit. parameters (NULL: none) stay the caller's. error NULL or "": it went well. */
void request_note(struct request *q, const char *source, const char *name, bool read_only, struct json_object *parameters, const char *error,
		  const char *message, const char *request_id);
void request_received(struct request *q);	/* whole: its deadline is over */
uint64_t request_generation(struct request *q);
enum park { PARKED, PARK_NEWS, PARK_FULL };	/* NEWS: something came meanwhile, look again */
enum park request_park(struct request *q, bool long_wait);	/* not more than API_TAILS_MAX wait long */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* jwt.h - who a bearer token says it is of, when it is a JSON web token. Nothing of it is verified, and nothing else of it is kept. */
#ifndef HOSTTRAIL_API_JWT_H
#define HOSTTRAIL_API_JWT_H

#include "api.h"

/* A text claim ("sub") out of an Authorization header's value. Absent: it is no such token, or has no such claim of at most 256 bytes. */
struct str jwt_claim(struct str authorization, const char *claim, struct api_arena *a);

#endif

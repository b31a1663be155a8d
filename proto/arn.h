/* SPDX-License-Identifier: Apache-2.0 */
/* arn.h - ARNs of a host's things, from what a record holds of them. Appended to out, whose errors count at its end. */
#ifndef HOSTTRAIL_ARN_H
#define HOSTTRAIL_ARN_H

#include "lib/buf.h"
#include "record.h"

/* Of a resource: from its type ("Linux::File") and its value (a path, a number); a value that is an ARN stays it. */
void arn_of_resource(const struct record_host *host, const char *type, struct str value, struct buf *out);
/* "host/<host-id>/", head, tail. */
void arn_of_host(const struct record_host *host, const char *head, struct str tail, struct buf *out);

#endif

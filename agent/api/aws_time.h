/* SPDX-License-Identifier: Apache-2.0 */
/* aws_time.h - times of AWS's protocols as one form. No memory, no state. */
#ifndef HOSTTRAIL_AWS_TIME_H
#define HOSTTRAIL_AWS_TIME_H

#include "agent/api/text.h"

#define AWS_TIME_MAX 48

/* "2026-11-29T06:00:00Z", with milliseconds where there are some, in `room`; absent: it is no time that we know. */
struct str aws_time(struct str s, char room[AWS_TIME_MAX]);

#endif

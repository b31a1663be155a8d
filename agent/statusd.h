/* SPDX-License-Identifier: Apache-2.0 */
/* statusd.h - the worker's answer on its status socket: one JSON object for each connection. */
#ifndef HOSTTRAIL_STATUSD_H
#define HOSTTRAIL_STATUSD_H

struct worker;

/* Accepts what waits on the socket and answers without blocking. */
void statusd_serve(const struct worker *w, int listening);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* h1.h - between h1.c (states) and h1_head.c (what heads say). */
#ifndef HOSTTRAIL_HTTP_H1_H
#define HOSTTRAIL_HTTP_H1_H

#include "agent/http/internal.h"

/* A line of a head, without its end: a field, or empty, which ends the head. */
void h1_head_line(struct http_conn *c, struct lane *l, const char *p, size_t n);
/* The rest of the head was not captured: the message ends with what there is. */
void h1_head_lost(struct http_conn *c, struct lane *l);
/* A field into a head, or trailers (then f is NULL). */
void h1_field_line(struct http_conn *c, struct head *h, struct framing *f, const char *p, size_t n);
/* H1_START: no body. May end the message, and give the call. */
void h1_body_begin(struct http_conn *c, struct lane *l, enum h1_state state);
void h1_lose(struct http_conn *c, struct lane *l);

#endif

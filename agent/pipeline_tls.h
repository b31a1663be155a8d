/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline_tls.h - what pipeline.c calls for entries of TLS connections (pipeline_tls.c). */
#ifndef HOSTTRAIL_PIPELINE_TLS_H
#define HOSTTRAIL_PIPELINE_TLS_H

#include "pipeline.h"
#include "tlscalls.h"

struct pipeline_tls;

int pipeline_tls_new(struct pipeline *p, struct pipeline_tls **ret_t);
void pipeline_tls_free(struct pipeline_tls **t);
/* An HT_EV_TLS entry. 0, -EBADMSG, or another -errno. */
int pipeline_tls_take(struct pipeline_tls *t, const struct ht_event *ev, uint32_t n);
/* A call that was recorded, or looked at: does it tell that a process ended its program? */
void pipeline_tls_note(struct pipeline_tls *t, const struct ht_call *ev);
void pipeline_tls_gone(struct pipeline_tls *t, uint32_t tgid, uint64_t when);
int pipeline_tls_pass_end(struct pipeline_tls *t);
/* The open batch has about as many kinds of records as a batch can hold. */
bool pipeline_tls_full(const struct pipeline_tls *t);
/* The chain's batch starts again: kinds of records of the former one are forgotten. */
void pipeline_tls_restart(struct pipeline_tls *t);
int pipeline_tls_finish(struct pipeline_tls *t, uint64_t when);

#endif

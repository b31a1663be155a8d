/* SPDX-License-Identifier: Apache-2.0 */
/* worker_internal.h - what worker.c (its loop), worker_setup.c (its start) and statusd.c (its answer) share. */
#ifndef HOSTTRAIL_WORKER_INTERNAL_H
#define HOSTTRAIL_WORKER_INTERNAL_H

#include "msg.h"
#include "pipeline.h"
#include "selftest.h"
#include "statusd.h"
#include "writer.h"

#define FEATURES_MAX 64
#define HASHES_MAX 64			/* asked for and not answered; more wait for the next process */

struct worker {
	int ctl, ask, resolver, prober, status_socket, lock, epoll;
	struct msg m;			/* the message in work */
	struct selection *selection;	/* those that came before there was a pipeline */
	struct msg_setup setup;
	struct msg_count count;
	uint64_t missed_said[HT_PROGRAMS_MAX];	/* of each program's misses, in RecordsLost of this worker or an earlier one */
	struct probes_fds fds, left;	/* left: of rings that were replaced, see probes_left() */
	struct probes_feature features[FEATURES_MAX];
	char feature_names[FEATURES_MAX][62];
	unsigned nfeatures;
	struct record_host host;
	struct procfs_self self;	/* read before the sandbox, which does not let us ask */
	struct rings *rings;
	struct settle *settle;
	struct pipeline *pipeline;
	struct writer *writer;
	struct idlog *ids;
	struct selftest test;
	struct guard *guard;
	uint64_t check_at;		/* when to look at the spool again */
	int check_error;
	uint64_t tampered;		/* things found changed behind our back */
	bool probed;			/* the prober has answered since the test began */
	uint64_t started;		/* boot-time ns */
	unsigned hashes;
	bool stop, parent_gone;
};

/* Everything that the parent sends before MSG_START; then opens rings, tables and spool. 0 or -errno. */
int worker_receive(struct worker *w);
int worker_open(struct worker *w);
void worker_close(struct worker *w);
/* worker_test.c: the prober's socket; one turn of the self-test. 0 or -errno. */
int worker_new_prober(struct worker *w);
int worker_take_prober(struct worker *w);
int worker_test(struct worker *w);
bool worker_is_test(void *ctx, const struct ht_call *call);
/* "mount: umount2" for each bit of calls; room for as many. How many. */
struct str;
unsigned worker_test_names(uint32_t calls, char (*text)[48], struct str *ret_v);
/* Event selectors that the parent sent, in w->m; its descriptor is closed. 0 or -errno. */
int worker_selectors(struct worker *w);
int worker_apis(struct worker *w);	/* MSG_APIS, in w->m */
/* worker_left.c: what was lost with rings that were replaced becomes RecordsLost, once. 0 or -errno. */
int worker_left(struct worker *w);
/* What is new in w->count becomes RecordsLost. 0 or -errno. */
int worker_missed(struct worker *w);
uint64_t worker_missed_total(const struct worker *w);
/* pipeline_ops of the worker. */
void worker_ops(struct worker *w, struct pipeline_ops *ret_ops);

#endif

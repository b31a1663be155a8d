/* SPDX-License-Identifier: Apache-2.0 */
/* loop.h - the forwarder's one epoll loop: who waits for which descriptor. One thread. Errors 0/-errno. */
#ifndef HOSTTRAIL_FORWARDER_LOOP_H
#define HOSTTRAIL_FORWARDER_LOOP_H

#include <stdint.h>

/* Belongs to the module that waits; must stay valid while its descriptor is watched, and until the end of the turn in
 * which it stopped watching. */
struct loop_source {
	void (*fn)(void *ctx, uint32_t events);	/* NULL: nobody is interested any more */
	void *ctx;
};

struct loop {
	int epoll;
};

int loop_init(struct loop *l);
void loop_close(struct loop *l);
int loop_add(struct loop *l, int fd, uint32_t events, struct loop_source *s);
int loop_change(struct loop *l, int fd, uint32_t events, struct loop_source *s);
void loop_remove(struct loop *l, int fd);
int loop_turn(struct loop *l, int timeout_ms);

uint64_t loop_now(void);	/* boot-time ms */

#endif

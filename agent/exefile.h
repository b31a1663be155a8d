/* SPDX-License-Identifier: Apache-2.0 */
/* exefile.h - the kernel's own numbers of one of our open files, through a BPF iterator. Not thread-safe. */
#ifndef HOSTTRAIL_EXEFILE_H
#define HOSTTRAIL_EXEFILE_H

#include <stdbool.h>

#include "bpf/event.h"

struct exefile;

int exefile_new(bool have_cast, struct exefile **ret_x);
int exefile_of_fd(struct exefile *x, int fd, struct ht_exe *ret_e);	/* 0, -EBADF, -errno */
void exefile_free(struct exefile **x);

#endif

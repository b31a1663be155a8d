/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlsmapping.h - a file that was mapped to be executed and was not known before, as the kernel told it (HT_TLS_MAPPED): finds it.
 *
 * What is found is certainly that file, by the kernel's numbers: by the mapping, while the process lives, else by its path in the root of the process'
 * parent or in ours. No file system is waited for (tls/discover.h). What cannot be found is told again when
 * somebody maps it again, if the caller wants that (probes_tls_untold()). Needs root. Not thread-safe.
 */
#ifndef HOSTTRAIL_TLSMAPPING_H
#define HOSTTRAIL_TLSMAPPING_H

#include "bpf/event.h"
#include "probes.h"
#include "tls/discover.h"

struct tls_mapping {
	struct ht_exe exe;
	uint64_t at, end;	/* where it was mapped */
	uint32_t pid, parent;
	uint32_t in_root;	/* from here on the path is that in the process' root, where that is another one than its mount namespace's; else 0 */
	const char *path;
};

/* 0, and it was given to fn, whose result does not count; or -ENOENT. */
int tls_mapping_find(struct probes *p, const struct tls_mapping *m, tls_discover_fn *fn, void *arg);

#endif

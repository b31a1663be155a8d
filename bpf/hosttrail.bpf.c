// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * hosttrail.bpf.c - the object: helpers from the bottom up, then the programs by hook family.
 *
 * One translation unit, because the programs share inlined helpers and constants; README.md
 * says in which order to read.
 */
#include <vmlinux.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/event.h"

#include "bpf/compat.bpf.h"
#include "bpf/tls_frames.bpf.h"
#include "bpf/maps.bpf.h"
#include HT_ARCH_H	/* "bpf/arch_x86.bpf.h", or the one of another architecture */
#include "bpf/emit.bpf.h"
#include "bpf/walk.bpf.h"
#include "bpf/keptexe.bpf.h"
#include "bpf/ident.bpf.h"
#include "bpf/others.bpf.h"
#include "bpf/twice.bpf.h"
#include "bpf/fields.bpf.h"
#include "bpf/kobj.bpf.h"
#include "bpf/op.bpf.h"
#include "bpf/flood.bpf.h"
#include "bpf/merge.bpf.h"
#include "bpf/record.bpf.h"
#include "bpf/forge.bpf.h"

#include "bpf/filter.bpf.h"
#include "bpf/rules.bpf.h"
#include "bpf/tls_socket.bpf.h"
#include "bpf/tls_who.bpf.h"
#include "bpf/tls_hello.bpf.h"
#include "bpf/tls_mapped.bpf.h"
#include "bpf/syscall.bpf.h"
#include "bpf/hooks.bpf.h"
#include "bpf/process.bpf.h"
#include "bpf/uring_types.bpf.h"
#include "bpf/uring_args.bpf.h"
#include "bpf/uring_op.bpf.h"
#include "bpf/uring.bpf.h"
#include "bpf/iter.bpf.h"
#include "bpf/tls_data.bpf.h"
#include "bpf/tls.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recordcheck.h - delivered records against the frames that hosts signed.
 *
 * First the stretches: by which selectors which trail delivered what part of the journal. Then every frame that was proven, in any order; then
 * the texts of each trail's log files. A record in a file must be, byte for byte, one that a host signed, and be in the trail's files once; each
 * that the selectors chose must be there. So who can rewrite files and sign digests is found, who cannot sign frames.
 *
 * About 48 bytes are kept of each record. One thread. Errors: -ENOMEM unless said otherwise.
 */
#ifndef HOSTTRAIL_TOOLS_RECORDCHECK_H
#define HOSTTRAIL_TOOLS_RECORDCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recordcheck;
struct frame_header;

#define RECORDCHECK_TRAILS 32

typedef void (*recordcheck_fault_fn)(void *ctx, const char *text);
/* Is asked for a record that is in a file and in none of the frames: frames outside of a range of time were not fetched. Its text as a
 * host signed it, appended: 1; 0: there is none; -errno. */
struct buf;
typedef int (*recordcheck_ask_fn)(void *ctx, const char *event_id, struct buf *out);

int recordcheck_new(recordcheck_fault_fn fault, recordcheck_ask_fn ask, void *ctx, struct recordcheck **ret_c);
void recordcheck_free(struct recordcheck **c);		/* NULL-safe */

struct recordcheck_place {
	uint64_t pos;			/* of a frame in the journal */
	uint32_t record;
};

/* region NULL: of all. digests false: files that no digest names are not looked for. -EINVAL: the selectors cannot be read. */
int recordcheck_stretch(struct recordcheck *c, int64_t trail, const struct recordcheck_place *from, const struct recordcheck_place *to,
			const char *region, bool digests, const char *selectors);
/* Files of this trail that ended before this time were removed for their age: what arrived by then (seconds) need not be there. */
void recordcheck_forget(struct recordcheck *c, int64_t trail, double until);
/* Frames that arrived by then (seconds) were removed for their age: a record of a file of that time (or a day later, where a bucket failed)
 * that is in no frame is no fault, but counted. */
void recordcheck_removed(struct recordcheck *c, double until);
uint64_t recordcheck_unproven(const struct recordcheck *c);
/* A frame that is whole and signed, and when it arrived. What of it does not count (claims of another host than host_id) is left out. */
int recordcheck_frame(struct recordcheck *c, uint64_t pos, double received, const char *host_id, const void *frame, const struct frame_header *h);
/* The uncompressed text of a file. name: for what is told. */
int recordcheck_file(struct recordcheck *c, int64_t trail, const char *name, const char *text, size_t n);
/* Whether a record that has to be in a file was in none yet: more files may be worth a look. */
bool recordcheck_wants(struct recordcheck *c);
/* Tells what is missing; all false: not every file was shown, and that is told instead. Then how many records frames and files had. */
void recordcheck_finish(struct recordcheck *c, bool all, uint64_t *ret_frames, uint64_t *ret_files);

#endif

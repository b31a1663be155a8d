/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.h - prints records: as they are (JSON Lines), or one aligned line for people.
 *
 * What a record holds was chosen by strangers (file names, arguments). In compact lines every byte that
 * could steer a terminal is shown as \xNN.
 */
#ifndef HOSTTRAIL_TOOLS_SHOW_H
#define HOSTTRAIL_TOOLS_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include <json-c/json.h>

#include "lib/buf.h"

enum show_format { SHOW_JSON, SHOW_COMPACT };

struct show {
	FILE *out;
	enum show_format format;
	bool colour;		/* compact only */
	unsigned width;		/* compact lines are cut to this many columns; 0: not */
	struct buf line;	/* reused */
};

/* format: --format's argument, or NULL: compact on a terminal, else JSON. -EINVAL: no such format. */
int show_init(struct show *s, FILE *out, const char *format);
void show_free(struct show *s);
/* One record of n bytes of CloudTrail JSON. -EBADMSG: not JSON (compact only), -EIO: cannot write. */
int show_record(struct show *s, const char *json, size_t n);
/* The CloudTrailEvent of each of a reply's Events, then flushes. */
int show_events(struct show *s, struct json_object *reply, size_t *ret_n);
#define _cleanup_show_ __attribute__((cleanup(show_free)))

/* Text with every control byte as \xNN, appended; also for single values in other output. */
void show_escaped(struct buf *b, const char *text, size_t n);

#endif

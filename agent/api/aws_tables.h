/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_tables.h - the services, operations and shapes of AWS APIs. The aws_tables_*.c are written by tools/aws_tables.py.
 *
 * A name is an index: names lie one behind another in aws_name_text, those of n bytes before those of n + 1, each length
 * sorted. A shape is a number: below AWS_SHAPE_FIRST a scalar's kind; others lie in aws_words, from aws_shape_at[] on:
 *	structure	AWS_STRUCTURE | (index of its payload member + 1) << 3, how many members, then of each: name, shape, or
 *			name, shape | AWS_EXTRA, index into aws_extras
 *	list		AWS_LIST | flat << 3, element's shape, element's name on the wire
 *	map		AWS_MAP | flat << 3, value's shape, key's and value's names on the wire
 * Shapes that look alike are one, whatever service they are of; so names of shapes are nowhere.
 *
 * Threads: everything is constant.
 */
#ifndef HOSTTRAIL_AWS_TABLES_H
#define HOSTTRAIL_AWS_TABLES_H

#include <stdint.h>

enum aws_protocol { AWS_QUERY, AWS_EC2, AWS_JSON, AWS_REST_JSON, AWS_REST_XML };
enum aws_method { AWS_GET, AWS_POST, AWS_PUT, AWS_DELETE, AWS_PATCH, AWS_HEAD, AWS_METHODS };

enum aws_scalar {
	AWS_NOTHING, AWS_STRING, AWS_INTEGER, AWS_FLOAT, AWS_BOOLEAN, AWS_TIME, AWS_BLOB, AWS_SECRET,
	AWS_DOCUMENT,		/* any JSON */
	AWS_STREAM,		/* a payload of any size */
	AWS_SHAPE_FIRST = 16,
};
enum aws_kind { AWS_STRUCTURE, AWS_LIST, AWS_MAP };
#define AWS_EXTRA 0x8000

enum aws_location { AWS_BODY, AWS_HEADER, AWS_HEADERS, AWS_PATH, AWS_QUERYSTRING, AWS_STATUS, AWS_ATTRIBUTE };
struct aws_extra {
	uint16_t wire;		/* name */
	uint8_t location;
};

enum aws_op_flag {
	AWS_READ_ONLY = 1 << 0,
	AWS_DATA = 1 << 1,
	AWS_TOKENS = 1 << 2,	/* its answer is never read */
};
struct aws_op {
	uint16_t name, input, output;	/* output: only of what is put into responseElements */
	uint8_t method, flags;
	uint32_t uri;			/* offset in aws_uri_text; rest protocols only */
};
struct aws_service {
	const char *signing, *prefix, *target, *source, *version;	/* target: "" if none. source: eventSource without .amazonaws.com */
	uint8_t protocol;
	uint16_t first, count;		/* in aws_ops, by name's index */
};

#define AWS_NAME_MAX 127
extern const char aws_name_text[];
extern const uint16_t aws_name_first[AWS_NAME_MAX + 2];		/* the first name of each length */
extern const uint32_t aws_name_base[AWS_NAME_MAX + 2];		/* and where it lies */
extern const unsigned aws_nnames;
extern const uint16_t aws_words[];
extern const uint32_t aws_shape_at[];
extern const unsigned aws_nshapes;
extern const struct aws_extra aws_extras[];
extern const struct aws_service aws_services[];			/* by signing name */
extern const unsigned aws_nservices;
extern const uint16_t aws_by_prefix[];				/* services, by prefix */
extern const uint16_t aws_by_target[];				/* those that have a target, by its last part */
extern const unsigned aws_ntargets;
extern const struct aws_op aws_ops[];
extern const char aws_uri_text[];

#endif

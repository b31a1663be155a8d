/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_internal.h - what the aws*.c share. Nobody else includes it.
 *
 * A body becomes a tree of nodes, whatever its protocol; aws_emit() then writes of a tree what a shape of the model names, and
 * nothing else. Trees lie in the arena. Every parser takes hostile bytes: nodes and depth are bounded, and what was left out is said.
 */
#ifndef HOSTTRAIL_AWS_INTERNAL_H
#define HOSTTRAIL_AWS_INTERNAL_H

#include "agent/api/aws_tables.h"
#include "agent/api/rules.h"

#define AWS_NODES_MAX 16384
#define AWS_DEPTH_MAX 32
#define AWS_FIELDS_MAX 2048	/* of a form */
#define AWS_LABELS_MAX 8
#define AWS_REQUEST_MAX (64 * 1024)
#define AWS_ANSWER_MAX (16 * 1024)
#define AWS_ERROR_MAX 4096

/* ---- the model (aws_model.c) */

struct aws_shape {
	enum aws_kind kind;
	unsigned payload;	/* of a structure: its payload member's index + 1 */
	bool flat;
	unsigned n, element;	/* members; shape of elements or values */
	unsigned item, value;	/* names on the wire: of elements or keys, of values */
	const uint16_t *words;	/* of members, moved by aws_member_next() */
};
struct aws_member {
	unsigned name, shape, wire;
	enum aws_location location;
};
struct str aws_name(unsigned id);
int aws_name_id(struct str s);	/* -1: no name of AWS's */
/* False for scalars and for numbers that are none. */
bool aws_shape_get(unsigned id, struct aws_shape *ret);
bool aws_member_next(struct aws_shape *s, struct aws_member *ret);
/* The member that is called so on the wire. */
bool aws_member_find(unsigned shape, struct str wire, enum aws_location location, struct aws_member *ret);
const struct aws_op *aws_op_find(const struct aws_service *s, struct str name);
/* Services whose signing name or, if that is none's, endpoint prefix it is: [*ret_first, *ret_first + count). */
unsigned aws_services_signing(struct str name, unsigned *ret_first);
const struct aws_service *aws_service_prefix(struct str prefix);
/* The n-th service, from 0, whose target prefix ends in this part, which has no dots. */
const struct aws_service *aws_service_target(struct str part, unsigned n);
/* As CloudTrail begins its names: "InstanceId" is "instanceId". */
struct str aws_lower_camel(struct api_arena *a, struct str name);

/* ---- who signed it (aws_sign.c), and what the host says (aws_host.c): no memory, pointing into the call */

struct aws_sign {
	struct str access_key, region, service;	/* as far as the kind of signature has them */
	const char *version;			/* "SigV4", "SigV4A", "SigV3", "SigV2"; NULL: not signed */
	bool in_query;
};
void aws_sign_get(const struct http_call *call, struct aws_sign *ret);

struct aws_host {
	bool amazon;		/* a name of AWS's own */
	bool s3;		/* of S3, or like it ("bucket.s3.localhost") */
	struct str region, bucket;
	const struct aws_service *service;
};
void aws_host_get(struct str host, struct aws_host *ret);

/* ---- which operation (aws_find.c, aws_route.c) */

struct aws_label {
	unsigned name;
	struct str value;		/* still encoded */
};

struct aws_found {
	const struct aws_service *service;	/* NULL: none that we know */
	const struct aws_op *op;		/* NULL: its name is below, or it has none */
	struct str name, version;		/* as the call says, checked for its form */
	bool form, cbor, s3;
	struct aws_label labels[AWS_LABELS_MAX];
	unsigned nlabels;
	uint64_t fit;				/* how well the path fits its template */
	struct aws_sign sign;
	struct aws_host host;
	struct uri uri;
	struct str bucket, key;			/* S3; still encoded */
};
/* By head, and of forms by what of the request's body is there. */
void aws_find(const struct api_peer *peer, const struct http_call *call, struct aws_found *ret);
/* Takes the service's operation whose template fits better than what is found already. */
bool aws_route(const struct aws_service *s, struct str method, const struct uri *u, struct aws_found *f);
void aws_s3_find(const struct http_call *call, struct aws_found *f);
/* The name that CloudTrail has for it. */
struct str aws_event_name(const struct aws_service *s, struct str op);

/* ---- trees */

enum aws_node_kind { NODE_OBJECT, NODE_ARRAY, NODE_TEXT, NODE_NUMBER, NODE_BOOLEAN, NODE_NULL, NODE_BYTES };
struct aws_node {
	struct aws_node *next, *first, *last;
	struct str name, text;	/* text: also a number's, and bytes */
	enum aws_node_kind kind;
	bool value, attribute, taken;
};
struct aws_tree {
	struct api_arena *arena;
	unsigned nodes;
	bool cut;		/* something was left out: it was not there, or too much */
	bool failed;		/* no memory */
};
/* NULL: too many, or no memory. A parent may be NULL. */
struct aws_node *aws_node_new(struct aws_tree *t, struct aws_node *parent, enum aws_node_kind kind, struct str name);
struct aws_node *aws_node_child(const struct aws_node *n, struct str name);
/* Of members with one name only the last one counts, as for all who read JSON; past the first 512 members, none does. */
void aws_node_unique(struct aws_tree *t, struct aws_node *n);
struct aws_node *aws_node_named(const struct aws_node *n, const char *name);

/* NULL: it is none, or nothing of it is whole. `partial`: bytes are missing at its end. */
struct aws_node *aws_json_parse(struct aws_tree *t, struct str body, bool partial);
struct aws_node *aws_form_parse(struct aws_tree *t, struct str body, bool partial);
struct aws_node *aws_xml_parse(struct aws_tree *t, struct str body, bool partial);
struct aws_node *aws_cbor_parse(struct aws_tree *t, struct str body, bool partial);
/* The value of a form's field, undecoded; "Action" and "Version". */
struct str aws_form_field(struct str body, const char *name);

/* ---- writing (aws_emit.c) */

struct aws_emit {
	struct jsontext j;
	struct api_arena *arena;
	enum aws_protocol protocol;
	struct api_call *call;	/* takes the ARNs that are met as its resources; NULL: none */
	bool wire_names;	/* members as they are called on the wire (S3, and EC2's answers) */
	bool items;		/* EC2's answers: a list is an object, its elements are called items */
	unsigned level;		/* structures that are open */
	struct str op;		/* of EC2's requests */
};
void aws_emit_value(struct aws_emit *e, struct str key, struct aws_node *n, unsigned shape);
/* The members of a structure, into the object that is open. */
void aws_emit_members(struct aws_emit *e, struct aws_node *n, unsigned shape);
/* A text out of a path, query or header. */
void aws_emit_text(struct aws_emit *e, struct str key, struct str value, unsigned shape);
/* Anything, as it is, but for what its name or form says to be a secret. */
void aws_emit_any(struct aws_emit *e, struct str key, const struct aws_node *n);
/* aws_secret.c: does a text tell a secret, as a command line, a URL or a header would? */
bool aws_secret_text(struct api_arena *a, struct str value);
/* Hides the words of a command line that are secrets: of n elements, or of a list's children. */
void aws_secret_words(struct aws_emit *e, struct aws_node *const *v, unsigned n);
void aws_secret_children(struct aws_emit *e, struct aws_node *n);
/* Of a pair, {"Key": "password", "Value": "x"} or the like, is the name a secret's? */
bool aws_secret_pair(const struct aws_node *n);
/* The elements of a form's list or map, in the order of their numbers. */
unsigned aws_form_elements(struct aws_emit *e, struct aws_node *n, const struct aws_shape *s, struct aws_node ***ret);
/* A member of a request to EC2, and what of RunInstances stands elsewhere (aws_ec2.c). */
void aws_ec2_member(struct aws_emit *e, const struct aws_member *m, struct aws_node *n);
void aws_ec2_run(struct aws_emit *e, struct aws_node *n, unsigned shape);
struct str aws_member_key(struct aws_emit *e, const struct aws_member *m);

int aws_request_parameters(const struct http_call *call, const struct aws_found *f, struct api_arena *a, struct api_call *ret_call);
int aws_s3_parameters(const struct http_call *call, const struct aws_found *f, struct api_arena *a, struct api_call *ret_call);
void aws_put_headers(struct aws_emit *e, const struct http_head *h, unsigned shape);
void aws_s3_headers(struct aws_emit *e, const struct http_head *h, unsigned shape);
/* The tree of a body, by the protocol; NULL: none. */
struct aws_node *aws_body(struct aws_tree *t, const struct aws_found *f, const struct http_message *m, bool partial);

/* ---- answers (aws_answer.c) and resources (aws_resource.c) */

/* Is the body compressed? Such ones are not read. */
bool aws_coded(const struct http_head *h);
bool aws_failed(const struct http_call *call, const struct aws_found *f);
int aws_error(const struct http_call *call, const struct aws_found *f, struct api_arena *a, struct api_call *ret_call);
int aws_response_elements(const struct http_call *call, const struct aws_found *f, struct api_arena *a, struct api_call *ret_call);
/* Adds what a text names, if it is an ARN that is not there yet. */
void aws_resource_add(struct api_arena *a, struct api_call *call, struct str arn);
/* The same of a queue's address. */
void aws_resource_queue(struct api_arena *a, struct api_call *call, struct str url);
void aws_resource_s3(const struct aws_found *f, struct api_arena *a, struct api_call *call);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.h - templates of paths: "/containers/{id}/exec", "/v2/{name+}/manifests/{reference}".
 *
 * A segment of a template is literal, or has one label in it, maybe between literal texts ("{model}:generateContent"). `{name}` takes one
 * segment, or a part of it, that is not empty; `{name+}` one or more whole segments, and there is at most one such in a template.
 * Segments are compared as they came, labels are given undecoded. Nothing allocates, nothing fails.
 */
#ifndef HOSTTRAIL_API_ROUTE_H
#define HOSTTRAIL_API_ROUTE_H

#include "rules.h"

#define ROUTE_LABELS_MAX 8

struct route_match {
	struct str name[ROUTE_LABELS_MAX], value[ROUTE_LABELS_MAX];
	unsigned n;
};

bool route_matches(struct str template, const struct uri_path *path, struct route_match *ret_match);
/* The label's value, decoded; absent: no such label, or no memory. */
struct str route_label(const struct route_match *m, const char *name, struct api_arena *a);
/* Why the template cannot be one; NULL: it is good. */
const char *route_fault(struct str template);

/* A row of a rule's table. */
struct route {
	const char *methods, *template;		/* methods: blanks between */
	const char *name;			/* of the operation */
	enum record_category category;
	bool read_only;
	const char *query;			/* beside the general list: parameters whose values are stored; NULL: none */
	int (*body)(struct jsontext *j, const struct http_call *call);	/* more of requestParameters; NULL: no body is wanted */
};
/* The first row that fits. NULL: none. */
const struct route *route_find(const struct route *routes, size_t n, struct str method, struct str path, struct route_match *ret_match);
/* Writes every label as a member; what is a secret by its form is hidden. */
void route_put_labels(struct jsontext *j, const struct route_match *m);

#endif

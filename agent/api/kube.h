/* SPDX-License-Identifier: Apache-2.0 */
/* kube.h - what the Kubernetes API server calls a request: the verb, group, resource, name of its audit log ("RequestInfo"). */
#ifndef HOSTTRAIL_API_KUBE_H
#define HOSTTRAIL_API_KUBE_H

#include "rules.h"

struct kube_request {
	bool is_resource;	/* else only verb and the path count */
	struct str verb;	/* "create", "list", ...; of no resource: the method in lower case, as far as it is one of HTTP's */
	struct str group;	/* "" is core */
	struct str version, ns, resource, subresource, name;	/* empty: none */
	struct str rest;	/* behind the subresource, without its first '/': what a proxy asks for; else empty */
};

/* The path decoded, as the server splits it; the query as it came. The parts point into both, but for a name that a fieldSelector
 * gives, which lies in the arena. 0 or -ENOMEM. */
int kube_parse(struct str method, struct str path, struct str query, struct api_arena *a, struct kube_request *ret_request);

#endif

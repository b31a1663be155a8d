/* SPDX-License-Identifier: Apache-2.0 */
/* rule_google.c - Google's APIs over REST: "{collections}.{verb}" out of the path's pairs, the method, and the custom verb behind ':'
 * (AIP-127, AIP-136). Over gRPC they are rule_grpc.c's. Of bodies only the status of an error. */
#include <errno.h>

#include "rules.h"

#define ERROR_MAX 4096
#define PARTS_MAX 8

struct rest {
	struct str version, project, location;
	struct str collection[PARTS_MAX];
	unsigned n;
	struct str id;			/* of the last collection; empty: the collection itself */
	struct str verb;		/* custom; empty: none */
	struct str name;		/* all behind the version, without the custom verb */
};

static bool is_version(struct str s)
{
	if (str_among(s, "beta alpha"))
		return true;
	return s.n >= 2 && s.n <= 12 && s.p[0] == 'v' && s.p[1] >= '0' && s.p[1] <= '9' && !memchr(s.p, '.', s.n);
}

/* The index of the version among the first segments; UINT_MAX: there is none. */
static unsigned version_at(const struct uri_path *p)
{
	for (unsigned i = 0; i < p->n && i < 4; i++)
		if (is_version(p->segment[i]))
			return i;
	return ~0u;
}

static bool match(const struct api_peer *peer, const struct http_call *call)
{
	struct uri_path p;
	struct uri u;

	uri_split(call->request.head.target, &u);
	uri_segments(u.path, &p);
	return str_in_domain(uri_host_raw(peer, call), "googleapis.com") && version_at(&p) + 1 < p.n && version_at(&p) != ~0u;
}

static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
	ret_wants->response = api_error_wants(call, ERROR_MAX);
}

static bool is_scope(struct str s)
{
	return str_among(s, "projects locations zones regions organizations folders billingAccounts");
}

/* Short names of the storage API. */
static struct str collection_name(struct str s)
{
	return str_is(s, "b") ? STR("buckets") : str_is(s, "o") ? STR("objects") : s;
}

static void add_collection(struct rest *r, struct str s)
{
	if (r->n < PARTS_MAX)
		r->collection[r->n++] = collection_name(s);
}

static void split_verb(struct uri_path *p, struct rest *r)
{
	struct str *last = &p->segment[p->n - 1];
	const char *colon = last->n ? memrchr(last->p, ':', last->n) : NULL;

	if (!colon)
		return;
	r->verb = str_from(*last, (size_t)(colon + 1 - last->p));
	last->n = (size_t)(colon - last->p);
	if (!last->n)
		p->n--;
}

static void split(struct uri_path *p, struct rest *r)
{
	unsigned at = version_at(p);
	const char *from;

	*r = (struct rest){ .version = p->segment[at], .id = STR(""), .verb = STR("") };
	from = ++at < p->n ? p->segment[at].p : NULL;
	split_verb(p, r);
	if (from && at < p->n)
		r->name = (struct str){ from, (size_t)(p->segment[p->n - 1].p + p->segment[p->n - 1].n - from) };
	while (at < p->n) {
		struct str collection = p->segment[at++], id = at < p->n ? p->segment[at] : STR("");

		if (str_among(collection, "global aggregated")) {
			r->location = STR("global");
			continue;
		}
		at += at < p->n;
		if (str_is(collection, "projects"))
			r->project = id;
		if (str_among(collection, "locations zones regions") && id.n)
			r->location = id;
		r->id = id;
		if (!is_scope(collection) || at >= p->n)
			add_collection(r, collection);
	}
}

/* Behind a resource, some APIs have a verb where a collection would stand ("instances/i/start"). */
static bool verb_as_collection(struct rest *r, struct str method, struct str host)
{
	if (r->id.n || r->n < 2 || r->verb.n || !str_is(method, "POST") || !str_is(str_first(host, 7), "compute"))
		return false;
	r->verb = r->collection[--r->n];
	return true;
}

static struct str standard_verb(const struct rest *r, struct str method, struct str host)
{
	bool old = str_begins(host, "compute") || str_begins(host, "storage") || str_begins(host, "bigquery") || str_begins(host, "sqladmin") ||
		   str_begins(host, "www.");

	if (api_method_reads(method))
		return r->id.n ? STR("get") : STR("list");
	if (str_is(method, "POST"))
		return old ? STR("insert") : STR("create");
	if (str_is(method, "PUT"))
		return STR("update");
	return str_is(method, "PATCH") ? STR("patch") : str_is(method, "DELETE") ? STR("delete") : STR("unknown");
}

static struct str safe(struct str s)
{
	return s.n > 64 || secret_segment(s) != SEGMENT_WORD ? STR("{id}") : s;
}

static struct str name_of(struct rest *r, struct str method, struct str host, struct api_arena *a)
{
	struct str name = STR(""), verb;

	verb_as_collection(r, method, host);
	verb = r->verb.n ? safe(r->verb) : standard_verb(r, method, host);
	for (unsigned i = 0; i < r->n && name.p; i++)
		name = api_join(a, name, safe(r->collection[i]), STR("."), NO_KEY);
	return name.p ? api_join(a, name, verb, NO_KEY) : name;
}

static struct str visible(struct str s, struct api_arena *a)
{
	struct str v = uri_decode(a, s, false);

	return v.p && secret_segment(v) == SEGMENT_SECRET ? STR(REDACT_HIDDEN) : v;
}

static int parameters(const struct rest *r, const struct uri *u, struct str shown, struct api_arena *a, struct str *ret_text)
{
	struct jsontext j;

	jsontext_begin(&j, a);
	jsontext_text(&j, STR("project"), visible(r->project, a));
	jsontext_text(&j, STR("location"), visible(r->location, a));
	if (shown.n)
		jsontext_text(&j, STR("name"), shown);
	if (u->query.n) {
		jsontext_open(&j, STR("query"), '{');
		secret_put_query(&j, u->query, "project uploadType prefix generation metageneration projection fields updateMask pageSize view");
		jsontext_close(&j);
	}
	return jsontext_end(&j, ret_text);
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct str method = call->request.head.method, shown, verb;
	struct uri_path p;
	struct rest r;
	struct uri u;

	uri_split(call->request.head.target, &u);
	uri_segments(u.path, &p);
	split(&p, &r);
	ret_call->event_name = name_of(&r, method, ret_call->event_source, a);
	if (!ret_call->event_name.p)
		return -ENOMEM;
	verb = r.verb;
	ret_call->api_version = r.version;
	ret_call->read_only = api_method_reads(method) || str_begins(verb, "get") || str_begins(verb, "list") || str_begins(verb, "search") ||
			      str_among(verb, "testIamPermissions query fetch access runQuery lookup batchGet");
	ret_call->category = r.n && str_among(r.collection[r.n - 1], "objects tabledata entries documents") ? CATEGORY_DATA : CATEGORY_MANAGEMENT;
	if (str_among(verb, "publish pull acknowledge runQuery lookup batchGet"))
		ret_call->category = CATEGORY_DATA;
	api_json_error(call, "error.status", a, ret_call);
	shown = r.name.n ? secret_path(a, STR(""), r.name) : (struct str){ 0 };
	if (r.id.n && shown.n && r.n && !str_is(shown, REDACT_HIDDEN)) {
		ret_call->nresources = 1;
		ret_call->resources[0].arn = api_join(a, STR("//"), ret_call->event_source, STR("/"), shown, NO_KEY);
		ret_call->resources[0].type = api_join(a, STR("Google::"), safe(r.collection[r.n - 1]), NO_KEY);
		ret_call->resources[0].account = r.project;
	}
	return parameters(&r, &u, shown, a, &ret_call->request_parameters);
}

const struct api_rule api_rule_google = { "google", match, wants, describe, .answer = api_error_wants };

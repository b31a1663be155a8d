/* SPDX-License-Identifier: Apache-2.0 */
/* rule_llm.c - language models: which model, how it was asked to answer, how many tokens went in and came out. Bodies are looked at for
 * just these members; prompts, completions, names and arguments of tools are never copied. */
#include <errno.h>

#include "inflate.h"
#include "jsonread.h"
#include "route.h"

#define BODY_MAX (64 * 1024)
#define ANSWER_MAX (256 * 1024)	/* of an answer that was compressed */

enum dialect { OPENAI, ANTHROPIC, GEMINI, PLAIN };

/* Ends of paths, as many services offer the same API below paths of their own. `host`: only there, where the end alone says little. */
static const struct {
	const char *method, *template, *name, *hosts;
	enum dialect dialect;
} operations[] = {
	{ "POST", "/deployments/{deployment}/chat/completions", "CreateChatCompletion", NULL, OPENAI },
	{ "POST", "/chat/completions", "CreateChatCompletion", NULL, OPENAI },
	{ "POST", "/v1/completions", "CreateCompletion", NULL, OPENAI },
	{ "POST", "/deployments/{deployment}/completions", "CreateCompletion", NULL, OPENAI },
	{ "POST", "/v1/responses", "CreateResponse", NULL, OPENAI },
	{ "POST", "/openai/responses", "CreateResponse", NULL, OPENAI },
	{ "POST", "/v1/embeddings", "CreateEmbedding", NULL, OPENAI },
	{ "POST", "/deployments/{deployment}/embeddings", "CreateEmbedding", NULL, OPENAI },
	{ "POST", "/images/generations", "CreateImage", NULL, OPENAI },
	{ "POST", "/audio/transcriptions", "CreateTranscription", NULL, PLAIN },
	{ "POST", "/audio/translations", "CreateTranslation", NULL, PLAIN },
	{ "POST", "/audio/speech", "CreateSpeech", NULL, OPENAI },
	{ "POST", "/v1/moderations", "CreateModeration", NULL, OPENAI },
	{ "GET", "/v1/models", "ListModels", "openai.com anthropic.com mistral.ai groq.com deepseek.com together.xyz openrouter.ai x.ai", PLAIN },
	{ "POST", "/v1/files", "CreateFile", "openai.com anthropic.com mistral.ai", PLAIN },
	{ "POST", "/v1/batches", "CreateBatch", "openai.com", PLAIN },
	{ "POST", "/v1/fine_tuning/jobs", "CreateFineTuningJob", "openai.com", OPENAI },
	{ "POST", "/v1/messages", "CreateMessage", NULL, ANTHROPIC },
	{ "POST", "/v1/messages/count_tokens", "CountMessageTokens", NULL, ANTHROPIC },
	{ "POST", "/v1/messages/batches", "CreateMessageBatch", "anthropic.com", PLAIN },
	{ "POST", "/v1/complete", "CreateCompletion", "anthropic.com", ANTHROPIC },
	{ "POST", "/models/{model}:generateContent", "GenerateContent", NULL, GEMINI },
	{ "POST", "/models/{model}:streamGenerateContent", "StreamGenerateContent", NULL, GEMINI },
	{ "POST", "/models/{model}:countTokens", "CountTokens", NULL, GEMINI },
	{ "POST", "/models/{model}:embedContent", "EmbedContent", NULL, PLAIN },
	{ "POST", "/models/{model}:batchEmbedContents", "BatchEmbedContents", NULL, PLAIN },
	{ "POST", "/models/{model}:predict", "Predict", "googleapis.com", PLAIN },
	{ "POST", "/models/{model}:rawPredict", "RawPredict", "googleapis.com", ANTHROPIC },
	{ "POST", "/models/{model}:streamRawPredict", "StreamRawPredict", "googleapis.com", ANTHROPIC },
	{ "POST", "/v1/chat", "Chat", "cohere.ai cohere.com", OPENAI },
	{ "POST", "/v2/chat", "Chat", "cohere.ai cohere.com", OPENAI },
	{ "POST", "/v1/rerank", "Rerank", "cohere.ai cohere.com", OPENAI },
	{ "POST", "/v2/rerank", "Rerank", "cohere.ai cohere.com", OPENAI },
	{ "POST", "/v2/embed", "CreateEmbedding", "cohere.ai cohere.com", OPENAI },
};

static bool host_among(struct str host, const char *domains)
{
	while (*domains) {
		char domain[64] = { 0 };
		size_t n = strcspn(domains, " ");

		memcpy(domain, domains, n < sizeof(domain) ? n : 0);
		if (str_in_domain(host, domain))
			return true;
		domains += n + (domains[n] == ' ');
	}
	return false;
}

/* A quick look, that most templates do not pass: what stands behind the last '/' or label. */
static bool may_end(const char *template, struct str last)
{
	const char *end = strrchr(template, '/') + 1, *brace = strrchr(end, '}');

	return str_ends(last, brace ? brace + 1 : end);
}

/* The index of the operation, -1: none. The last segments of the path are the template's. */
static int find(const struct api_peer *peer, const struct http_call *call, struct route_match *ret_match)
{
	struct uri_path all;
	struct uri u;

	if (!str_among(call->request.head.method, "GET POST"))
		return -1;
	uri_split(call->request.head.target, &u);
	uri_segments(u.path, &all);
	for (unsigned i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		struct uri_path t, end;		/* a kilobyte each: not to be cleared for every row */

		if (!str_is(call->request.head.method, operations[i].method) || !all.n || !may_end(operations[i].template, all.segment[all.n - 1]))
			continue;
		uri_segments(str_of(operations[i].template), &t);
		if (all.n < t.n)
			continue;
		end.n = t.n;
		memcpy(end.segment, all.segment + all.n - t.n, t.n * sizeof(end.segment[0]));
		if (route_matches(str_of(operations[i].template), &end, ret_match) &&
		    (!operations[i].hosts || host_among(uri_host_raw(peer, call), operations[i].hosts)))
			return (int)i;
	}
	return -1;
}

static bool match(const struct api_peer *peer, const struct http_call *call)
{
	struct route_match m;
	int i = find(peer, call, &m);

	if (i < 0)
		return false;
	/* an end that others may have, too: only with what the SDKs of this API send */
	if (operations[i].dialect == ANTHROPIC && !m.n)
		return api_field(&call->request.head, "anthropic-version").p || host_among(uri_host_raw(peer, call), "anthropic.com");
	return operations[i].dialect == PLAIN || m.n || api_content_type(&call->request.head, "application/json");
}

static bool streams(const struct http_call *call)
{
	return api_content_type(&call->response.head, "text/event-stream");
}

/* What is no JSON has no usage in it. */
static bool readable(const struct http_head *h)
{
	if (!inflate_readable(h))
		return false;
	return !h->status || api_content_type(h, "application/json") || api_content_type(h, "text/event-stream");
}

static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
	struct route_match m;
	int i = find(peer, call, &m);

	if (i < 0 || operations[i].dialect == PLAIN)
		return;
	ret_wants->request = BODY_MAX;
	ret_wants->response = readable(&call->response.head) ? BODY_MAX : 0;
}

static struct str model_name(struct str s)
{
	return s.n > 128 || secret_segment(s) == SEGMENT_SECRET ? STR(REDACT_HIDDEN) : s;
}

static unsigned count(struct jsonread_value list)
{
	struct jsonread_value v;
	struct jsonread r;
	struct str name;
	unsigned n = 0;

	jsonread_begin(&r, list.text);
	while (list.kind == JSON_ARRAY && jsonread_next(&r, &name, &v))
		n++;
	return n;
}

static void put_count(struct jsontext *j, const char *key, struct jsonread_value list)
{
	if (list.kind == JSON_ARRAY)
		jsontext_uint(j, str_of(key), count(list));
}

/* Only numbers and booleans: a text here could be anything. */
static void put_settings(struct jsontext *j, const char *const *names, const struct jsonread_value *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (v[i].kind == JSON_NUMBER || v[i].kind == JSON_TRUE || v[i].kind == JSON_FALSE)
			jsonread_copy(j, str_of(names[i]), v[i], 0);
}

#define COUNT(names) (sizeof(names) / sizeof((names)[0]))

static void put_request(struct jsontext *j, struct str body, enum dialect dialect)
{
	static const char *const names[] = { "model", "messages", "contents", "tools", "generationConfig", "stream", "max_tokens", "max_completion_tokens",
					     "max_output_tokens", "max_tokens_to_sample", "n", "temperature", "top_p", "store", "background" };
	static const char *const config[] = { "maxOutputTokens", "candidateCount", "temperature", "topP" };
	enum { MODEL, MESSAGES, CONTENTS, TOOLS, CONFIG, SETTINGS };
	struct jsonread_value v[COUNT(names)], c[COUNT(config)];

	jsonread_members(body, names, COUNT(names), v);
	if (v[MODEL].kind == JSON_STRING)
		jsontext_text(j, STR("model"), model_name(jsonread_text(j->arena, v[MODEL])));
	put_settings(j, names + SETTINGS, v + SETTINGS, COUNT(names) - SETTINGS);
	put_count(j, "messages", v[dialect == GEMINI ? CONTENTS : MESSAGES]);
	put_count(j, "tools", v[TOOLS]);
	if (dialect != GEMINI || v[CONFIG].kind != JSON_OBJECT)
		return;
	jsonread_members(v[CONFIG].text, config, COUNT(config), c);
	put_settings(j, config, c, COUNT(config));
}

/* Where an answer, or an event of a streamed one, has its usage: at its top, or in one of these; later ones replace members of earlier. */
static const char *const usage_names[] = { "usage", "usageMetadata", "tokens" };
static const char *const usage_parents[] = { "message", "response", "meta" };
static const char *const tokens[] = {
	"prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "cache_creation_input_tokens",
	"cache_read_input_tokens", "promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount", "totalTokenCount",
};
#define TOKENS COUNT(tokens)

struct usage {
	uint64_t n[TOKENS];
	bool known[TOKENS];
};

static void take_tokens(struct usage *u, struct jsonread_value object)
{
	struct jsonread_value v[TOKENS];

	if (object.kind != JSON_OBJECT)
		return;
	jsonread_members(object.text, tokens, TOKENS, v);
	for (unsigned i = 0; i < TOKENS; i++)
		if (jsonread_number(v[i], UINT32_MAX, &u->n[i]))
			u->known[i] = true;
}

static void take_usage(struct usage *u, struct str answer)
{
	struct jsonread_value in[COUNT(usage_names)], parents[COUNT(usage_parents)];

	jsonread_members(answer, usage_names, COUNT(usage_names), in);
	for (unsigned i = 0; i < COUNT(in); i++)
		take_tokens(u, in[i]);
	jsonread_members(answer, usage_parents, COUNT(usage_parents), parents);
	for (unsigned k = 0; k < COUNT(parents); k++) {
		if (parents[k].kind != JSON_OBJECT)
			continue;
		jsonread_members(parents[k].text, usage_names, COUNT(usage_names), in);
		for (unsigned i = 0; i < COUNT(in); i++)
			take_tokens(u, in[i]);
	}
}

/* Server-sent events: every "data: {...}" line is an answer of its own. */
static void take_events(struct usage *u, struct str rest)
{
	while (rest.p) {
		struct str line = str_cut(&rest, '\n');

		if (str_begins(line, "data:") && memmem(line.p, line.n, "usage", 5))
			take_usage(u, str_from(line, 5));
	}
}

static int answered(const struct http_call *call, struct api_arena *a, struct str *ret_text)
{
	struct usage u = { 0 };
	struct jsontext j;
	struct str body;
	bool any = false;

	if (call->response.head.status >= 400 || !readable(&call->response.head))
		return 0;
	body = inflate_body(&call->response, ANSWER_MAX, a);
	if (streams(call))
		take_events(&u, body);
	else
		take_usage(&u, body);
	jsontext_begin(&j, a);
	for (unsigned i = 0; i < TOKENS; i++) {
		if (!u.known[i])
			continue;
		if (!any)
			jsontext_open(&j, STR("usage"), '{');
		any = true;
		jsontext_uint(&j, str_of(tokens[i]), u.n[i]);
	}
	return jsontext_end(&j, ret_text);
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct route_match m;
	struct jsontext j;
	int i = find(peer, call, &m), r;

	ret_call->event_name = str_of(operations[i].name);
	ret_call->category = CATEGORY_MANAGEMENT;
	ret_call->read_only = strncmp(operations[i].name, "Create", 6) || !str_among(ret_call->event_name, "CreateFile CreateBatch CreateFineTuningJob CreateMessageBatch");
	api_json_error(call, "error.type", a, ret_call);
	api_json_error(call, "error.code", a, ret_call);
	api_json_error(call, "error.status", a, ret_call);
	jsontext_begin(&j, a);
	for (unsigned k = 0; k < m.n; k++)
		jsontext_text(&j, m.name[k], model_name(uri_decode(a, m.value[k], false)));
	if (operations[i].dialect != PLAIN)
		put_request(&j, call->request.body.prefix, operations[i].dialect);
	r = jsontext_end(&j, &ret_call->request_parameters);
	return r ? r : answered(call, a, &ret_call->response_elements);
}

const struct api_rule api_rule_llm = { "llm", match, wants, describe, NULL, false };

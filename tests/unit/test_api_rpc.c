/* SPDX-License-Identifier: Apache-2.0 */
/* test_api_rpc.c - language models, gRPC, JSON-RPC, MCP and GraphQL, with bodies as their references have them. */
#include <zlib.h>

#include "callmake.h"
#include "tests/tap.h"

#define HIDDEN "HIDDEN_DUE_TO_SECURITY_REASONS"
#define JSON "content-type: application/json"

static struct callmake m;

static const struct {
	const char *request, *fields, *body, *answer_type, *answer, *rule, *source, *name, *parameters, *elements;
	bool read_only;
} rows[] = {
	/* platform.openai.com/docs/api-reference */
	{ "POST https://api.openai.com/v1/chat/completions", JSON "; charset=utf-8",
	  "{\"messages\":[{\"role\":\"user\",\"content\":\"my secret PROMPT\"}],\"model\":\"gpt-4o\",\"max_tokens\":100,\"stream\":false,\"temperature\":0.5,"
	  "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"function\"}]}", "content-type: application/json",
	  "{\"id\":\"chatcmpl-123\",\"choices\":[{\"message\":{\"content\":\"COMPLETION \\\"usage\\\":{}\"}}],\"usage\":{\"prompt_tokens\":9,"
	  "\"completion_tokens\":12,\"total_tokens\":21}}", "llm", "api.openai.com", "CreateChatCompletion",
	  "{\"model\":\"gpt-4o\",\"stream\":false,\"max_tokens\":100,\"temperature\":0.5,\"messages\":1,\"tools\":2}",
	  "{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":21}}", true },
	{ "POST https://r.openai.azure.com/openai/deployments/d1/chat/completions?api-version=2024-02-01", JSON, "{\"messages\":[]}", NULL, NULL, "llm",
	  "r.openai.azure.com", "CreateChatCompletion", "{\"deployment\":\"d1\",\"messages\":0}", NULL, true },
	{ "POST https://api.openai.com/v1/responses", JSON, "{\"model\":\"o3\",\"input\":\"PROMPT\",\"stream\":true}", "content-type: text/event-stream",
	  "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"usage\":null}}\n\nevent: x\ndata: {\"delta\":\"COMPLETION\"}\n\n"
	  "data: {\"response\":{\"usage\":{\"input_tokens\":37,\"output_tokens\":11,\"total_tokens\":48}}}\n\n", "llm", "api.openai.com", "CreateResponse",
	  "{\"model\":\"o3\",\"stream\":true}", "{\"usage\":{\"total_tokens\":48,\"input_tokens\":37,\"output_tokens\":11}}", true },
	/* docs.anthropic.com/en/api/messages */
	{ "POST https://api.anthropic.com/v1/messages", JSON "\nanthropic-version: 2023-06-01\nx-api-key: sk-ant-x",
	  "{\"model\":\"claude-3-5-sonnet-20241022\",\"max_tokens\":1024,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"PROMPT\"}]}",
	  "content-type: text/event-stream; charset=utf-8",
	  "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n"
	  "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":15}}\n\n", "llm", "api.anthropic.com", "CreateMessage",
	  "{\"model\":\"claude-3-5-sonnet-20241022\",\"stream\":true,\"max_tokens\":1024,\"messages\":1}",
	  "{\"usage\":{\"input_tokens\":25,\"output_tokens\":15}}", true },
	/* ai.google.dev/api/generate-content */
	{ "POST https://generativelanguage.googleapis.com/v1beta/models/gemini-1.5-flash:generateContent?key=PLANTED", JSON,
	  "{\"contents\":[{\"parts\":[{\"text\":\"PROMPT\"}]}],\"generationConfig\":{\"maxOutputTokens\":800,\"stopSequences\":[\"PROMPT\"]}}",
	  "content-type: application/json", "{\"candidates\":[],\"usageMetadata\":{\"promptTokenCount\":4,\"totalTokenCount\":10}}", "llm",
	  "generativelanguage.googleapis.com", "GenerateContent", "{\"model\":\"gemini-1.5-flash\",\"messages\":1,\"maxOutputTokens\":800}",
	  "{\"usage\":{\"promptTokenCount\":4,\"totalTokenCount\":10}}", true },
	/* cut off before the model: what is not known is absent */
	{ "POST https://api.openai.com/v1/embeddings", JSON, "{\"input\":\"PROMPT", "content-type: application/json\ncontent-encoding: gzip", "x", "llm",
	  "api.openai.com", "CreateEmbedding", NULL, NULL, true },
	/* www.jsonrpc.org/specification */
	{ "POST https://rpc.test/", JSON, "{\"jsonrpc\": \"2.0\", \"method\": \"subtract\", \"params\": [42, 23], \"id\": 1}", NULL, NULL, "jsonrpc", "rpc.test",
	  "subtract", "{\"jsonrpc\":\"2.0\",\"id\":1}", NULL, false },
	{ "POST https://rpc.test/", JSON, "[{\"jsonrpc\":\"2.0\",\"method\":\"sum\",\"params\":[1],\"id\":\"1\"},{\"jsonrpc\":\"2.0\",\"method\":\"b\"}]", NULL,
	  NULL, "jsonrpc", "rpc.test", "sum", "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"batch\":2}", NULL, false },
	/* modelcontextprotocol.io/specification */
	{ "POST https://mcp.test/mcp", JSON "\nmcp-protocol-version: 2025-06-18\nmcp-session-id: PLANTED",
	  "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"get_weather\",\"arguments\":{\"location\":\"PLANTED\"}}}", NULL, NULL,
	  "mcp", "mcp.test", "tools/call", "{\"jsonrpc\":\"2.0\",\"id\":2,\"name\":\"get_weather\"}", NULL, false },
	/* graphql.org/learn/serving-over-http */
	{ "POST https://api.github.com/graphql", JSON, "{\"query\":\"# c\\nmutation AddStar($id: ID!) { addStar }\",\"variables\":{\"id\":\"PLANTED\"}}", NULL,
	  NULL, "graphql", "api.github.com", "mutation AddStar", "{\"operationType\":\"mutation\",\"operationName\":\"AddStar\"}", NULL, false },
	{ "POST https://g.test/api", JSON, "{\"operationName\":\"Q\",\"query\":\"{ me { name } }\",\"variables\":{}}", NULL, NULL, "graphql", "g.test", "query Q",
	  "{\"operationType\":\"query\",\"operationName\":\"Q\"}", NULL, true },
	/* neither */
	{ "POST https://s.test/search", JSON, "{\"query\":\"{PLANTED\"}", NULL, NULL, "http", "s.test", "POST /search",
	  "{\"path\":\"/search\",\"contentType\":\"application/json\"}", NULL, false },
	{ "POST https://s.test/x", JSON, "{\"method\":\"PLANTED\"}", NULL, NULL, "http", "s.test", "POST /x",
	  "{\"path\":\"/x\",\"contentType\":\"application/json\"}", NULL, false },
	/* github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
	{ "POST https://pubsub.googleapis.com/google.pubsub.v1.Publisher/CreateTopic", "content-type: application/grpc\nx-goog-request-params: name=projects%2Fp%2Ftopics%2Ft",
	  NULL, NULL, NULL, "grpc", "pubsub.googleapis.com", "google.pubsub.v1.Publisher/CreateTopic",
	  "{\"service\":\"google.pubsub.v1.Publisher\",\"method\":\"CreateTopic\",\"routing\":{\"name\":\"projects/p/topics/t\"}}", NULL, false },
	{ "POST https://etcd.test:2379/etcdserverpb.KV/Range", "content-type: application/grpc+proto", NULL, NULL, NULL, "grpc", "etcd.test",
	  "etcdserverpb.KV/Range", "{\"service\":\"etcdserverpb.KV\",\"method\":\"Range\"}", NULL, true },
};

static void describes_calls(void)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		callmake(&m, rows[i].request, rows[i].fields, rows[i].body, 200, rows[i].answer_type, rows[i].answer);
		must(!callmake_describe(&m));
		ok_str(m.out.rule, rows[i].rule);
		ok_str(callmake_text(&m, m.out.event_source), rows[i].source);
		ok_str(callmake_text(&m, m.out.event_name), rows[i].name);
		ok_str(callmake_text(&m, m.out.request_parameters), rows[i].parameters ? rows[i].parameters : "(absent)");
		ok_str(callmake_text(&m, m.out.response_elements), rows[i].elements ? rows[i].elements : "(absent)");
		ok_int(m.out.read_only, rows[i].read_only);
	}
}

static void grpc_errors_stand_in_trailers(void)
{
	static const struct {
		const char *trailers, *fields, *code, *message;
	} t[] = {
		{ "grpc-status: 5\ngrpc-message: no%20such%20key", NULL, "NOT_FOUND", "no such key" },
		{ "", "grpc-status: 16", "UNAUTHENTICATED", "(absent)" },
		{ "grpc-status: 0", NULL, "(absent)", "(absent)" },
		{ "grpc-status: 99", NULL, "UNKNOWN", "(absent)" },
		{ "grpc-status: 3\ngrpc-message: bad token ghp_0123456789abcdefghijABCDEFGHIJ012345", NULL, "INVALID_ARGUMENT", "(absent)" },
	};

	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		callmake(&m, "POST https://a.test/p.S/M", "content-type: application/grpc", NULL, 200, t[i].fields, NULL);
		m.call.response.trailers = m.trailers;
		m.call.response.ntrailers = callmake_fields(t[i].trailers, m.trailers);
		must(!callmake_describe(&m));
		ok_str(callmake_text(&m, m.out.error_code), t[i].code);
		ok_str(callmake_text(&m, m.out.error_message), t[i].message);
	}
}

static void other_errors_have_their_code(void)
{
	callmake(&m, "POST https://api.anthropic.com/v1/messages", JSON "\nanthropic-version: 2023-06-01", "{}", 529, JSON,
		 "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"PLANTED\"}}");
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.error_code), "overloaded_error");
	callmake(&m, "POST https://rpc.test/", "content-type: application/json-rpc", "{\"jsonrpc\":\"2.0\",\"method\":\"foobar\",\"id\":\"1\"}", 200, JSON,
		 "{\"jsonrpc\": \"2.0\", \"error\": {\"code\": -32601, \"message\": \"Method not found\"}, \"id\": \"1\"}");
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.error_code), "JsonRpcError-32601");
}

/* gzip, zlib and bare deflate, whole and cut off: what came out of it counts. */
static void compressed_answers_are_read(void)
{
	static const struct {
		const char *coding;
		int bits;
	} codings[] = { { "gzip", 31 }, { "deflate", 15 }, { "deflate", -15 } };
	static const char first[] = "data: {\"usage\":{\"input_tokens\":7}}\n\n", second[] = "data: {\"usage\":{\"output_tokens\":9}}\n\n";
	unsigned char packed[3][1000];
	char fields[100];

	for (unsigned i = 0; i < 3; i++)
		for (unsigned cut = 0; cut < 2; cut++) {
			z_stream z = { .next_out = packed[i], .avail_out = sizeof(packed[i]), .next_in = (Bytef *)first, .avail_in = sizeof(first) - 1 };
			size_t half;

			must(deflateInit2(&z, 9, Z_DEFLATED, codings[i].bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
			must(deflate(&z, Z_SYNC_FLUSH) == Z_OK);
			half = z.total_out;
			z.next_in = (Bytef *)second;
			z.avail_in = sizeof(second) - 1;
			must(deflate(&z, Z_FINISH) == Z_STREAM_END);
			snprintf(fields, sizeof(fields), "content-type: text/event-stream\ncontent-encoding: %s", codings[i].coding);
			callmake(&m, "POST https://api.openai.com/v1/responses", JSON, "{}", 200, fields, NULL);
			m.call.response.body.prefix = (struct str){ (const char *)packed[i], cut ? half + 3 : z.total_out };
			deflateEnd(&z);
			must(!callmake_describe(&m));
			ok_str(callmake_text(&m, m.out.response_elements),
			       cut ? "{\"usage\":{\"input_tokens\":7}}" : "{\"usage\":{\"input_tokens\":7,\"output_tokens\":9}}");
		}
	m.call.response.body.prefix = STR("\x1f\x8bno gzip at all");
	must(!callmake_describe(&m));
	ok(!m.out.response_elements.p);
	callmake(&m, "POST https://api.openai.com/v1/responses", JSON, "{}", 200, "content-type: application/json\ncontent-encoding: br",
		 "{\"usage\":{\"input_tokens\":7}}");
	must(!callmake_describe(&m));
	ok(!m.out.response_elements.p);
}

/* As the answers; what is counted is what was on the wire. */
static void compressed_requests_are_read(void)
{
	static const char body[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"do.it\",\"params\":[\"a secret of the caller's\"]}";
	unsigned char packed[1000];
	z_stream z = { .next_out = packed, .avail_out = sizeof(packed), .next_in = (Bytef *)body, .avail_in = sizeof(body) - 1 };

	must(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK && deflate(&z, Z_FINISH) == Z_STREAM_END);
	callmake(&m, "POST https://rpc.test/", "content-type: application/json\ncontent-encoding: gzip", NULL, 200, NULL, NULL);
	m.call.request.body = (struct http_body){ { (const char *)packed, z.total_out }, z.total_out };
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.event_name), "do.it");
	ok_str(m.out.rule, "jsonrpc");
	ok(strstr(callmake_text(&m, m.out.additional), "\"bytesTransferredIn\":"));
	ok(!strstr(callmake_text(&m, m.out.request_parameters), "secret"));
	m.call.request.body.prefix.n -= 20;		/* the name came before that */
	must(!callmake_describe(&m));
	ok_str(callmake_text(&m, m.out.event_name), "do.it");
	m.call.request.body.prefix = STR("\x1f\x8b is none");
	must(!callmake_describe(&m));
	ok_str(m.out.rule, "http");
	callmake(&m, "POST https://rpc.test/", "content-type: application/json\ncontent-encoding: zstd", body, 200, NULL, NULL);
	must(!callmake_describe(&m));
	ok_str(m.out.rule, "http");
	callmake(&m, "POST https://rpc.test/", "content-type: application/json\ncontent-encoding: identity", body, 200, NULL, NULL);
	must(!callmake_describe(&m));
	ok_str(m.out.rule, "jsonrpc");
	deflateEnd(&z);
}

static const struct tap_case cases[] = { CASE(describes_calls), CASE(compressed_requests_are_read), CASE(compressed_answers_are_read), CASE(grpc_errors_stand_in_trailers), CASE(other_errors_have_their_code) };

int main(void)
{
	int r = tap_run(cases, sizeof(cases) / sizeof(cases[0]));

	api_arena_free(&m.arena);
	return r;
}

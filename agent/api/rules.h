/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules.h - for the rules in this folder: the rules of each, and what they share. Nobody else includes it.
 *
 * api_describe() has filled in what is the same for all (event type, source, user agent, request id, error by status); a rule's
 * describe changes what it knows better, and may leave `additional` absent: it then becomes what api_additional() writes. It may also
 * answer 1, having changed nothing: by its body the call is not this rule's, and the next is asked.
 */
#ifndef HOSTTRAIL_API_RULES_H
#define HOSTTRAIL_API_RULES_H

#include "api.h"
#include "jsontext.h"
#include "secret.h"
#include "text.h"
#include "uri.h"

extern const struct api_rule api_rule_files, api_rule_kube, api_rule_docker, api_rule_oci, api_rule_vault, api_rule_git, api_rule_github,
	api_rule_azure, api_rule_google, api_rule_llm, api_rule_grpc, api_rule_rpc, api_rule_http;

/* The first field of a head (lower-case name), or an absent one. */
struct str api_field(const struct http_head *h, const char *name);
/* Is the content type this one, whatever parameters follow it? */
bool api_content_type(const struct http_head *h, const char *type);
/* What every record has in additionalEventData: method, status, bytes, scheme of authorization, what is missing. */
void api_additional(struct jsontext *j, const struct http_call *call);
/* How much of a response's body is wanted where only a failed call's is read: n, until the status is known to be another. */
uint32_t api_error_wants(const struct http_call *call, uint32_t n);
/* Of a failed call whose body is JSON: its error code, if a word stands at that path (jsonread_at()). Nothing else changes. */
void api_json_error(const struct http_call *call, const char *path, struct api_arena *a, struct api_call *ret_call);
/* The same of a word that was found elsewhere. */
void api_error_word(struct str word, struct api_arena *a, struct api_call *ret_call);
/* GET, HEAD, OPTIONS, TRACE. */
bool api_method_reads(struct str method);
/* One printable text out of several, at most 255 bytes. The parts end with an absent one. Absent: no memory. */
struct str api_join(struct api_arena *a, ...);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine's parser makes of a user's statement, as ClickHouse's SQL: the tree is bytes here. Refused with a sentence, or one statement. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "store/clickhouse/translate.h"
#include "store/lake/timebound.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Outside quotes nothing ends the statement, and no comment begins. */
static void one_statement(const struct buf *sql)
{
	char quote = 0;

	for (size_t i = 0; i < sql->n; i++) {
		char c = (char)sql->p[i];

		if (quote && c == '\\')
			i++;
		else if (quote)
			quote = c == quote ? 0 : quote;
		else if (c == '\'' || c == '`' || c == '"')
			quote = c;
		else if (c == ';' || c == '#' || (c == '/' && i + 1 < sql->n && sql->p[i + 1] == '*'))
			abort();
	}
	if (quote)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *tree = json_tokener_parse_ex(t, (const char *)p, (int)n);
	struct translated out = { 0 };
	char why[TRANSLATE_WHY_MAX] = "";
	struct translate_source sources[] = { { .id = "2a8f2138-0caa-46c8-a194-0123456789ab", .builtin = true }, { .id = "3b8f2138-0caa-46c8-a194-0123456789ab" } };

	buf_adds(&sources[0].from, "FROM t WHERE kind = 0");
	buf_adds(&sources[1].from, "FROM t PREWHERE kind = 0 AND has(stores, 7) WHERE 1");

	for (int modern = 0; modern < 2 && tree; modern++) {
		int r = translate(tree, sources, 2, modern, &out, why);

		if (r == -EINVAL && !*why)
			abort();
		if (r == 0)
			one_statement(&out.sql);
		translated_free(&out);
	}
	if (tree)
		time_bound_of(tree, 1);
	for (unsigned i = 0; i < 2; i++)
		buf_free(&sources[i].from);
	json_object_put(tree);
	json_tokener_free(t);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Short texts that programs and people choose: a cgroup's path, a text with secrets, a bearer token, base64, a page's token, YAML. The first byte
 * says which. What is found lies in the text, or is written the same way again. */
#include <stdlib.h>
#include <string.h>

#include "agent/api/api.h"
#include "agent/api/jwt.h"
#include "agent/cgroupname.h"
#include "lib/buf.h"
#include "lib/yamltree.h"
#include "proto/redact.h"
#include "store/token.h"
#include "tests/fuzz/textinput.h"
#include "proto/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool lies_in(struct str part, const char *text, size_t n)
{
	return part.p >= text && part.n <= n && part.p + part.n <= text + n;
}

static void cgroup(const char *text, size_t n)
{
	struct str found;

	need(!cgroup_container((struct str){ text, n }, &found) || (found.n == 64 && lies_in(found, text, n)));
	need(!cgroup_unit((struct str){ text, n }, &found) || (found.n && lies_in(found, text, n)));
}

/* With little room all the more is hidden. */
static void redact(const char *text, size_t n)
{
	char room[256];

	for (size_t max = 0; max <= sizeof(room); max += 64) {
		struct str s = { text, n }, o = s, v[3] = { { text, n / 2 }, { text + n / 2, n - n / 2 }, s };

		need(redact_text(&s, room, max) || lies_in(s, text, n));
		need(redact_options(&o, room, max) || lies_in(o, text, n));
		need(redact_argv(v, 3, room, max) <= 3);
	}
	redact_is_secret_name(text, n);
}

static void bearer(const char *text, size_t n)
{
	struct api_arena *a;

	if (api_arena_new(&a) == 0)
		need(jwt_claim((struct str){ text, n }, "sub", a).n <= 256);
	api_arena_free(&a);
}

static void base64(const char *text)
{
	struct buf bytes = { 0 }, again = { 0 };

	if (base64_decode(text, &bytes) == 0)
		need(base64_encode(bytes.p, bytes.n, &again) == 0 && !strcmp(buf_text(&again), text));
	else
		need(!bytes.n);
	buf_free(&bytes);
	buf_free(&again);
}

static void token(const char *text)
{
	static const uint8_t key[32] = { 1 };
	char again[TOKEN_TEXT];
	struct index_key at;

	if (token_read(key, "x", 1, text, &at) == 0) {
		token_make(key, "x", 1, &at, again);
		need(!strcmp(again, text));
	}
}

static void yaml(const char *text, size_t n)
{
	char why[YAMLTREE_WHY_MAX] = "";
	struct yamltree *t = NULL;

	need(yamltree_parse("f", text, n, &t, why) == 0 || (!t && !strncmp(why, "f", 1)));
	if (t && t->kind == YAMLTREE_MAP && t->n)
		need(yamltree_get(t, t->keys[0]) == t->v[0]);
	yamltree_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text;

	if (!n)
		return 0;
	text = textinput(p, n);
	switch (*p) {
	case 'c':
		cgroup(text, n - 1);
		break;
	case 'r':
		redact(text, n - 1);
		break;
	case 'j':
		bearer(text, n - 1);
		break;
	case 'b':
		base64(text);
		break;
	case 't':
		token(text);
		break;
	default:
		yaml(text, n - 1);
	}
	free(text);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* aws_secret.c - what is a secret though the model does not say so: texts, words of command lines, and pairs whose name tells it. */
#include "agent/api/aws_internal.h"

#define TEXT_LOOKED_AT (16 * 1024)	/* no more of a text is written */
#define TEXT_ROOM 256		/* for what stands in the places of secrets */
#define WORDS_MAX 64

/* ARNs have none. */
bool aws_secret_text(struct api_arena *a, struct str value)
{
	struct str s = str_first(value, TEXT_LOOKED_AT);
	char *room;

	if (secret_token(value))
		return true;
	if (s.n < 6 || str_begins(s, "arn:aws") || !(memchr(s.p, '=', s.n) || memchr(s.p, ':', s.n) || memchr(s.p, ' ', s.n)))
		return false;
	room = api_arena_get(a, s.n + TEXT_ROOM);
	return !room || redact_text(&s, room, s.n + TEXT_ROOM);
}

/* "--password" says what the next word is. All of a word is hidden. */
void aws_secret_words(struct aws_emit *e, struct aws_node *const *v, unsigned n)
{
	struct str words[WORDS_MAX];
	size_t room = TEXT_ROOM;
	bool options = false;
	char *at;

	n = n < WORDS_MAX ? n : WORDS_MAX;
	for (unsigned i = 0; i < n; i++) {
		words[i] = v[i]->kind == NODE_TEXT ? v[i]->text : STR("");
		room += 2 * words[i].n;
		options |= str_begins(words[i], "-");
	}
	at = options ? api_arena_get(e->arena, room) : NULL;
	if (!at || !redact_argv(words, n, at, room))
		return;
	for (unsigned i = 0; i < n; i++)
		if (v[i]->kind == NODE_TEXT && !str_equal(v[i]->text, words[i]))
			v[i]->text = STR(REDACT_HIDDEN);
}

void aws_secret_children(struct aws_emit *e, struct aws_node *n)
{
	struct aws_node *v[WORDS_MAX];
	unsigned count = 0;

	for (struct aws_node *c = n->first; c && count < WORDS_MAX; c = c->next)
		v[count++] = c;
	aws_secret_words(e, v, count);
}

bool aws_secret_pair(const struct aws_node *n)
{
	for (const struct aws_node *c = n->first; c; c = c->next) {
		struct str name = c->text;
		const char *slash;

		if (c->kind != NODE_TEXT || !str_among_nocase(c->name, "key name path optionname headername attributename"))
			continue;
		slash = name.n ? memrchr(name.p, '/', name.n) : NULL;
		if (slash)
			name = str_from(name, (size_t)(slash + 1 - name.p));
		if (redact_is_secret_name(name.p, name.n))
			return true;
	}
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* redact_rules.h - what redact.c looks up: which options of which commands carry secrets, which names and forms do. */
#ifndef HOSTTRAIL_REDACT_RULES_H
#define HOSTTRAIL_REDACT_RULES_H

#include <stdint.h>
#include <string.h>

#include "redact.h"

enum rule_kind {
	NEXT = 0,	/* the word behind the option, or what is joined to it */
	JOINED,		/* only what is joined to the option */
	USERPASS,	/* like NEXT, if it has the separator in it */
	LAST,		/* the last word, if a short option of that letter was given */
};

struct rule {
	const char *commands;	/* separated by blanks */
	const char *sub;	/* a word that must come between, or NULL */
	const char *option;
	enum rule_kind kind;
	char separator;
	const char *flags;	/* letters that may stand before the option's in one word: of options without a value */
};

/* Rule i, NULL behind the last; at most 64. */
const struct rule *redact_rule(unsigned i);
/* A bit for every rule of the command that the word names. */
uint64_t redact_rules_of(struct str command);
/* Is it a secret's name in a URL's query? More names are than elsewhere. */
bool redact_is_secret_query(const char *p, size_t n);
/* Does the text show by its form that it is a secret? One that does has so many bytes, and begins like this. */
#define REDACT_TOKEN_MIN 20
bool redact_has_token_form(struct str s);
bool redact_may_be_token(char first);

static inline bool starts(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && !memcmp(s.p, prefix, n);
}

static inline bool equals(struct str s, const char *text)
{
	return s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

#endif

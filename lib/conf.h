/* SPDX-License-Identifier: Apache-2.0 */
/* conf.h - one table per program: YAML keys, types, defaults, bounds, help.
 *
 * The same table parses the file (libyaml), prints --help's key list and the man page's.
 * A file is a flat mapping; a list value is a YAML sequence of scalars. Unknown keys, wrong types and values out
 * of bounds are errors with the line number: conf_load() fills `why` with
 * "FILE:LINE: text" and changes nothing of the destination.
 * Strings are heap copies owned by the destination struct; conf_free() frees them. */
#ifndef HOSTTRAIL_CONF_H
#define HOSTTRAIL_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum conf_type {
	CONF_STRING,	/* char * */
	CONF_BOOL,	/* bool */
	CONF_INT,	/* int64_t, min..max */
	CONF_SIZE,	/* uint64_t bytes; accepts K M G (powers of 1024), min..max */
	CONF_MS,	/* int64_t ms; accepts ms s m h d, bare numbers are seconds, min..max */
	CONF_ENUM,	/* int: index into `choices` (NULL-terminated) */
	CONF_LIST,	/* struct conf_list of strings */
};

struct conf_list {
	char **v;
	size_t n;
};

struct conf_key {
	const char *key;
	enum conf_type type;
	size_t offset;			/* in the program's config struct */
	const char *fallback;		/* default as text; NULL: empty, 0, false */
	int64_t min, max;		/* numbers; both 0: no bounds */
	const char *const *choices;	/* CONF_ENUM */
	const char *help;
};

#define CONF_WHY_MAX 512

/* Sets every key's default. 0, or -EINVAL/-ENOMEM if the table itself is wrong. */
int conf_defaults(const struct conf_key *keys, size_t nkeys, void *dest);
/* Reads a file over what dest holds. 0, or -errno with a line in why. */
int conf_load(const struct conf_key *keys, size_t nkeys, void *dest, const char *path, char why[CONF_WHY_MAX]);
/* A program's settings: every key's default, the file (NULL: none) over them, then what the program itself asks of dest (check, before whose `why`
 * the file's name is put). 0, or -errno with one line in why; conf_free() still has to free what dest holds then. */
typedef int (*conf_check_fn)(const void *dest, char why[CONF_WHY_MAX]);
int conf_read(const struct conf_key *keys, size_t nkeys, void *dest, const char *path, conf_check_fn check, char why[CONF_WHY_MAX]);
/* One key from text (for tests and command-line overrides "key=value"). */
int conf_set(const struct conf_key *keys, size_t nkeys, void *dest, const char *key, const char *value,
	     char why[CONF_WHY_MAX]);
void conf_free(const struct conf_key *keys, size_t nkeys, void *dest);
void conf_help(const struct conf_key *keys, size_t nkeys, FILE *out);

#endif

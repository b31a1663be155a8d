/* SPDX-License-Identifier: Apache-2.0 */
#include "labels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/recordread.h"

#define BLANKS " \t"
#define ID 36

bool label_is_good(const char *label)
{
	const char *equals = strchr(label, '=');

	return equals && equals > label && equals[1] && !strpbrk(label, BLANKS ",");
}

/* The next word behind *at, its length; NULL: no more. */
static const char *next_word(const char **at, size_t *ret_n)
{
	const char *word = *at + strspn(*at, BLANKS);

	*ret_n = strcspn(word, BLANKS);
	*at = word + *ret_n;
	return *ret_n ? word : NULL;
}

static int check_line(const char *line)
{
	char word[ID + 1], again[ID + 1];
	const char *at = line, *p = next_word(&at, &(size_t){ 0 });
	unsigned labels = 0;
	uint8_t id[16];
	size_t n;

	if (!p || at - p != ID)
		return -EINVAL;
	memcpy(word, p, ID);
	word[ID] = '\0';
	if (uuid_parse(word, id) < 0)
		return -EINVAL;
	uuid_text(id, again);
	if (strcmp(word, again))	/* as certificates have it: in lower case */
		return -EINVAL;
	while ((p = next_word(&at, &n))) {
		_cleanup_free_ char *label = strndup(p, n);

		if (!label || !label_is_good(label))
			return label ? -EINVAL : -ENOMEM;
		labels++;
	}
	return labels ? 0 : -EINVAL;
}

/* Lines that are good: the id stands after the blanks. */
static const char *id_of(const char *line)
{
	return line + strspn(line, BLANKS);
}

int labels_check(const struct conf_list *lines, char why[256])
{
	for (size_t i = 0; i < lines->n; i++) {
		if (check_line(lines->v[i]) < 0) {
			snprintf(why, 256, "host_labels: \"%.150s\": must be a host's id and name=value words", lines->v[i]);
			return -EINVAL;
		}
		for (size_t k = 0; k < i; k++)
			if (!memcmp(id_of(lines->v[k]), id_of(lines->v[i]), ID)) {
				snprintf(why, 256, "host_labels: host %.36s has two lines", id_of(lines->v[i]));
				return -EINVAL;
			}
	}
	return 0;
}

static bool has(const char *line, const char *label)
{
	const char *at = id_of(line) + ID, *p;
	size_t n;

	while ((p = next_word(&at, &n)))
		if (strlen(label) == n && !memcmp(label, p, n))
			return true;
	return false;
}

static bool is_chosen(const char *line, char *const *wanted, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		size_t name = (size_t)(strchr(wanted[i], '=') - wanted[i]) + 1;
		bool found = false;

		for (unsigned k = 0; k < n && !found; k++)
			found = !strncmp(wanted[k], wanted[i], name) && has(line, wanted[k]);
		if (!found)
			return false;
	}
	return true;
}

int labels_hosts(const struct conf_list *lines, char *const *wanted, unsigned n, char ***ret_hosts, unsigned *ret_n)
{
	char **v = calloc(lines->n + 1, sizeof(*v));
	unsigned found = 0;
	bool failed = !v;

	for (size_t i = 0; !failed && i < lines->n; i++) {
		if (!is_chosen(lines->v[i], wanted, n))
			continue;
		v[found] = strndup(id_of(lines->v[i]), ID);
		failed = !v[found];
		found += !failed;
	}
	if (!failed) {
		*ret_hosts = v;
		*ret_n = found;
		return 0;
	}
	while (found)
		free(v[--found]);
	free(v);
	return -ENOMEM;
}

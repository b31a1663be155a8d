/* SPDX-License-Identifier: Apache-2.0 */
/* conf_internal.h - between conf.c (types) and conf_yaml.c (the file). */
#ifndef HOSTTRAIL_CONF_INTERNAL_H
#define HOSTTRAIL_CONF_INTERNAL_H

#include "conf.h"

/* A parsed value that is not in the program's struct yet. */
struct conf_value {
	int64_t number;
	char *text;
	struct conf_list list;
};

void conf_value_free(struct conf_value *v);
int conf_list_add(struct conf_list *l, const char *p, size_t n);
const struct conf_key *conf_find(const struct conf_key *keys, size_t nkeys, const char *key);
int conf_parse(const struct conf_key *k, const char *text, struct conf_value *ret, char why[CONF_WHY_MAX]);
void conf_commit(const struct conf_key *k, struct conf_value *v, void *dest);

#endif

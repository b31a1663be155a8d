/* SPDX-License-Identifier: Apache-2.0 */
/* rules_load.c - the rule files in use: those of a directory, all or none; and the rule that asks them in turn. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "proto/keys.h"
#include "rulefile.h"

#define FILES_MAX 64

struct set {
	struct rule_file *v[FILES_MAX];
	unsigned n;
	uint8_t digest[32];		/* of the digest so far and the next file's text */
	char sha256[65];
};

static struct set in_use;	/* written by api_rules_load() and api_rules_free() alone */

static void set_free(struct set *s)
{
	for (unsigned i = 0; i < s->n; i++)
		rulefile_free(&s->v[i]);
	*s = (struct set){ 0 };
}

static void digest_text(struct set *s, const struct buf *text)
{
	uint8_t both[64];

	memcpy(both, s->digest, 32);
	sha256(text->p, text->n, both + 32);
	sha256(both, sizeof(both), s->digest);
	hex_text(s->digest, 32, s->sha256);
}

static int is_yaml(const struct dirent *e)
{
	return e->d_name[0] != '.' && str_ends(str_of(e->d_name), ".yaml");
}

static int load_one(struct set *s, const char *path, char why[API_WHY_MAX])
{
	_cleanup_buf_ struct buf text = { 0 };
	int r;

	if (s->n == FILES_MAX) {
		snprintf(why, API_WHY_MAX, "%.300s: there are more than %d rule files", path, FILES_MAX);
		return -E2BIG;
	}
	r = fsx_read(path, YAMLTREE_BYTES_MAX, &text);
	if (r < 0) {
		snprintf(why, API_WHY_MAX, "%.300s: %s", path, r == -E2BIG ? "the file is too large" : strerror(-r));
		return r;
	}
	r = rulefile_parse(path, text.n ? (const char *)text.p : "", text.n, &s->v[s->n], why);
	if (r)
		return r;
	s->n++;
	digest_text(s, &text);
	return 0;
}

static int load_all(struct set *s, const char *dir, char why[API_WHY_MAX])
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_yaml, alphasort), r = n < 0 ? -errno : 0;
	char path[4096];

	if (r < 0)
		snprintf(why, API_WHY_MAX, "%.300s: %s", dir, strerror(-r));
	for (int i = 0; i < n; i++) {
		int length = snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);

		if (!r && length > 0 && (size_t)length < sizeof(path))
			r = load_one(s, path, why);
		free(names[i]);
	}
	free(names);
	return r;
}

int api_rules_load(const char *path, char why[API_WHY_MAX])
{
	const char *where = path ? path : API_RULES_DIR;
	struct set s = { 0 };
	struct stat st;
	int r;

	why[0] = '\0';
	if (stat(where, &st) < 0) {
		if (!strcmp(where, API_RULES_DIR) && errno == ENOENT)
			return 0;
		r = -errno;
		snprintf(why, API_WHY_MAX, "%.300s: %s", where, strerror(-r));
		return r;
	}
	r = S_ISDIR(st.st_mode) ? load_all(&s, where, why) : load_one(&s, where, why);
	if (r < 0) {
		set_free(&s);
		return r;
	}
	set_free(&in_use);
	in_use = s;
	return (int)s.n;
}

void api_rules_free(void)
{
	set_free(&in_use);
}

const char *api_rules_sha256(void)
{
	return in_use.sha256;
}

static bool match(const struct api_peer *peer, const struct http_call *call)
{
	for (unsigned i = 0; i < in_use.n; i++)
		if (rulefile_match(in_use.v[i], peer, call, 0) >= 0)
			return true;
	return false;
}

/* Of all files that may turn out to be it. */
static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
	for (unsigned i = 0; i < in_use.n; i++) {
		struct http_wants w = { 0 };

		if (!rulefile_wants(in_use.v[i], peer, call, &w))
			continue;
		ret_wants->request = w.request > ret_wants->request ? w.request : ret_wants->request;
		ret_wants->response = w.response > ret_wants->response ? w.response : ret_wants->response;
	}
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	int r = 1;

	for (unsigned i = 0; r > 0 && i < in_use.n; i++)
		r = rulefile_describe(in_use.v[i], peer, call, a, ret_call);
	return r;
}

const struct api_rule api_rule_files = { "file", match, wants, describe, NULL, false };

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/cleanup.h"

struct duck duck;

static void *open_beside(const char *folder)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);
	char *slash;

	if (n < 0)
		return NULL;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return NULL;
	snprintf(slash, sizeof(path) - (size_t)(slash - path), "/../%s/libduckdb.so", folder);
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static void *open_library(const char *path)
{
	void *h;

	if (path && *path)
		return dlopen(path, RTLD_NOW | RTLD_LOCAL);
	h = open_beside("lib/hosttrail");
	if (!h)
		h = open_beside("duckdb");
	return h ? h : dlopen("libduckdb.so", RTLD_NOW | RTLD_LOCAL);
}

int duck_load(const char *path, char why[DUCK_WHY_MAX])
{
	static const char *const names[] = {
#define DUCK_NAME(name) "duckdb_" #name,
		DUCK_FUNCTIONS(DUCK_NAME)
#undef DUCK_NAME
	};
	void *table[ARRAY_SIZE(names)], *h;

	_Static_assert(sizeof(table) == sizeof(duck), "a pointer for each function");
	if (duck.library_version)
		return 0;
	h = open_library(path);
	if (!h) {
		snprintf(why, DUCK_WHY_MAX, "%s", dlerror());
		return -ENOENT;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		table[i] = dlsym(h, names[i]);
		if (!table[i]) {
			snprintf(why, DUCK_WHY_MAX, "the library has no %s: it is too old", names[i]);
			dlclose(h);
			return -ENOENT;
		}
	}
	memcpy(&duck, table, sizeof(table));
	return 0;
}

int duck_open(const char *const *settings, duckdb_database *ret_db, char why[DUCK_WHY_MAX])
{
	duckdb_config config;
	char *error = NULL;
	int r = 0;

	if (duck.create_config(&config) != DuckDBSuccess)
		return -ENOMEM;
	for (; *settings && !r; settings += 2)
		if (duck.set_config(config, settings[0], settings[1]) != DuckDBSuccess) {
			snprintf(why, DUCK_WHY_MAX, "the engine does not take %s=%s", settings[0], settings[1]);
			r = -EINVAL;
		}
	if (!r && duck.open_ext(NULL, ret_db, config, &error) != DuckDBSuccess) {
		snprintf(why, DUCK_WHY_MAX, "%s", error ? error : "the engine does not open");
		r = -EIO;
	}
	if (error)
		duck.free(error);
	duck.destroy_config(&config);
	return r;
}

void duck_close(duckdb_database *db)
{
	if (*db)
		duck.close(db);
	*db = NULL;
}

void duck_disconnect(duckdb_connection *c)
{
	if (*c)
		duck.disconnect(c);
	*c = NULL;
}

static void say(char why[DUCK_WHY_MAX], const char *error)
{
	snprintf(why, DUCK_WHY_MAX, "%s", error ? error : "the engine failed");
}

int duck_run(duckdb_connection c, const char *sql, uint64_t *ret_rows, char why[DUCK_WHY_MAX])
{
	duckdb_result result;
	duckdb_data_chunk chunk;
	int r = 0;

	if (duck.query(c, sql, &result) != DuckDBSuccess) {
		say(why, duck.result_error(&result));
		r = -EIO;
	} else if (ret_rows) {
		*ret_rows = 0;
		chunk = duck.fetch_chunk(result);
		if (chunk && duck.data_chunk_get_size(chunk))
			*ret_rows = *(uint64_t *)duck.vector_get_data(duck.data_chunk_get_vector(chunk, 0));
		if (chunk)
			duck.destroy_data_chunk(&chunk);
	}
	duck.destroy_result(&result);
	return r;
}

static void take_text(duckdb_result result, struct buf *ret)
{
	duckdb_data_chunk chunk = duck.fetch_chunk(result);
	duckdb_string_t *s;

	if (!chunk)
		return;
	if (duck.data_chunk_get_size(chunk)) {
		s = duck.vector_get_data(duck.data_chunk_get_vector(chunk, 0));
		buf_add(ret, s->value.inlined.length <= 12 ? s->value.inlined.inlined : s->value.pointer.ptr, s->value.inlined.length);
	}
	duck.destroy_data_chunk(&chunk);
}

static void add_literal(const char *text, size_t n, struct buf *out)
{
	buf_addc(out, '\'');
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\'')
			buf_addc(out, '\'');
		buf_addc(out, (uint8_t)text[i]);
	}
	buf_addc(out, '\'');
}

int duck_tree(duckdb_connection c, const char *sql, size_t n, struct buf *ret, char why[DUCK_WHY_MAX])
{
	_cleanup_buf_ struct buf ask = { 0 };
	duckdb_result result;
	int r = 0;

	if (memchr(sql, '\0', n)) {
		say(why, "the statement holds a NUL byte");
		return -EINVAL;
	}
	buf_adds(&ask, "SELECT json_serialize_sql(");
	add_literal(sql, n, &ask);	/* a parameter would be bound three times before its type is known */
	buf_adds(&ask, ")");
	if (ask.failed)
		return -ENOMEM;
	if (duck.query(c, buf_text(&ask), &result) != DuckDBSuccess) {
		say(why, duck.result_error(&result));
		r = -EIO;
	} else {
		take_text(result, ret);
		r = ret->failed ? -ENOMEM : 0;
	}
	duck.destroy_result(&result);
	return r;
}

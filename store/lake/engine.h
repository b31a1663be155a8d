/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - DuckDB, loaded when the store starts; without it everything but the lake works.
 *
 * duck.name() is duckdb_name(). The library stays loaded. Thread-safe after duck_load(), which is for one thread.
 */
#ifndef HOSTTRAIL_STORE_LAKE_ENGINE_H
#define HOSTTRAIL_STORE_LAKE_ENGINE_H

#include <stdint.h>

#include "duckdb.h"

#define DUCK_WHY_MAX 1024

#define DUCK_FUNCTIONS(X)                                                                                                  \
	X(library_version) X(create_config) X(set_config) X(destroy_config) X(open_ext) X(close) X(connect) X(disconnect)  \
	X(free) X(query) X(destroy_result) X(result_error) X(fetch_chunk) X(column_count) X(column_name)      \
	X(column_logical_type) X(result_error_type) X(prepare) X(destroy_prepare) X(prepare_error) X(nparams)              \
	X(bind_varchar) X(prepared_statement_type) X(extract_statements)        \
	X(destroy_extracted) X(pending_prepared_streaming) X(execute_pending) X(destroy_pending) X(pending_error)          \
	X(create_logical_type) X(create_list_type) X(create_map_type) X(create_struct_type) X(destroy_logical_type)        \
	X(get_type_id) X(list_type_child_type) X(map_type_key_type) X(map_type_value_type) X(struct_type_child_count)      \
	X(struct_type_child_name) X(struct_type_child_type) X(decimal_scale) X(decimal_internal_type) X(enum_internal_type) \
	X(enum_dictionary_value) X(data_chunk_get_size) X(data_chunk_set_size) X(data_chunk_get_vector)                    \
	X(data_chunk_get_column_count) X(destroy_data_chunk) X(vector_size) X(vector_get_data) X(vector_get_validity)      \
	X(vector_ensure_validity_writable) X(validity_set_row_invalid) X(vector_assign_string_element_len)                 \
	X(list_vector_get_child) X(list_vector_get_size) X(list_vector_set_size) X(list_vector_reserve)                    \
	X(struct_vector_get_child) X(create_table_function) X(destroy_table_function) X(table_function_set_name)           \
	X(table_function_add_parameter) X(table_function_set_extra_info) X(table_function_set_bind)                        \
	X(table_function_set_init) X(table_function_set_local_init) X(table_function_set_function)                         \
	X(table_function_supports_projection_pushdown) X(register_table_function) X(bind_get_extra_info)                   \
	X(bind_add_result_column) X(bind_get_parameter) X(bind_set_bind_data) X(bind_set_error) X(init_get_bind_data)      \
	X(init_set_init_data) X(init_get_column_count) X(init_get_column_index) X(init_set_max_threads) X(init_set_error)  \
	X(function_get_bind_data) X(function_get_init_data) X(function_get_local_init_data) X(function_set_error)          \
	X(get_int64) X(destroy_value)

struct duck {
#define DUCK_MEMBER(name) __typeof__(duckdb_##name) *name;
	DUCK_FUNCTIONS(DUCK_MEMBER)
#undef DUCK_MEMBER
};
extern struct duck duck;

/* path NULL or "": beside the program (../lib/hosttrail, ../duckdb), then wherever the loader looks. 0 or -ENOENT and why. */
int duck_load(const char *path, char why[DUCK_WHY_MAX]);

/* A database in memory with these settings (name, value, ..., NULL). */
int duck_open(const char *const *settings, duckdb_database *ret_db, char why[DUCK_WHY_MAX]);
/* One statement, its result thrown away; ret_rows (may be NULL): the number in its first column, which COPY gives. 0 or
 * -EIO and why. */
int duck_run(duckdb_connection c, const char *sql, uint64_t *ret_rows, char why[DUCK_WHY_MAX]);
/* What the engine's parser makes of a statement, as JSON behind what ret holds; of what it cannot read, too: "error" is true then. 0, -EINVAL
 * or -EIO and why, -ENOMEM. */
struct buf;
int duck_tree(duckdb_connection c, const char *sql, size_t n, struct buf *ret, char why[DUCK_WHY_MAX]);
void duck_close(duckdb_database *db);		/* NULL-safe */
void duck_disconnect(duckdb_connection *c);	/* NULL-safe */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* values.h - the engine's values as the texts that CloudTrail Lake answers with. One thread per reader. */
#ifndef HOSTTRAIL_STORE_LAKE_VALUES_H
#define HOSTTRAIL_STORE_LAKE_VALUES_H

#include <stdbool.h>

#include "engine.h"
#include "lib/buf.h"

/* Row i of v appended to out: {a=b, c=d} for maps and structs, [a, b] for lists. *ret_null: it is NULL, nothing was
 * appended. 0, -ENOTSUP: a type that cannot be shown, -ENOMEM. */
int value_text(duckdb_vector v, duckdb_logical_type type, uint64_t i, struct buf *out, bool *ret_null);

#endif

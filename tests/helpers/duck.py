# SPDX-License-Identifier: Apache-2.0
"""The lake's engine, asked without the store: its library, by ctypes."""
import ctypes
import os

from tap import BUILD, Failed


class Duck:
    def __init__(self):
        self.lib = ctypes.CDLL(os.path.join(BUILD, "duckdb/libduckdb.so"))
        db, self.connection = ctypes.c_void_p(), ctypes.c_void_p()
        self.lib.duckdb_value_varchar.restype = ctypes.c_void_p
        self.lib.duckdb_value_varchar.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64]
        self.lib.duckdb_row_count.restype = ctypes.c_uint64
        self.lib.duckdb_result_error.restype = ctypes.c_char_p
        if self.lib.duckdb_open(None, ctypes.byref(db)) or self.lib.duckdb_connect(db, ctypes.byref(self.connection)):
            raise Failed("the engine does not open")

    def ask(self, sql, columns=0):
        """The first columns' texts, row by row."""
        result = (ctypes.c_uint64 * 8)()
        if self.lib.duckdb_query(self.connection, sql.encode(), ctypes.byref(result)):
            raise Failed("%s: %s" % (self.lib.duckdb_result_error(ctypes.byref(result)).decode(), sql))
        rows = self.lib.duckdb_row_count(ctypes.byref(result)) if columns else 0
        out = [[ctypes.string_at(self.lib.duckdb_value_varchar(ctypes.byref(result), c, i)).decode() for c in range(columns)] for i in range(rows)]
        self.lib.duckdb_destroy_result(ctypes.byref(result))
        return out


def parquet_counts(duck, path):
    """(rows, different records) of a file, every column of it read."""
    table = "read_parquet('%s', hive_partitioning = false)" % path
    read = ", ".join('bit_xor(hash("%s"))' % r[0] for r in duck.ask("SELECT column_name FROM (DESCRIBE SELECT * FROM %s)" % table, 1))
    n, ids = duck.ask("SELECT count(*), count(DISTINCT eventid || hostid), %s FROM %s" % (read, table), 2)[0]
    return int(n), int(ids)

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: first
"""Test of agent/api/aws_tables_*.c: they are what tools/aws_tables.py writes of the models, and stay small; a table that was edited is found."""
import functools
import os
import shutil
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "tests", "helpers"), os.path.join(TOP, "tools")]
import aws_tables  # noqa: E402
import tap  # noqa: E402

SIZE_MAX = 2_200_000
HERE = os.path.join(TOP, "agent/api")


@functools.lru_cache
def texts():
    if not os.path.isdir(aws_tables.DATA):
        raise tap.Skip("python3-botocore is not installed")
    if not aws_tables.same_version(aws_tables.DATA, HERE):
        raise tap.Skip("the models are of another version than the tables")
    return aws_tables.written(aws_tables.DATA)


def the_tables_are_what_the_models_give(t):
    t.equal(aws_tables.differing(texts(), HERE), [], "files that differ")


def an_edited_table_is_found(t):
    with tempfile.TemporaryDirectory(prefix="ht-aws.") as d:
        for name in aws_tables.FILES.values():
            shutil.copy(os.path.join(HERE, name), d)
        path = os.path.join(d, aws_tables.FILES["ops"])
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace('"iam"', '"mai"', 1))
        t.equal(aws_tables.differing(texts(), d), [aws_tables.FILES["ops"]], "files that differ")


def they_stay_small(t):
    size = sum(os.path.getsize(os.path.join(HERE, name)) for name in aws_tables.FILES.values())
    t.ok(size <= SIZE_MAX, "%d bytes of source" % size)


if __name__ == "__main__":
    tap.main([the_tables_are_what_the_models_give, an_edited_table_is_found, they_stay_small])

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Debian's unmodified boto3: each operation that it knows, and each one's errors by their names (helpers/everyop.py)."""
import os
import re
import sys
import time

import botocore.exceptions

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import everyop  # noqa: E402
import tap  # noqa: E402
from storekit import Store, fill  # noqa: E402

S = {}


def ask(operation, members):
    client, name = S["client"], re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
    if not hasattr(client, name):
        return None
    try:
        out = getattr(client, name)(**members)
    except botocore.exceptions.ParamValidationError as e:
        if "Unknown parameter" in str(e):   # a member that is younger than it
            return None
        raise
    except botocore.exceptions.ClientError as e:
        known = getattr(client.exceptions, e.response["Error"]["Code"], None)
        return ("error", e.response["Error"]["Code"]) if known and isinstance(e, known) else ("not in its model", e.response["Error"])
    out.pop("ResponseMetadata")
    return "out", out


def each_operation_and_its_errors(t):
    everyop.walk(t, ask, ("StartEventDataStoreIngestion", "StopEventDataStoreIngestion"))


def a_clean_end(t):
    t.equal(S["store"].stop(), 0, "exit status")
    t.ok("ERROR: " not in S["store"].stderr(), "no sanitizer report")


if __name__ == "__main__":
    with tap.Workdir() as d:
        os.mkdir(d + "/logs")
        fill(d + "/store", 3000, int(time.time()) - 4000, 10**9)
        S["store"] = Store(d + "/store", buckets=["logs %s/logs" % d])
        S["client"] = S["store"].boto()
        tap.main([each_operation_and_its_errors, a_clean_end])

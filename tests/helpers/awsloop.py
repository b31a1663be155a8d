# SPDX-License-Identifier: Apache-2.0
"""AWS's command line many times in one process, without the second that each start takes: on standard input a line of JSON, the arguments and
what the environment is to have; on standard output a line of JSON, the exit status and what it said."""
import contextlib
import io
import json
import os
import sys

import awscli.clidriver


def run(args, environment):
    before, out = dict(os.environ), io.StringIO()
    os.environ.update(environment)
    # its own data come with the import
    os.environ["AWS_DATA_PATH"] = os.pathsep.join(x["AWS_DATA_PATH"] for x in (before, environment) if x.get("AWS_DATA_PATH"))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = awscli.clidriver.create_clidriver().main(args)
    finally:
        os.environ.clear()
        os.environ.update(before)
    return status, out.getvalue()


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        print(json.dumps(run(*json.loads(line))), file=answers, flush=True)

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of tree.py: a clean small tree passes; each fault, put into it alone, fails the check that is there for it."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
C = "/* SPDX-License-Identifier: Apache-2.0 */\n"
BPF = "/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */\n"
UNIT = C + '#include "tests/tap.h"\n\nTAP_MAIN(cases)\n'
MAN = ".Dd November 22, 2026\n.Dt %s %s\n.Os\n.Sh NAME\n.Nm %s\n.Nd test page\n.Sh DESCRIPTION\nText.\n"


def man(name):
    word, section = name.rsplit(".", 1)
    return MAN % (word.upper(), section, word)


def function(lines):
    return "int f(void);\nint f(void)\n{\n" + "\t;\n" * (lines - 4) + "\treturn 0;\n}\n"


CLEAN = {
    "lib/buf.h": C + "#include <stdint.h>\n#include <yaml.h>\n",
    "lib/buf.c": C + '#include "buf.h"\n' + function(80),
    "proto/frame.c": C + '#include "lib/buf.h"\n#include "hosttrail.pb-c.h"\n#include <zstd.h>\n#include <openssl/evp.h>\n',
    "agent/probes.c": C + '#include "bpf/event.h"\n#include <bpf/libbpf.h>\n#include <libelf.h>\n#include "hosttrail.skel.h"\n',
    "bpf/event.h": BPF + "#include <linux/types.h>\n",
    "bpf/call.bpf.c": BPF + '#include "vmlinux.h"\n#include <bpf/bpf_helpers.h>\n#include "event.h"\n',
    "forwarder/send.c": C + "#include <nghttp2/nghttp2.h>\n#include <openssl/ssl.h>\n",
    "store/api.c": C + "#include <microhttpd.h>\n#include <json-c/json.h>\n",
    "tools/trace.h": C,
    "tools/cmd_trace.c": C + '#include "agent/probes.h"\n#include "trace.h"\n#include <curl/curl.h>\n',
    "agent/probes.h": C,
    "tests/tap.h": C,
    "tests/sizes.py": '# SPDX-License-Identifier: Apache-2.0\nSIZES = {\n    "a.b": (1, 2, "x"),\n}\n',
    "tests/unit/test_buf.c": UNIT,
    "tests/live/a.py": '#!/usr/bin/python3\n# SPDX-License-Identifier: Apache-2.0\n# ht-test: long\nsize("a.b")\n',
    "tests/fuzz/fuzz_x.c": C + "int LLVMFuzzerTestOneInput(void);\n",
    "tests/fuzz/corpus/x/empty": "",
}
CLEAN.update({"%s/README.md" % f: "See [the list](../lib/buf.h).\n" for f in (
    "bpf", "lib", "proto", "agent", "forwarder", "store", "tools", "tests", "docs", "packaging")})
CLEAN.update({"docs/man/" + n: man(n) for n in (
    "hosttraild.8", "hosttrail-forward.8", "hosttrail-store.8", "hosttrail.1")})

# (what is wrong, the number of the check that must fail, file, new content or None: deleted)
FAULTS = [
    ("lib includes proto", 1, "lib/buf.c", C + '#include "proto/frame.h"\n'),
    ("lib includes a file of proto that exists", 1, "lib/buf.c", C + '#include "../proto/frame.c"\n'),
    ("proto includes agent", 1, "proto/frame.c", C + '#include "agent/probes.h"\n'),
    ("forwarder includes the kernel contract", 1, "forwarder/send.c", C + '#include "bpf/event.h"\n'),
    ("forwarder uses curl", 1, "forwarder/send.c", C + "#include <curl/curl.h>\n"),
    ("store includes agent", 1, "store/api.c", C + '#include "agent/probes.h"\n'),
    ("agent uses the BPF skeleton's library through store", 1, "store/api.c", C + "#include <bpf/libbpf.h>\n"),
    ("agent uses TLS", 1, "agent/probes.c", C + "#include <openssl/ssl.h>\n"),
    ("tools include store", 1, "tools/cmd_trace.c", C + '#include "store/api.h"\n'),
    ("bpf includes libc", 1, "bpf/call.bpf.c", BPF + "#include <stdio.h>\n"),
    ("bpf includes lib", 1, "bpf/call.bpf.c", BPF + '#include "lib/buf.h"\n'),
    ("a library that has no row", 1, "store/api.c", C + "#include <boost/x.h>\n"),
    ("a folder that has no row", 1, "extra/x.c", C + "#include <stdio.h>\n"),
    ("no license line", 2, "lib/buf.h", "#include <stdint.h>\n"),
    ("wrong license in bpf", 2, "bpf/event.h", C),
    ("function of 81 lines", 3, "lib/buf.c", C + function(81)),
    ("unit test without results", 4, "tests/unit/test_buf.c", C + "int main(void) { return 0; }\n"),
    ("fuzz target without corpus", 4, "tests/fuzz/corpus/x/empty", None),
    ("script that would not run", 5, "tests/live/b.py", "#!/usr/bin/python3\n# SPDX-License-Identifier: Apache-2.0\n"),
    ("folder without README", 6, "store/README.md", None),
    ("object by name", 7, "lib/buf.o", "x"),
    ("object by content", 7, "tools/program", "\x7fELF"),
    ("generated source", 7, "proto/hosttrail.pb-c.c", C),
    ("space at a line's end", 8, "docs/README.md", "text \n"),
    ("spaces instead of a tab", 8, "lib/buf.c", C + "        int x;\n"),
    ("no newline at the end", 8, "lib/buf.c", C + "int x;"),
    ("unfinished", 9, "lib/buf.c", C + "/* TODO: more */\n"),
    ("man page missing", 10, "docs/man/hosttrail.1", None),
    ("man page with a fault", 10, "docs/man/hosttrail.1", man("hosttrail.1") + ".Xx nothing\n"),
    ("size that nothing uses", 12, "tests/live/a.py", "#!/usr/bin/python3\n# SPDX-License-Identifier: Apache-2.0\n"),
    ("test with a size that is not long", 12, "tests/live/a.py",
     '#!/usr/bin/python3\n# SPDX-License-Identifier: Apache-2.0\nsize("a.b")\n'),
    ("own record that no page tells of", 13, "agent/own.c", C + 'OWN_SHAPE(x, "Undocumented", x_fields);\n'),
    ("detail that no page tells of", 13, "store/witness.c", C + 'X = { SERVICE("undocumented", FIELD_INT) };\n'),
    ("dead link", 11, "docs/README.md", "[gone](gone.md)\n"),
]


def write(top, path, content):
    where = os.path.join(top, path)
    if content is None:
        os.unlink(where)
        return
    os.makedirs(os.path.dirname(where), exist_ok=True)
    with open(where, "w", encoding="latin-1") as f:
        f.write(content)
    if path == "tests/live/a.py":
        os.chmod(where, 0o755)


def failing(top):
    """Numbers of the checks that fail on a tree."""
    r = subprocess.run([os.path.join(HERE, "tree.py"), top], capture_output=True, text=True, check=False)
    lines = r.stdout.splitlines()
    bad = [int(line.split()[2]) for line in lines if line.startswith("not ok ")]
    if (r.returncode != 0) != bool(bad):
        return ["exit status %d" % r.returncode]
    return bad


def main():
    failed = 0
    print("1..%d" % (len(FAULTS) + 1))
    for number, (name, want, path, content) in enumerate([("clean tree", None, None, None)] + FAULTS, 1):
        top = tempfile.mkdtemp(prefix="ht-lint.")
        try:
            for p, c in CLEAN.items():
                write(top, p, c)
            if path:
                write(top, path, content)
            got = failing(top)
        finally:
            shutil.rmtree(top)
        right = got == ([want] if want else [])
        if not right:
            print("# failing checks: %s, want %s" % (got, want or "none"))
        print("%s %d - %s" % ("ok" if right else "not ok", number, name))
        failed += not right
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes agent/api/aws_tables_*.c out of botocore's service models; agent/api/aws_tables.h says what is in them.

    tools/aws_tables.py [--data FOLDER] [--out FOLDER] [--check]

--check: compares with what is there instead; status 1 if it differs, 2 if the models are of another version than the files.
The models are botocore's, Apache-2.0, Copyright Amazon.com, Inc. or its affiliates (agent/api/NOTICE).
"""
import argparse
import collections
import json
import os
import sys

import aws_rules

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = "/usr/lib/python3/dist-packages/botocore/data"
PROTOCOLS = {"query": "AWS_QUERY", "ec2": "AWS_EC2", "json": "AWS_JSON", "rest-json": "AWS_REST_JSON", "rest-xml": "AWS_REST_XML"}
XML = ("query", "ec2", "rest-xml")
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]
LOCATIONS = {None: 0, "header": 1, "headers": 2, "uri": 3, "querystring": 4, "statusCode": 5}
ATTRIBUTE = 6
SCALARS = {"string": 1, "character": 1, "integer": 2, "long": 2, "short": 2, "byte": 2, "bigInteger": 2, "float": 3, "double": 3, "bigDecimal": 3,
           "boolean": 4, "timestamp": 5, "blob": 6}
SECRET, DOCUMENT, STREAM, FIRST, EXTRA = 7, 8, 9, 16, 0x8000
STRUCTURE, LIST, MAP = 0, 1, 2
FILES = {n: "aws_tables_%s.c" % n for n in ("names", "shapes", "ops")}


def models(data):
    """(folder, model) of the latest version of every service."""
    for folder in sorted(os.listdir(data)):
        versions = [v for v in sorted(os.listdir(os.path.join(data, folder))) if os.path.exists(os.path.join(data, folder, v, "service-2.json"))] \
            if os.path.isdir(os.path.join(data, folder)) else []
        if not versions:
            continue
        base = os.path.join(data, folder, versions[-1], "service-2")
        with open(base + ".json", encoding="utf-8") as f:
            model = json.load(f)
        if os.path.exists(base + ".sdk-extras.json"):   # what SDKs send besides
            with open(base + ".sdk-extras.json", encoding="utf-8") as f:
                merge(model, json.load(f).get("merge", {}))
        yield folder, model


def merge(into, more):
    for k, v in more.items():
        if isinstance(v, dict) and isinstance(into.get(k), dict):
            merge(into[k], v)
        else:
            into[k] = v


class Shapes:
    """All shapes that operations reach, as nodes; alike() numbers them so that those that look alike have one number."""

    def __init__(self):
        self.nodes = {}     # (service, shape, flat, in a request or not) -> description with other nodes in it

    def add(self, service, model, name, flat=False, request=True):
        protocol = model["metadata"]["protocol"]
        shape = model["shapes"][name]
        scalar = self.scalar(shape)
        if scalar is None and shape["type"] == "map" and self.scalar(model["shapes"][shape["key"]["shape"]]) == SECRET:
            scalar = SECRET     # names that are secrets
        if scalar is not None:
            return scalar
        flat = flat or bool(shape.get("flattened"))
        key = (service, name, flat, request and protocol in XML)
        if key in self.nodes:
            return key
        self.nodes[key] = None

        def sub(ref):
            return self.add(service, model, ref["shape"], bool(ref.get("flattened")), request)
        if shape["type"] == "list":
            self.nodes[key] = (LIST, flat, sub(shape["member"]), shape["member"].get("locationName", "member"))
        elif shape["type"] == "map":
            self.nodes[key] = (MAP, flat, sub(shape["value"]), shape["key"].get("locationName", "key"), shape["value"].get("locationName", "value"))
        else:
            members = [self.member(service, model, name, protocol, request, n, ref, sub) for n, ref in sorted(shape["members"].items())]
            payload = shape.get("payload")
            index = [m[0] for m in members].index(payload) + 1 if payload else 0
            self.nodes[key] = (STRUCTURE, index, tuple(members))
        return key

    @staticmethod
    def scalar(shape):
        """The number of a scalar or hidden shape; None for those with something in them."""
        if shape.get("sensitive"):
            return SECRET
        if shape.get("document"):
            return DOCUMENT
        if shape.get("eventstream") or shape.get("streaming"):
            return STREAM
        return SCALARS.get(shape["type"])

    def member(self, service, model, structure, protocol, request, name, ref, sub):
        shape = model["shapes"][ref["shape"]]
        wire = ref.get("locationName", shape.get("locationName", name))
        if protocol == "ec2" and request:
            wire = ref.get("queryName", wire[:1].upper() + wire[1:])
        if protocol in XML and (protocol == "query" or not request) and self.flat_list(model, ref):
            # a flattened list is called as its elements are, when those have a name; but not in requests of REST
            wire = model["shapes"][ref["shape"]]["member"].get("locationName", wire)
        location = ATTRIBUTE if ref.get("xmlAttribute") else LOCATIONS[ref.get("location")]
        if ref.get("streaming"):
            target = STREAM
        elif ref.get("jsonvalue"):
            target = DOCUMENT
        elif aws_rules.secret_member(service, structure, name) and self.hideable(model, ref["shape"]):
            target = SECRET
        else:
            target = sub(ref)
        return name, target, wire, location

    @staticmethod
    def flat_list(model, ref):
        shape = model["shapes"][ref["shape"]]
        return shape["type"] == "list" and (shape.get("flattened") or ref.get("flattened"))

    @staticmethod
    def hideable(model, name):
        """A number or a switch with a secret's name is about secrets, not one."""
        return model["shapes"][name]["type"] in ("string", "blob", "list", "map", "structure")

    def alike(self):
        """node -> class, by refining until nothing splits any more."""
        cls = {k: v[0] for k, v in self.nodes.items()}
        while True:
            seen, new = {}, {}
            for k, node in self.nodes.items():
                new[k] = seen.setdefault((cls[k], self.look(node, cls)), len(seen))
            if len(seen) == len(set(cls.values())):
                return new
            cls = new

    @staticmethod
    def look(node, cls):
        def of(ref):
            return ref if isinstance(ref, int) else ("n", cls[ref])
        if node[0] == STRUCTURE:
            return node[:2] + (tuple((n, of(t), w, l) for n, t, w, l in node[2]),)
        return node[:2] + (of(node[2]),) + node[3:]


class Tables:
    def __init__(self, data):
        self.shapes = Shapes()
        self.services = []
        for folder, model in models(data):
            self.service(folder, model)
        self.number()

    def service(self, folder, model):
        md = model["metadata"]
        ops = []
        for name, op in sorted(model["operations"].items()):
            key = folder + ":" + name
            ro, tokens = aws_rules.read_only(folder, name), bool(aws_rules.TOKEN_ANSWERS.fullmatch(key))
            flags = ro * 1 + bool(aws_rules.DATA_EVENTS.fullmatch(key)) * 2 + tokens * 4
            given = self.shapes.add(folder, model, op["input"]["shape"]) if "input" in op else 0
            back = self.shapes.add(folder, model, op["output"]["shape"], request=False) if "output" in op and not ro and not tokens else 0
            uri = op["http"]["requestUri"] if md["protocol"].startswith("rest") else ""
            ops.append((name, given, back, METHODS.index(op["http"]["method"]), flags, uri))
        prefix = md["endpointPrefix"]
        source = aws_rules.SOURCES.get(prefix) or (md.get("signingName", prefix) if "." in prefix else prefix)
        self.services.append((md.get("signingName", prefix), prefix, md.get("targetPrefix", ""), source, md["apiVersion"], md["protocol"], ops))

    def number(self):
        """Names, and a number for each class of shapes, the more used the smaller."""
        self.services.sort(key=lambda s: (s[0], s[4], s[1]))
        self.cls = self.shapes.alike()
        used, one = collections.Counter(), {}
        names = {"", "member", "key", "value"}
        for key, node in self.shapes.nodes.items():
            if self.cls[key] in one:
                continue
            one[self.cls[key]] = node
            for n in node[2] if node[0] == STRUCTURE else ():
                names.update((n[0], n[2]))
            names.update(node[3:])
            for ref in [m[1] for m in node[2]] if node[0] == STRUCTURE else [node[2]]:
                if not isinstance(ref, int):
                    used[self.cls[ref]] += 1
        names.update(op[0] for s in self.services for op in s[6])
        self.names = sorted(names, key=lambda n: (len(n.encode()), n))
        self.name_at = {n: i for i, n in enumerate(self.names)}
        order = sorted(one, key=lambda c: (-used[c], c))
        self.shape_at = {c: FIRST + i for i, c in enumerate(order)}
        self.nodes = [one[c] for c in order]
        assert len(self.names) < 65536 and len(order) + FIRST < EXTRA

    def ref(self, target):
        return target if isinstance(target, int) else self.shape_at[self.cls[target]]

    def words(self):
        """(words, where each shape begins, extras)"""
        words, at, extras = [], [], {}
        for node in self.nodes:
            at.append(len(words))
            if node[0] != STRUCTURE:
                words += [node[0] | bool(node[1]) << 3, self.ref(node[2])] + [self.name_at[n] for n in node[3:]]
                continue
            words += [STRUCTURE | node[1] << 3, len(node[2])]
            for name, target, wire, location in node[2]:
                if wire == name and not location:
                    words += [self.name_at[name], self.ref(target)]
                else:
                    words += [self.name_at[name], self.ref(target) | EXTRA, extras.setdefault((self.name_at[wire], location), len(extras))]
        return words, at, extras


def wrapped(items):
    """Lines of at most 120 columns."""
    line, lines = "", []
    for item in items:
        if len(line) + len(item) > 119:
            lines.append(line)
            line = ""
        line += item
    return lines + [line] if line else lines


def array(declaration, items):
    return "%s = {\n%s\n};\n" % (declaration, "\n".join(wrapped(items)))


def literals(declaration, texts):
    return "%s =\n%s;\n" % (declaration, "\n".join('"%s"' % t for t in texts))


def c_text(s):
    return s.replace("\\", "\\\\").replace('"', '\\"')


def names_file(t):
    text = "".join(t.names)
    first, base, at = [], [], 0
    lengths = [len(n) for n in t.names]
    for length in range(129):
        index = next((i for i, n in enumerate(lengths) if n >= length), len(lengths))
        first.append(index)
        base.append(sum(lengths[:index]))
    assert max(lengths) <= 127 and text.isascii()
    return "\n".join([literals("const char aws_name_text[]", [c_text(text[i:i + 116]) for i in range(0, len(text), 116)]),
                      array("const uint16_t aws_name_first[AWS_NAME_MAX + 2]", ["%d," % n for n in first]),
                      array("const uint32_t aws_name_base[AWS_NAME_MAX + 2]", ["%d," % n for n in base]),
                      "const unsigned aws_nnames = %d;\n" % len(t.names)])


def shapes_file(t):
    words, at, extras = t.words()
    return "\n".join([array("const uint16_t aws_words[]", ["%d," % w for w in words]),
                      array("const uint32_t aws_shape_at[]", ["%d," % w for w in at]),
                      "const unsigned aws_nshapes = %d;\n" % (len(at) + FIRST),
                      array("const struct aws_extra aws_extras[]", ["{%d,%d}," % e for e in extras])])


def ops_file(t):
    uris, at, ops, services = {}, 0, [], []
    for signing, prefix, target, source, version, protocol, mine in t.services:
        services.append('\t{ "%s", "%s", "%s", "%s", "%s", %s, %d, %d },\n' % (signing, prefix, target, source, version, PROTOCOLS[protocol], len(ops), len(mine)))
        for name, given, back, method, flags, uri in sorted(mine, key=lambda o: t.name_at[o[0]]):
            if uri not in uris:
                uris[uri] = at
                at += len(uri) + 1
            ops.append("{%d,%d,%d,%d,%d,%d}," % (t.name_at[name], t.ref(given), t.ref(back), method, flags, uris[uri]))
    by_target = sorted((i for i, v in enumerate(t.services) if v[2]), key=lambda i: (t.services[i][2].split(".")[-1], i))
    by_prefix = sorted(range(len(t.services)), key=lambda i: (t.services[i][1], i))
    return "\n".join(["const struct aws_service aws_services[] = {\n%s};\nconst unsigned aws_nservices = %d;\n" % ("".join(services), len(services)),
                      array("const uint16_t aws_by_prefix[]", ["%d," % i for i in by_prefix]),
                      array("const uint16_t aws_by_target[]", ["%d," % i for i in by_target]),
                      "const unsigned aws_ntargets = %d;\n" % len(by_target),
                      array("const struct aws_op aws_ops[]", ops),
                      literals("const char aws_uri_text[]", [c_text(u) + "\\0" for u in uris])])


HEAD = """/* SPDX-License-Identifier: Apache-2.0 */
/* aws_tables_%s.c - written by tools/aws_tables.py out of the service models of botocore %s; see NOTICE. Not for editing. */
#include "agent/api/aws_tables.h"

/* clang-format off */
"""


def version(data):
    """botocore's, without importing it."""
    with open(os.path.join(os.path.dirname(data), "__init__.py"), encoding="utf-8") as f:
        return next(line.split("'")[1] for line in f if line.startswith("__version__"))


def written(data):
    """{file's name: its text}"""
    tables, release = Tables(data), version(data)
    return {FILES[n]: HEAD % (n, release) + write(tables) for n, write in (("names", names_file), ("shapes", shapes_file), ("ops", ops_file))}


def same_version(data, out):
    with open(os.path.join(out, FILES["ops"]), encoding="utf-8") as f:
        return "botocore %s;" % version(data) in f.read(400)


def differing(texts, out):
    """Names of files in `out` that are not as they would be written."""
    found = []
    for name, text in texts.items():
        with open(os.path.join(out, name), encoding="utf-8") as f:
            found += [name] if f.read() != text else []
    return found


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default=DATA)
    p.add_argument("--out", default=os.path.join(TOP, "agent/api"))
    p.add_argument("--check", action="store_true")
    a = p.parse_args()
    if a.check and not same_version(a.data, a.out):
        print("the models are botocore %s's, the tables are not" % version(a.data))
        sys.exit(2)
    texts = written(a.data)
    if a.check:
        wrong = differing(texts, a.out)
        for name in wrong:
            print("%s: differs from what the models give" % name)
        sys.exit(bool(wrong))
    for name, text in texts.items():
        with open(os.path.join(a.out, name), "w", encoding="utf-8") as f:
            f.write(text)


if __name__ == "__main__":
    main()

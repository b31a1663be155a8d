# SPDX-License-Identifier: Apache-2.0
"""Answers as AWS's services send them: the bytes of a response out of a model's output. botocore's own parsers say whether they are right."""
import base64
import datetime
import json
from email.utils import format_datetime
from xml.sax.saxutils import escape

import botocore.parsers

REQUEST_ID = "8c9a2f1e-req"


def time_text(shape, v, usual):
    how = shape.serialization.get("timestampFormat", usual)
    if how == "unixtimestamp":
        return "%d" % v.timestamp()
    return format_datetime(v.astimezone(datetime.timezone.utc), usegmt=True) if how == "rfc822" else v.strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(shape, v, usual):
    """A scalar as text."""
    kind = shape.type_name
    if kind == "timestamp":
        return time_text(shape, v, usual)
    if kind == "blob":
        return base64.b64encode(v).decode()
    if kind == "boolean":
        return "true" if v else "false"
    return str(v)


def as_json(shape, v):
    kind = shape.type_name
    if kind == "structure" and not shape.is_document_type:
        return {m.serialization.get("name", n): as_json(m, v[n]) for n, m in shape.members.items() if n in v}
    if kind == "list":
        return [as_json(shape.member, x) for x in v]
    if kind == "map":
        return {k: as_json(shape.value, x) for k, x in v.items()}
    if kind == "timestamp":
        text = time_text(shape, v, "unixtimestamp")
        return int(text) if text.isdigit() else text
    return base64.b64encode(v).decode() if kind == "blob" else v


def as_xml(shape, v, name):
    """Elements called name."""
    kind, flat = shape.type_name, shape.serialization.get("flattened")
    if kind == "structure":
        attributes = "".join(' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" %s="%s"' % (m.serialization["name"], escape(str(v[n])))
                             for n, m in shape.members.items() if n in v and m.serialization.get("xmlAttribute"))
        return "<%s%s>%s</%s>" % (name, attributes, members_xml(shape, v), name)
    if kind == "list":
        inner = shape.member.serialization.get("name", name if flat else "member")
        items = "".join(as_xml(shape.member, x, inner) for x in v)
        return items if flat else "<%s>%s</%s>" % (name, items, name)
    if kind == "map":
        key, value = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
        around = name if flat else "entry"
        items = "".join("<%s>%s%s</%s>" % (around, as_xml(shape.key, k, key), as_xml(shape.value, x, value), around) for k, x in v.items())
        return items if flat else "<%s>%s</%s>" % (name, items, name)
    return "<%s>%s</%s>" % (name, escape(plain(shape, v, "iso8601")), name)


def members_xml(shape, v):
    return "".join(as_xml(m, v[n], m.serialization.get("name", n)) for n, m in shape.members.items()
                   if n in v and not m.serialization.get("location") and not m.serialization.get("xmlAttribute"))


def rest(op, v, protocol):
    """(status, headers, body). The status is a member of some outputs."""
    shape, headers, status = op.output_shape, {"x-amzn-RequestId": REQUEST_ID}, 200
    for n, m in shape.members.items():
        where = m.serialization.get("location")
        if where == "statusCode":
            v[n] = status
        if where == "header" and n in v:
            text = plain(m, v[n], "rfc822")
            if m.type_name == "list":
                text = ",".join(plain(m.member, x, "rfc822") for x in v[n])
            headers[m.serialization["name"]] = text
    payload = shape.serialization.get("payload")
    if payload:
        m = shape.members[payload]
        if m.type_name in ("blob", "string"):
            body = v[payload] if isinstance(v[payload], bytes) else v[payload].encode()
        elif protocol == "rest-json":
            body = json.dumps(as_json(m, v[payload])).encode()
        else:
            body = as_xml(m, v[payload], m.serialization.get("name", payload)).encode()
        return status, headers, body
    inside = {n: x for n, x in v.items() if not shape.members[n].serialization.get("location")}
    if protocol == "rest-json":
        return status, headers, json.dumps(as_json(shape, inside)).encode()
    name = shape.serialization.get("name", op.name + "Response")
    return status, headers, ("<%s>%s</%s>" % (name, members_xml(shape, inside), name)).encode()


def answer(model, op, v):
    """(status, headers, body) of a call that succeeded with the output v."""
    protocol = model.metadata["protocol"]
    if protocol == "json":
        return 200, {"x-amzn-RequestId": REQUEST_ID}, json.dumps(as_json(op.output_shape, v)).encode()
    if protocol == "ec2":
        return 200, {}, ("<%sResponse><requestId>%s</requestId>%s</%sResponse>" % (op.name, REQUEST_ID, members_xml(op.output_shape, v), op.name)).encode()
    if protocol == "query":
        inner = members_xml(op.output_shape, v)
        wrapper = op.output_shape.serialization.get("resultWrapper")
        if wrapper:
            inner = "<%s>%s</%s>" % (wrapper, inner, wrapper)
        return 200, {}, ("<%sResponse>%s<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>" % (op.name, inner, REQUEST_ID, op.name)).encode()
    return rest(op, v, protocol)


def parsed(model, op, status, headers, body):
    """What botocore makes of it."""
    out = botocore.parsers.create_parser(model.metadata["protocol"]).parse({"status_code": status, "headers": headers, "body": body}, op.output_shape)
    return {k: x for k, x in out.items() if k != "ResponseMetadata"}

# SPDX-License-Identifier: Apache-2.0
"""AWS calls out of botocore's models: parameters for any operation, the request that botocore makes of them, an answer, and what a
record of the call must say. Expectations are computed out of the model, not out of our tables.
"""
import base64
import datetime
import io
import json
import os
import re
import subprocess
import sys
import warnings

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tools"))
import aws_rules  # noqa: E402  what is hidden beyond `sensitive`, and names of sources: decisions, not tables

warnings.filterwarnings("ignore")
import botocore.auth  # noqa: E402
import botocore.awsrequest  # noqa: E402
import botocore.credentials  # noqa: E402
import botocore.loaders  # noqa: E402
import botocore.model  # noqa: E402
import botocore.parsers  # noqa: E402
import botocore.serialize  # noqa: E402

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
PLANTED = "PLANTED-SECRET"
KEY = "AKIAIOSFODNN7EXAMPLE"
REGION = "eu-west-1"
CREDENTIALS = botocore.credentials.Credentials(KEY, "planted-secret-key", PLANTED + "-session")
WHEN = datetime.datetime(2026, 11, 29, 6, 5, 4, tzinfo=datetime.timezone.utc)
DEPTH = 4
LOADER = botocore.loaders.create_loader()


def services():
    """[(folder, model of the latest version)]"""
    return [s for s in LOADER.list_available_services("service-2")]


def load(folder):
    return botocore.model.ServiceModel(LOADER.load_service_model(folder, "service-2"), service_name=folder)


# among the names that models list for maps
SECRET_KEY = re.compile("password", re.I)


class Unmakeable(Exception):
    """An operation that cannot be called with plain parameters: event streams, recursion without end."""


def hidden(folder, structure, name, shape):
    """Is the member of a structure written as hidden?"""
    if shape.metadata.get("sensitive") or shape.metadata.get("document"):
        return True
    return shape.type_name in ("string", "blob", "list", "map", "structure") and aws_rules.secret_member(folder, structure, name)


class Maker:
    """Parameters for shapes; texts differ from each other, so that a value in the wrong place is seen."""

    def __init__(self, folder, answer=False):
        self.folder, self.answer, self.n, self.secrets = folder, answer, 0, 0

    def text(self, shape, secret):
        self.n += 1
        if secret:
            self.secrets += 1
            s = "%s-%d" % (PLANTED, self.secrets)
        else:
            if shape.enum:
                return shape.enum[self.n % len(shape.enum)]
            s = "v-%d" % self.n
        low = shape.metadata.get("min") or 0
        return s + "x" * max(0, min(low, 3000) - len(s))

    def value(self, shape, depth, secret):
        kind = shape.type_name
        secret = secret or bool(shape.metadata.get("sensitive"))
        if shape.metadata.get("document"):
            return {PLANTED: PLANTED}
        if kind == "structure":
            return self.structure(shape, depth, secret)
        if kind == "list":
            many = 1 if depth > 1 else 2
            return [self.value(shape.member, depth + 1, secret) for _ in range(max(many, shape.metadata.get("min") or 0))]
        if kind == "map":
            return {self.text(shape.key, secret or bool(shape.key.metadata.get("sensitive"))): self.value(shape.value, depth + 1, secret)}
        return self.scalar(shape, kind, secret)

    def scalar(self, shape, kind, secret):
        self.n += 1
        if kind in ("string", "character"):
            return self.text(shape, secret)
        if kind in ("integer", "long", "short", "byte"):
            return max(self.n % 100, shape.metadata.get("min") or 0)
        if kind in ("float", "double"):
            return max(0.5 + self.n % 100, shape.metadata.get("min") or 0)
        if kind == "boolean":
            return self.n % 2 == 0
        if kind == "timestamp":
            return WHEN + datetime.timedelta(seconds=self.n)
        if kind == "blob":
            return (PLANTED if secret else "blob").encode() + b"-%d" % self.n
        raise Unmakeable(kind)

    def structure(self, shape, depth, secret):
        made = {}
        if getattr(shape, "event_stream_name", None) or shape.metadata.get("eventstream"):
            raise Unmakeable("event stream")
        members = list(shape.members.items())
        if shape.is_tagged_union:
            members = members[self.n % len(members):][:1]
        for name, member in members:
            if member.metadata.get("eventstream"):
                raise Unmakeable("event stream")
            if depth >= DEPTH and name not in shape.required_members and member.type_name in ("structure", "list", "map"):
                continue
            if depth > 12:
                raise Unmakeable("recursion")
            if member.serialization.get("location") == "headers" or (member.serialization.get("jsonvalue") and (depth > 0 or self.answer)):
                continue
            made[name] = {PLANTED: PLANTED} if member.serialization.get("jsonvalue") else \
                self.value(member, depth + 1, secret or hidden(self.folder, shape.name, name, member))
        return made


def camel(name):
    return name[:1].lower() + name[1:]


def iso(t):
    return t.strftime("%Y-%m-%dT%H:%M:%SZ")


class Expect:
    """What of parameters stands in a record."""

    def __init__(self, folder):
        self.folder = folder

    def value(self, shape, v):
        kind = shape.type_name
        if shape.metadata.get("sensitive") or shape.metadata.get("document"):
            return HIDDEN
        if kind == "structure":
            return self.structure(shape, v)
        if kind == "list":
            return [self.value(shape.member, x) for x in v]
        if kind == "map":
            return HIDDEN if shape.key.metadata.get("sensitive") else {k: HIDDEN if SECRET_KEY.search(k) else self.value(shape.value, x) for k, x in v.items()}
        if kind == "timestamp":
            return iso(v)
        if kind == "blob":
            return {"omitted": True, "originalSize": len(v)}
        return v

    def structure(self, shape, v):
        out = {}
        for name, x in v.items():
            member = shape.members[name]
            if member.serialization.get("location") in ("headers", "statusCode"):
                continue
            if member.serialization.get("jsonvalue") or hidden(self.folder, shape.name, name, member):
                out[camel(name)] = HIDDEN
            else:
                out[camel(name)] = self.value(member, x)
        return out


# lists of requests to EC2 that CloudTrail calls otherwise than by their names in the form and "Set": name, and that of plain values
EC2_SETS = {
    "BlockDeviceMapping": ("blockDeviceMapping", None), "ExecutableBy": ("executableBySet", "user"), "GroupId": ("securityGroupIdSet", "groupId"),
    "GroupName": ("securityGroupSet", "groupName"), "ImageId": ("imagesSet", "imageId"), "InstanceId": ("instancesSet", "instanceId"),
    "IpPermissions": ("ipPermissions", None), "KeyName": ("keySet", "keyName"), "Owner": ("ownersSet", "owner"),
    "RegionName": ("regionSet", "regionName"), "ResourceId": ("resourcesSet", "resourceId"), "SecurityGroup": ("securityGroupSet", "groupName"),
    "SecurityGroupId": ("groupSet", "groupId"), "SnapshotId": ("snapshotSet", "snapshotId"), "SubnetId": ("subnetSet", "subnetId"),
    "VolumeId": ("volumeSet", "volumeId"), "VpcId": ("vpcSet", "vpcId"), "ZoneName": ("availabilityZoneSet", "zoneName"),
}


def ec2_wire(m, name):
    """A member's name in EC2's form."""
    wire = m.serialization.get("queryName") or m.serialization.get("name", name)
    return wire[:1].upper() + wire[1:]


def ec2_key(m, name, top):
    """The same in a record."""
    wire = ec2_wire(m, name)
    if m.type_name != "list":
        return camel(wire)
    return "valueSet" if wire == "Value" else EC2_SETS.get(wire, (camel(wire) + "Set",))[0] if top else camel(wire)


class ExpectEc2(Expect):
    """EC2 as CloudTrail has it: lists are {"items": [...]}."""

    def __init__(self, op):
        super().__init__("ec2")
        self.op = op

    def request(self, shape, v, top=True):
        out = {}
        for name, x in v.items():
            m = shape.members[name]
            wire = ec2_wire(m, name)
            key, value = camel(wire), HIDDEN if hidden("ec2", shape.name, name, m) else None
            if value is None and m.type_name == "list":
                key, value = self.request_list(m, x, wire, ec2_key(m, name, top), top)
            elif value is None:
                value = self.request(m, x, False) if m.type_name == "structure" else self.value(m, x)
            if key in out:
                raise KeyError("%s: two members are %s" % (shape.name, key))
            out[key] = value
        if top and self.op.name in ("ModifySnapshotAttribute", "ModifyImageAttribute"):
            kind = out.pop("attribute")
            out["attributeType"] = "CREATE_VOLUME_PERMISSION" if kind == "createVolumePermission" else kind
        if top and self.op.name == "RunInstances":
            out["instancesSet"] = {"items": [{k: out.pop(k) for k in ("imageId", "minCount", "maxCount", "keyName")}]}
        return out

    def request_list(self, m, x, wire, key, top):
        plain = m.member.type_name != "structure"
        if not top and wire == "Tag":
            return "tags", [self.request(m.member, e, False) for e in x]
        item = EC2_SETS.get(wire, ("", None))[1] if top else None
        return key, {"items": [{item or camel(wire): self.value(m.member, e)} if plain else self.request(m.member, e, False) for e in x]}

    def answer(self, shape, v):
        if hasattr(shape, "members"):
            out = {}
            for name, x in v.items():
                m = shape.members[name]
                key = m.serialization.get("name", name)
                out["_return" if key == "return" else key] = HIDDEN if hidden("ec2", shape.name, name, m) else self.answer(m, x)
            return out
        if shape.type_name == "list":
            return {"items": [self.answer(shape.member, x) for x in v]}
        return self.value(shape, v)


def source(model):
    """eventSource: the service's endpoint prefix, but for what CloudTrail calls otherwise."""
    prefix, signing = model.endpoint_prefix, model.signing_name
    return (aws_rules.SOURCES.get(prefix) or (signing if "." in prefix else prefix)) + ".amazonaws.com"


def request(model, op, params, host=None):
    """The bytes that botocore sends for the operation, signed."""
    serialized = botocore.serialize.create_serializer(model.metadata["protocol"], False).serialize_to_request(params, op)
    host = host or "%s.%s.amazonaws.com" % (model.endpoint_prefix, REGION)
    botocore.awsrequest.prepare_request_dict(serialized, "https://" + host, user_agent="Botocore/test")
    r = botocore.awsrequest.create_request_object(serialized)
    if model.signature_version == "v2":     # no other service's clients sign so
        botocore.auth.SigV2Auth(CREDENTIALS).add_auth(r)
    elif op.auth_type not in ("none", "v4-unsigned-body", "bearer", None) or op.auth_type is None:
        botocore.auth.SigV4Auth(CREDENTIALS, model.signing_name, REGION).add_auth(r)
    return raw(r.prepare())


def raw(prepared):
    """A prepared request as it goes over the wire."""
    parts = prepared.url.split("/", 3)
    body = prepared.body or b""
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    target = "/" + (parts[3] if len(parts) > 3 else "")
    if "?" in parts[2]:
        parts[2], query = parts[2].split("?", 1)
        target = "/?" + query
    out = io.BytesIO()
    out.write(("%s %s HTTP/1.1\r\n" % (prepared.method, target)).encode())
    names = {k.lower() for k in prepared.headers.keys()}
    headers = [(k, v.decode() if isinstance(v, bytes) else str(v)) for k, v in prepared.headers.items()]
    if "host" not in names:
        headers.append(("Host", parts[2]))
    if body and not names & {"content-length", "transfer-encoding"}:    # of GET: the connection puts it in
        headers.append(("Content-Length", str(len(body))))
    for k, v in headers:
        out.write(("%s: %s\r\n" % (k, v)).encode("utf-8", "surrogateescape"))
    out.write(b"\r\n" + body)
    return out.getvalue()


class Kit:
    """build/tests/helpers/awskit: give() calls, then answers() in the same order."""

    def __init__(self):
        self.given = io.BytesIO()
        self.path = os.path.join(os.environ.get("HT_BUILD", os.path.join(TOP, "build")), "tests/helpers/awskit")

    def give(self, req, answer=b"", captured=1 << 30):
        self.given.write(b"%d %d %d\n" % (len(req), len(answer), captured) + req + answer)

    def answers(self):
        p = subprocess.run([self.path], input=self.given.getvalue(), capture_output=True, check=False)
        if p.returncode:
            raise RuntimeError("awskit: %d: %s" % (p.returncode, p.stderr.decode(errors="replace")[-2000:]))
        self.text = p.stdout.decode()
        return [json.loads(line) for line in self.text.splitlines()]


def answer(status, headers, body):
    headers = {**headers, "Content-Length": len(body)}
    return b"HTTP/1.1 %d X\r\n" % status + b"".join(b"%s: %s\r\n" % (k.encode(), str(v).encode()) for k, v in headers.items()) + b"\r\n" + body


def json_default(v):
    if isinstance(v, datetime.datetime):
        return v.timestamp()
    if isinstance(v, bytes):
        return base64.b64encode(v).decode()
    raise TypeError(type(v))

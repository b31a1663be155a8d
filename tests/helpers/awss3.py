# SPDX-License-Identifier: Apache-2.0
"""S3 as botocore's client calls it, with all that a client does to a request, and what of it stands in a record."""
import re

import botocore.awsrequest
import botocore.config
import botocore.session
from awsmodel import CREDENTIALS, HIDDEN, KEY, REGION, Expect, Maker, Unmakeable, camel, hidden, load, raw

FOLDER = "s3"
# operations that are called otherwise in CloudTrail
RENAMED = {
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration", "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "GetBucketLifecycleConfiguration": "GetBucketLifecycle", "PutBucketLifecycleConfiguration": "PutBucketLifecycle",
    "GetBucketNotificationConfiguration": "GetBucketNotification", "PutBucketNotificationConfiguration": "PutBucketNotification",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration", "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock", "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "DeleteBucketPublicAccessBlock", "ListObjectsV2": "ListObjects",
}
# older ones, the same on the wire as those that took their places, but for the body
OLD = ("PutBucketLifecycle", "PutBucketNotification")


class Client:
    """Takes the request that a call makes, and answers it with nothing."""

    def __init__(self, **config):
        session = botocore.session.get_session()
        session.set_credentials(KEY, "planted-secret-key", CREDENTIALS.token)
        self.client = session.create_client("s3", region_name=REGION, config=botocore.config.Config(parameter_validation=True, **config.pop("config", {})), **config)
        self.client.meta.events.register("before-send.s3", self.take)
        self.taken = None

    def take(self, request, **_):
        self.taken = raw(request)
        return botocore.awsrequest.AWSResponse(request.url, 500, {}, None)

    def call(self, op, params):
        self.taken = None
        try:
            self.client._make_api_call(op, params)
        except Exception:   # whatever becomes of an answer that is none
            pass
        if not self.taken:
            raise Unmakeable(op)
        return self.taken


def bucket_first(params):
    """Names that a client takes."""
    for name, value in (("Bucket", "my-bucket"), ("CopySource", "other-bucket/a/key"), ("Key", "some/key with+signs.txt"), ("ExpectedBucketOwner", "123456789012")):
        if name in params:
            params[name] = value
    params.pop("ContentMD5", None)
    params.pop("ChecksumAlgorithm", None)
    for name in [n for n in params if n.startswith("Checksum") or n.endswith(("KeyMD5", "SSECustomerAlgorithm"))]:
        del params[name]
    return params


def calls():
    """[(operation, parameters)] of all that S3's model has."""
    model = load(FOLDER)
    for name in model.operation_names:
        op = model.operation_model(name)
        try:
            params = Maker(FOLDER).structure(op.input_shape, 0, False) if op.input_shape else {}
        except Unmakeable:
            continue
        if name == "PutBucketPolicy":
            params["Policy"] = '{"Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"arn:aws:s3:::my-bucket"}]}'
        if name == "ListObjectsV2":
            params["EncodingType"] = "url"
        yield op, bucket_first(params)


def wire(shape, v):
    """A body's members as they are called on the wire."""
    if isinstance(shape, str) or shape.type_name not in ("structure", "list", "map"):
        return Expect(FOLDER).value(shape, v)
    if shape.type_name == "structure":
        return {m.serialization.get("name", n): HIDDEN if hidden(FOLDER, shape.name, n, m) else wire(m, v[n]) for n, m in shape.members.items() if n in v}
    return [wire(shape.member, x) for x in v]


def expected(op, params, host):
    """{name: value}, and names whose value is another's affair (times, and what the client adds)."""
    want, loose = {"Host": host}, set()
    if op.input_shape is None:
        return want, loose
    payload = op.input_shape.serialization.get("payload")
    for name, v in params.items():
        m = op.input_shape.members[name]
        where, called = m.serialization.get("location"), m.serialization.get("name", name)
        if name in ("Bucket", "Key") and where == "uri":
            want["bucketName" if name == "Bucket" else "key"] = v
        elif where in ("header", "querystring"):
            if where == "header" and not called.lower().startswith("x-amz-"):
                continue
            if m.type_name in ("timestamp", "list"):
                loose.add(called)
            else:
                want[called] = HIDDEN if hidden(FOLDER, op.input_shape.name, name, m) else str(v) if where == "header" or not isinstance(v, bool) else str(v).lower()
        elif name == payload and op.name in OLD:
            loose.add(called)
        elif name == payload and m.type_name == "structure":
            want[called] = wire(m, v)
        elif name == "Policy":
            want["bucketPolicy"] = {"Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "arn:aws:s3:::my-bucket"}]}
    for part in re.findall(r"[?&]([^=&]+)(?:=([^&]*))?", op.http["requestUri"]):
        want.setdefault(part[0], part[1])
    return want, loose


__all__ = ["Client", "RENAMED", "calls", "camel", "expected"]

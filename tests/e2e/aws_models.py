#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=600 long later=20
"""AWS calls of every protocol, as botocore makes them, and what agent/api says that they are: against the model itself.

Requests are botocore's own bytes; answers are ours, and botocore's parsers say that they are right. What must come out is computed here
out of the model: our tables are not used. Every value that the model calls sensitive is a text that is looked for in all that comes out.
"""
import collections
import json
import os
import random
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import awsanswer  # noqa: E402
import awsmodel  # noqa: E402
import awss3  # noqa: E402
import botocore.parsers  # noqa: E402
import tap  # noqa: E402
from awsmodel import HIDDEN, PLANTED, Expect, ExpectEc2, Kit, Maker, Unmakeable  # noqa: E402
from sizes import size  # noqa: E402

EVERYDAY = ["acm", "apigateway", "autoscaling", "cloudformation", "cloudfront", "cloudtrail", "cloudwatch", "cognito-idp", "dynamodb", "ec2", "ecr", "ecs",
            "eks", "elbv2", "events", "glue", "iam", "importexport", "kinesis", "kms", "lambda", "logs", "organizations", "rds", "route53", "s3control", "sagemaker",
            "sdb", "secretsmanager", "sns", "sqs", "ssm", "stepfunctions", "sts"]
RENAMED = {"GetPublicAccessBlock": "GetAccountPublicAccessBlock", "PutPublicAccessBlock": "PutAccountPublicAccessBlock",
           "DeletePublicAccessBlock": "DeleteAccountPublicAccessBlock"}
CALLS = []      # (folder, model, operation, parameters, request)


def some(names, n):
    """n of them, evenly."""
    return names if n >= len(names) else [names[i * len(names) // n] for i in range(n)]


def operations():
    """Operations of the services that are tested at this size, S3 aside."""
    wanted = size("aws.operations")
    folders = [f for f in (awsmodel.services() if wanted > 10_000 else EVERYDAY) if f != "s3"]
    for folder in folders:
        model = awsmodel.load(folder)
        for name in some(model.operation_names, wanted // len(folders) + 1 if wanted <= 10_000 else wanted):
            yield folder, model, model.operation_model(name)


def calls():
    if not CALLS:
        for folder, model, op in operations():
            try:
                params = Maker(folder).structure(op.input_shape, 0, False) if op.input_shape else {}
                CALLS.append((folder, model, op, params, awsmodel.request(model, op, params)))
            except Unmakeable:
                pass
    return CALLS


def query_leaves_out(v):
    """Forms have no way to say an empty structure or list."""
    if isinstance(v, dict):
        return {k: x for k, x in ((k, query_leaves_out(x)) for k, x in v.items()) if x not in ({}, [])}
    return [x for x in map(query_leaves_out, v) if x not in ({}, [])] if isinstance(v, list) else v


def expected(folder, model, op, params):
    if folder == "ec2" and op.input_shape:
        return query_leaves_out(ExpectEc2(op).request(op.input_shape, query_leaves_out(params))) or None
    want = Expect(folder).structure(op.input_shape, params) if op.input_shape else {}
    if model.metadata["protocol"] in ("query", "ec2"):
        want = query_leaves_out(want)
    for name, member in op.input_shape.members.items() if op.input_shape else ():
        if op.input_shape.serialization.get("payload") == name and member.type_name == "string" and awsmodel.camel(name) in want:
            want[awsmodel.camel(name)] = HIDDEN      # all of a body that is text is content
        # whatever else the query has is the customer's: names only
        if member.serialization.get("location") == "querystring" and member.type_name == "map" and isinstance(want.get(awsmodel.camel(name)), dict):
            want[awsmodel.camel(name)] = dict.fromkeys(want[awsmodel.camel(name)], HIDDEN)
    return want or None


def names_of(folder, op):
    """CloudTrail's name of the operation; Lambda's have a version behind."""
    return RENAMED.get(op.name, op.name) if folder == "s3control" else op.name


def same_name(folder, got, want):
    return got == want or (folder == "lambda" and got.startswith(want + "20") and got[len(want):].replace("v", "").isdigit())


def requests_mean_what_the_model_says(t):
    kit, services, protocols = Kit(), set(), set()
    for folder, model, _, _, request in calls():
        kit.give(request)
        services.add(folder)
        protocols.add(model.metadata["protocol"])
    for (folder, model, op, params, _), got in zip(calls(), kit.answers()):
        what = "%s %s" % (folder, op.name)
        t.equal(got["rule"], "aws", what)
        t.equal(got["eventSource"], awsmodel.source(model), what)
        t.ok(same_name(folder, got["eventName"], names_of(folder, op)), "%s: eventName %s" % (what, got["eventName"]))
        t.equal(got.get("requestParameters"), expected(folder, model, op, params), what)
        t.equal(got["readOnly"], awsmodel.aws_rules.read_only(folder, op.name), what)
        if op.auth_type is None:
            t.equal((got.get("accessKeyId"), got.get("region")), (awsmodel.KEY, awsmodel.REGION), what)
    t.ok(PLANTED not in kit.text, "a planted secret came out")
    t.must(len(calls()) >= 200 and len(services) >= 20 and len(protocols) == 5, "%d operations of %d services" % (len(calls()), len(services)))
    t.note("%d operations of %d services, %s" % (len(calls()), len(services), ", ".join(sorted(protocols))))


def part_of(small, large):
    """Is everything in small in large, too? Lists may be shorter."""
    if isinstance(small, dict):
        return isinstance(large, dict) and all(k in large and part_of(v, large[k]) for k, v in small.items() if not (k == "omitted" and v is True))
    if isinstance(small, list):
        return isinstance(large, list) and len(small) <= len(large) and all(part_of(a, b) for a, b in zip(small, large))
    return small == large


def bodies_that_are_cut_give_what_is_whole(t):
    kit, cuts, dice = Kit(), [], random.Random(5)
    for folder, model, op, params, request in calls():
        body = len(request) - request.index(b"\r\n\r\n") - 4
        if body < 8:
            continue
        kit.give(request, captured=dice.randrange(body))
        cuts.append((folder, model, op, params))
    whole = said = 0
    for (folder, model, op, params), got in zip(cuts, kit.answers()):
        have, want = got.get("requestParameters") or {}, expected(folder, model, op, params) or {}
        whole += len(have) > 1
        said += have.get("omitted") is True
        t.ok(part_of(have, want) or got["eventName"] != names_of(folder, op), "%s %s: %r is no part of %r" % (folder, op.name, have, want))
    t.ok(PLANTED not in kit.text, "a planted secret came out")
    t.ok(whole * 3 > len(cuts) and said * 2 > len(cuts), "of %d bodies %d gave something, %d said that they were cut" % (len(cuts), whole, said))


def answers_to_what_writes(t):
    """responseElements are the output, without what is sensitive; nothing of what only reads or gives tokens."""
    kit, given, told, unmade = Kit(), [], 0, 0
    for folder, model, op, _, request in calls():
        if not op.output_shape:
            continue
        try:
            output = Maker(folder, answer=True).structure(op.output_shape, 0, False)
            status, headers, body = awsanswer.answer(model, op, output)
            right = awsanswer.parsed(model, op, status, headers, body) == output
        except (Unmakeable, botocore.parsers.ResponseParserError):  # of unions without a member, too
            unmade += 1
            continue
        if not right:
            t.ok(streams(op), "%s %s: the answer that we made is not what botocore reads" % (folder, op.name))
            unmade += 1
            continue
        kit.give(request, awsmodel.answer(status, headers, body))
        given.append((folder, model, op, output, len(body)))
    for (folder, model, op, output, length), got in zip(given, kit.answers()):
        what, have = "%s %s" % (folder, op.name), got.get("responseElements")
        t.ok("errorCode" not in got, what + ": an error")
        if awsmodel.aws_rules.read_only(folder, op.name) or awsmodel.aws_rules.TOKEN_ANSWERS.fullmatch(folder + ":" + op.name):
            t.equal(have, None, what)
            t.equal(got["responseWanted"], 0, what)
            continue
        want = without_payload(op, Expect(folder).structure(op.output_shape, output))
        if folder == "ec2":
            want = {"requestId": awsanswer.REQUEST_ID, **ExpectEc2(op).answer(op.output_shape, output)}
        t.ok(part_of(have or {}, want) if length > got["responseWanted"] else (have or {}) == want, "%s: got %r, want %r" % (what, have, want))
        told += bool(want)
    t.ok(PLANTED not in kit.text, "a planted secret came out")
    t.note("%d answers, %d that could not be made" % (len(given), unmade))
    t.must(unmade < len(given) / 20, "%d answers could not be made" % unmade)
    t.must(told > len(given) / 4, "only %d of %d answers had something to tell" % (told, len(given)))


def streams(op):
    """Answers of bytes, texts that are JSON: what botocore reads is of another type than what is sent."""
    return any(m.type_name == "blob" or m.serialization.get("jsonvalue") or getattr(m, "is_document_type", False) for m in op.output_shape.members.values()) \
        or "payload" in op.output_shape.serialization


def without_payload(op, want):
    """A payload that is text or bytes alone is content."""
    payload = op.output_shape.serialization.get("payload")
    if payload and op.output_shape.members[payload].type_name in ("blob", "string"):
        want.pop(awsmodel.camel(payload), None)
    return want


ERRORS = {
    "query": (403, {}, b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no &amp; no</Message></Error>"
                       b"<RequestId>r-1</RequestId></ErrorResponse>"),
    "ec2": (403, {}, b"<Response><Errors><Error><Code>AccessDenied</Code><Message>no &amp; no</Message></Error></Errors>"
                     b"<RequestID>r-1</RequestID></Response>"),
    "json": (400, {"x-amzn-RequestId": "r-1"}, b'{"__type":"com.amazonaws.x#AccessDenied","message":"no & no"}'),
    "rest-json": (403, {"x-amzn-RequestId": "r-1", "x-amzn-ErrorType": "AccessDenied:http://internal/"}, b'{"Message":"no & no"}'),
    "rest-xml": (403, {}, b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no &amp; no</Message></Error>"
                          b"<RequestId>r-1</RequestId></ErrorResponse>"),
}


def errors_of_every_protocol(t):
    kit, told = Kit(), [c for c in calls() if c[2].http["method"] != "HEAD"]    # whose answers have no bodies
    for _, model, _, _, request in told:
        kit.give(request, awsmodel.answer(*ERRORS[model.metadata["protocol"]]))
    for (folder, _, op, _, _), got in zip(told, kit.answers()):
        t.equal((got.get("errorCode"), got.get("errorMessage"), got.get("requestID"), got.get("responseElements")),
                ("Client.AccessDenied" if folder == "ec2" else "AccessDenied", "no & no", "r-1", None), "%s %s" % (folder, op.name))


def any_host_that_is_called(t):
    """LocalStack and its like: only the signature says which service it is."""
    names = collections.Counter(awsmodel.load(f).signing_name for f in awsmodel.services())
    kit, signed = Kit(), [c for c in calls() if c[2].auth_type is None and (names[c[1].signing_name] == 1 or c[0] == "s3control")
                          and c[1].signing_name not in ("aoss", "vpc-lattice")]    # whose APIs only their hosts tell from customers'
    for _, model, op, params, _ in signed:
        kit.give(awsmodel.request(model, op, params, "localhost:4566"))
    for (folder, model, op, params, _), got in zip(signed, kit.answers()):
        what = "%s %s" % (folder, op.name)
        t.equal(got["rule"], "aws", what)
        t.ok(same_name(folder, got["eventName"], names_of(folder, op)), "%s: eventName %s" % (what, got["eventName"]))
        t.equal(got["eventSource"], awsmodel.source(model), what)
        t.equal(got.get("requestParameters"), expected(folder, model, op, params), what)
        t.equal((got.get("accessKeyId"), got.get("region")), (awsmodel.KEY, None if model.signature_version == "v2" else awsmodel.REGION), what)


# What stands in real records though no client said it, or what we hide or write otherwise (agent/api/AWS.md)
NOT_OURS = {"SendSerialConsoleSSHPublicKey": {"monitorMode"}, "SendCommand": {"interactive"}, "DeleteResolverQueryLogConfig": {"originSequenceNumber"},
            "UpdateFunctionCode20150331v2": {"fullyQualifiedArn"}, "ModifyInstanceAttribute": {"userData"},
            "DeleteFlowLogs": {"DeleteFlowLogsRequest"}, "EnableSerialConsoleAccess": {"EnableSerialConsoleAccessRequest"}}


def given(shape, v, ec2=False, top=True):
    """Parameters that a record tells of, as a client gives them."""
    kind = shape.type_name
    if kind == "structure":
        found = {}
        for name, m in shape.members.items():
            key = awsmodel.ec2_key(m, name, top) if ec2 else awsmodel.camel(name)
            if key in v:
                found[name] = given(m, v[key], ec2, False)
        return found
    if kind == "list":
        items = v.get("items", []) if ec2 and isinstance(v, dict) else v
        return [given(shape.member, x if shape.member.type_name == "structure" or not ec2 else list(x.values())[0], ec2, False) for x in items]
    if kind == "map":
        return {k: given(shape.value, x) for k, x in v.items()} if isinstance(v, dict) else {PLANTED: [PLANTED]}
    return b"bytes" if kind == "blob" else v


def before_ec2(name, v):
    """What CloudTrail writes in other places than EC2's API has it."""
    v = dict(v)
    if "attributeType" in v:
        v["attribute"] = "createVolumePermission" if v["attributeType"] == "CREATE_VOLUME_PERMISSION" else v["attributeType"]
    return {**{k: x for k, x in v.items() if k != "instancesSet"}, **v["instancesSet"]["items"][0]} if name == "RunInstances" else v


def records_of_cloudtrail_itself(t):
    """Published records of real calls: the same calls again are described so."""
    with open(os.path.join(os.path.dirname(awsmodel.__file__), "awsrecords.json"), encoding="utf-8") as f:
        records = json.load(f)["records"]
    kit = Kit()
    for r in records:
        model = awsmodel.load(r["service"])
        op = model.operation_model(r["operation"])
        ec2 = r["service"] == "ec2"
        told = before_ec2(op.name, r["requestParameters"] or {}) if ec2 else r["requestParameters"] or {}
        kit.give(awsmodel.request(model, op, given(op.input_shape, told, ec2) if op.input_shape else {}), awsmodel.answer(200, {}, b""))
    for r, got in zip(records, kit.answers()):
        for field in ("eventSource", "eventName", "readOnly"):
            t.equal(got[field], r[field], r["eventName"])
        t.equal(got["category"], r["eventCategory"], r["eventName"])
        aside = NOT_OURS.get(r["eventName"], ())
        want, have = ({k: x for k, x in query_leaves_out(v or {}).items() if k not in aside} for v in (r["requestParameters"], got.get("requestParameters")))
        t.equal(have, want, r["eventName"])
    t.must(len(records) >= 40, "%d records" % len(records))


def strip(got, want, loose):
    """Without what only a client knows: times, its checksums and the like, which must be there as text."""
    return {k: v for k, v in got.items() if k in want or not (k in loose or k.lower() in CLIENTS)}


# what the client puts in besides parameters; whether it is written is the unit test's affair
CLIENTS = {"x-amz-security-token", "x-amz-sdk-checksum-algorithm", "x-amz-copy-source-server-side-encryption-customer-key-md5",
           "x-amz-server-side-encryption-customer-key-md5"}


def s3_by_its_client(t):
    """Every operation of S3, by hosts of AWS's and of others, in both styles of addressing."""
    clients = [("my-bucket.s3.eu-west-1.amazonaws.com", awss3.Client()),
               ("s3.eu-west-1.amazonaws.com", awss3.Client(config={"s3": {"addressing_style": "path"}})),
               ("minio.test:9000", awss3.Client(endpoint_url="http://minio.test:9000", config={"s3": {"addressing_style": "path"}}))]
    for host, client in clients:
        kit, given = Kit(), []
        for op, params in awss3.calls():
            try:
                request = client.call(op.name, dict(params))
            except Unmakeable as e:
                t.fail("%s cannot be called: %s" % (op.name, e))
                continue
            kit.give(request)
            given.append((op, params, re.search(rb"\r\n[Hh]ost: ([^\r]*)", request).group(1).decode()))
        for (op, params, called), got in zip(given, kit.answers()):
            what = "%s at %s" % (op.name, host)
            want, loose = awss3.expected(op, params, called)
            t.equal((got["rule"], got["eventSource"], got["eventName"]), ("aws", "s3.amazonaws.com", awss3.RENAMED.get(op.name, op.name)), what)
            t.equal(strip(got.get("requestParameters") or {}, want, loose), want, what)
            if "Bucket" in params:
                t.ok({"ARN": "arn:aws:s3:::my-bucket", "type": "AWS::S3::Bucket"} in got["resources"], what + ": resources %r" % got["resources"])
        t.ok(PLANTED not in kit.text and "planted-secret-key" not in kit.text, "a planted secret came out")
        t.must(len(given) > 90, "only %d operations of S3" % len(given))


if __name__ == "__main__":
    tap.main([records_of_cloudtrail_itself, s3_by_its_client, requests_mean_what_the_model_says, bodies_that_are_cut_give_what_is_whole, answers_to_what_writes, errors_of_every_protocol,
              any_host_that_is_called])

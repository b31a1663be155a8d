#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: later=20
"""Every operation that Debian's unmodified AWS CLI knows, from one beginning to its end, and an error of each as the CLI says it. What it is too old for (ingestion of event data
stores) is in js_client.py; what operations mean, in lake*.py, delivery.py and aws_lookup.py."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
import bucketkit  # noqa: E402
import tap  # noqa: E402
from storekit import REGION, Store, fill  # noqa: E402

S = {"asked": set(), "refused": set()}
NOBODY = "11111111-2222-3333-4444-555555555555"
# of the service model of 2.9.19, without what this store does not have: dashboards' and imports' operations, channels, resource policies
OPERATIONS = {"add-tags", "cancel-query", "create-event-data-store", "create-trail", "delete-event-data-store", "delete-trail", "describe-query", "describe-trails",
              "get-event-data-store", "get-event-selectors", "get-insight-selectors", "get-query-results", "get-trail", "get-trail-status", "list-event-data-stores",
              "list-public-keys", "list-queries", "list-tags", "list-trails", "lookup-events", "put-event-selectors", "remove-tags", "restore-event-data-store", "start-logging",
              "start-query", "stop-logging", "update-event-data-store", "update-trail"}
NO_ERRORS = {"list-public-keys", "list-trails", "describe-trails"}  # they take nothing, or leave out what is not there


def run(operation, *args):
    words = ["cloudtrail", operation, *args, "--endpoint-url", S["store"].endpoint, "--region", REGION, "--output", "json"]
    return bucketkit.in_loop(words, S["store"].environment())


def ask(t, operation, *args):
    status, said = run(operation, *args)
    t.equal(status, 0, "%s: %s" % (operation, said))
    S["asked"].add(operation)
    return json.loads(said) if said.strip().startswith(("{", "[")) else {}


def refused(t, want, operation, *args):
    status, said = run(operation, *args)
    t.ok(status != 0 and "An error occurred (%s) when calling" % want in said, "%s %r: %d %s" % (operation, args, status, said))
    S["refused"].add(operation)


def trails(t):
    arn = ask(t, "create-trail", "--name", "cli", "--s3-bucket-name", "logs", "--enable-log-file-validation", "--tags-list", "Key=a,Value=b")["TrailARN"]
    refused(t, "TrailAlreadyExistsException", "create-trail", "--name", "cli", "--s3-bucket-name", "logs")
    refused(t, "S3BucketDoesNotExistException", "create-trail", "--name", "other", "--s3-bucket-name", "none")
    t.equal(ask(t, "get-trail", "--name", arn)["Trail"]["LogFileValidationEnabled"], True, "get-trail")
    refused(t, "TrailNotFoundException", "get-trail", "--name", "none")
    t.equal({x["Name"] for x in ask(t, "list-trails")["Trails"]}, {"default", "cli"}, "list-trails")
    t.equal([x["S3BucketName"] for x in ask(t, "describe-trails", "--trail-name-list", "cli", "none")["trailList"]], ["logs"], "describe-trails")
    t.equal(ask(t, "update-trail", "--name", "cli", "--s3-key-prefix", "p")["S3KeyPrefix"], "p", "update-trail")
    refused(t, "InvalidS3PrefixException", "update-trail", "--name", "cli", "--s3-key-prefix", "../p")
    selectors = [{"Name": "calls", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]
    t.equal(ask(t, "put-event-selectors", "--trail-name", "cli", "--advanced-event-selectors", json.dumps(selectors))["AdvancedEventSelectors"], selectors, "put-event-selectors")
    refused(t, "InvalidEventSelectorsException", "put-event-selectors", "--trail-name", "cli", "--advanced-event-selectors",
            json.dumps([{"FieldSelectors": [{"Field": "nosuch", "Equals": ["x"]}]}]))
    t.equal(ask(t, "get-event-selectors", "--trail-name", "cli")["AdvancedEventSelectors"], selectors, "get-event-selectors")
    refused(t, "TrailNotFoundException", "get-event-selectors", "--trail-name", "none")
    refused(t, "InsightNotEnabledException", "get-insight-selectors", "--trail-name", "cli")
    ask(t, "add-tags", "--resource-id", arn, "--tags-list", "Key=c,Value=d")
    refused(t, "ResourceNotFoundException", "add-tags", "--resource-id", arn.replace("cli", "none"), "--tags-list", "Key=c,Value=d")
    t.equal(ask(t, "list-tags", "--resource-id-list", arn)["ResourceTagList"][0]["TagsList"], [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}], "list-tags")
    refused(t, "ResourceNotFoundException", "list-tags", "--resource-id-list", arn.replace("cli", "none"))
    ask(t, "remove-tags", "--resource-id", arn, "--tags-list", "Key=a")
    refused(t, "CloudTrailARNInvalidException", "remove-tags", "--resource-id", "none", "--tags-list", "Key=a")
    for operation, logging in (("start-logging", True), ("stop-logging", False)):
        ask(t, operation, "--name", "cli")
        t.equal(ask(t, "get-trail-status", "--name", "cli")["IsLogging"], logging, operation)
        time.sleep(1.1)  # within one second there is nothing that a digest would be over
        refused(t, "TrailNotFoundException", operation, "--name", "none")
    refused(t, "TrailNotFoundException", "get-trail-status", "--name", "none")
    t.ok(tap.wait_for(lambda: ask(t, "list-public-keys")["PublicKeyList"]), "list-public-keys, when there is a digest")
    t.must(tap.wait_for(lambda: bucketkit.drained(S["dir"])), "the last one comes")
    ask(t, "delete-trail", "--name", "cli")
    refused(t, "TrailNotFoundException", "delete-trail", "--name", "cli")


def bounds(t):
    """What there is too much of, and what is not of a kind that this store has."""
    b, made = S["store"].boto(), 0
    try:
        for made in range(40):
            b.create_trail(Name="many%d" % made, S3BucketName="logs")
        t.fail("40 trails are made")
    except b.exceptions.MaximumNumberOfTrailsExceededException:
        t.equal(made, 32, "trails")
    for i in range(made):
        b.delete_trail(Name="many%d" % i)
    refused(t, "InvalidKmsKeyIdException", "create-trail", "--name", "keyed", "--s3-bucket-name", "logs", "--kms-key-id", "a\nkey")
    store = ask(t, "list-event-data-stores")["EventDataStores"][0]["EventDataStoreArn"]
    refused(t, "ResourceTypeNotSupportedException", "add-tags", "--resource-id", store, "--tags-list", "Key=c,Value=d")
    for i in range(256):
        status, answer = S["store"].call("PlaceHold", {"Name": "h%d" % i, "Reason": "many"})
        if status != 200:
            break
    t.equal((status, S["store"].call("PlaceHold", {"Name": "one-more", "Reason": "many"})[1].get("__type")), (200, "ResourceLimitExceededException"), "holds: %d %r" % (i, answer))
    for i in range(256):
        S["store"].call("ReleaseHold", {"Name": "h%d" % i, "Reason": "done"})


def event_history(t):
    page = ask(t, "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=openat", "--max-items", "3")
    t.equal([e["EventName"] for e in page["Events"]], ["openat"] * 3, "lookup-events")
    refused(t, "InvalidLookupAttributesException", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=a", "AttributeKey=EventId,AttributeValue=b")
    refused(t, "InvalidTimeRangeException", "lookup-events", "--start-time", "2026-01-02", "--end-time", "2026-01-01")


def event_data_stores(t):
    made = ask(t, "create-event-data-store", "--name", "mine", "--retention-period", "30", "--termination-protection-enabled")
    arn = made["EventDataStoreArn"]
    refused(t, "EventDataStoreAlreadyExistsException", "create-event-data-store", "--name", "mine")
    t.equal(ask(t, "get-event-data-store", "--event-data-store", arn)["RetentionPeriod"], 30, "get-event-data-store")
    refused(t, "EventDataStoreARNInvalidException", "get-event-data-store", "--event-data-store", "nonsense")
    t.ok(arn in [x["EventDataStoreArn"] for x in ask(t, "list-event-data-stores")["EventDataStores"]], "list-event-data-stores")
    refused(t, "InvalidNextTokenException", "list-event-data-stores", "--no-paginate", "--next-token", "abcd")
    refused(t, "EventDataStoreTerminationProtectedException", "delete-event-data-store", "--event-data-store", arn)
    t.equal(ask(t, "update-event-data-store", "--event-data-store", arn, "--no-termination-protection-enabled")["TerminationProtectionEnabled"], False, "update-event-data-store")
    refused(t, "EventDataStoreNotFoundException", "update-event-data-store", "--event-data-store", NOBODY, "--name", "other")
    refused(t, "InvalidEventDataStoreStatusException", "restore-event-data-store", "--event-data-store", arn)
    ask(t, "delete-event-data-store", "--event-data-store", arn)
    refused(t, "InactiveEventDataStoreException", "start-query", "--query-statement", "SELECT 1 FROM " + arn.rsplit("/", 1)[1])
    t.equal(ask(t, "restore-event-data-store", "--event-data-store", arn)["Status"], "ENABLED", "restore-event-data-store")


def queries(t):
    store = next(x["EventDataStoreArn"] for x in ask(t, "list-event-data-stores")["EventDataStores"] if x["Name"] == "default")
    query = ask(t, "start-query", "--query-statement", "SELECT eventname, count(*) AS n FROM %s GROUP BY 1 ORDER BY 1" % store.rsplit("/", 1)[1])["QueryId"]
    refused(t, "InvalidQueryStatementException", "start-query", "--query-statement", "DROP TABLE x")
    tap.wait_for(lambda: ask(t, "describe-query", "--query-id", query)["QueryStatus"] == "FINISHED")
    refused(t, "QueryIdNotFoundException", "describe-query", "--query-id", NOBODY)
    first = ask(t, "get-query-results", "--query-id", query, "--max-query-results", "2")
    second = ask(t, "get-query-results", "--query-id", query, "--max-query-results", "1000", "--next-token", first["NextToken"])
    names = [row[0]["eventname"] for row in first["QueryResultRows"] + second["QueryResultRows"]]
    t.equal((len(first["QueryResultRows"]), names, "NextToken" in second), (2, sorted(set(names)), False), "get-query-results, in two pages")
    refused(t, "InvalidNextTokenException", "get-query-results", "--query-id", query, "--next-token", "abcd")
    t.ok(query in [q["QueryId"] for q in ask(t, "list-queries", "--event-data-store", store, "--query-status", "FINISHED")["Queries"]], "list-queries")
    refused(t, "InvalidDateRangeException", "list-queries", "--event-data-store", store, "--start-time", "2026-01-02", "--end-time", "2026-01-01")
    refused(t, "InactiveQueryException", "cancel-query", "--query-id", query)
    endless = ask(t, "start-query", "--query-statement", "SELECT count(*) FROM events a, events b, events c WHERE a.eventjson || b.eventjson < c.eventjson")["QueryId"]
    t.equal(ask(t, "cancel-query", "--query-id", endless)["QueryStatus"], "CANCELLED", "cancel-query")


def each_was_there(t):
    t.equal(OPERATIONS - S["asked"] - {"get-insight-selectors"}, set(), "asked")
    t.equal(OPERATIONS - S["refused"] - NO_ERRORS, set(), "refused")
    t.equal(S["store"].stop(), 0, "exit status")


if __name__ == "__main__":
    with tap.Workdir() as top:
        S["dir"] = top + "/store"
        fill(S["dir"], 3000, time.time() - 600, 100_000_000)
        S["store"] = Store(S["dir"], buckets=["logs %s/logs" % top], delivery_interval="100ms", digest_period="1s")
        tap.main([trails, bounds, event_history, event_data_stores, queries, each_was_there])

# SPDX-License-Identifier: Apache-2.0
"""Every operation of CloudTrail's that the store has, asked of it by one of AWS's clients: once as it is meant, and once for each error that it can give. A client is
a function ask(operation, members) that gives ("out", answer), ("error", name), or None where it is too old to know the operation or a member."""
import time

NOBODY = "11111111-2222-3333-4444-555555555555"
ENDLESS = "SELECT count(*) FROM events a, events b, events c WHERE a.eventjson || b.eventjson < c.eventjson"
CALLS = [{"Name": "calls", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]
NOTHING = [{"FieldSelectors": [{"Field": "nosuch", "Equals": ["x"]}]}]
TAG = [{"Key": "k", "Value": "v"}]
OPERATIONS = {"CreateTrail", "GetTrail", "ListTrails", "DescribeTrails", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging", "GetTrailStatus", "PutEventSelectors",
              "GetEventSelectors", "GetInsightSelectors", "AddTags", "ListTags", "RemoveTags", "ListPublicKeys", "LookupEvents", "CreateEventDataStore", "GetEventDataStore",
              "ListEventDataStores", "UpdateEventDataStore", "DeleteEventDataStore", "RestoreEventDataStore", "StartEventDataStoreIngestion",
              "StopEventDataStoreIngestion", "StartQuery", "DescribeQuery", "GetQueryResults", "ListQueries", "CancelQuery"}


class Walk:
    def __init__(self, t, ask):
        self.t, self.ask, self.asked, self.refused, self.unknown = t, ask, set(), set(), set()

    def good(self, operation, **members):
        got = self.ask(operation, members)
        if got is None:
            self.unknown.add(operation)
            return None
        self.t.ok(got[0] == "out", "%s %r: %r" % (operation, members, got))
        self.asked.add(operation)
        return got[1] if got[0] == "out" else {}

    def bad(self, want, operation, **members):
        got = self.ask(operation, members)
        if got is None:
            self.unknown.add(operation)
            return
        self.t.equal(got, ("error", want), "%s %r" % (operation, members))
        self.refused.add(operation)


def trails(w):
    arn = w.good("CreateTrail", Name="every", S3BucketName="logs", EnableLogFileValidation=True, TagsList=TAG)["TrailARN"]
    other = arn.replace("trail/every", "trail/none")
    for want, members in (("TrailAlreadyExistsException", {}), ("InvalidTrailNameException", {"Name": "a..b"}), ("InvalidS3BucketNameException", {"Name": "abc", "S3BucketName": "A_B"}),
                          ("S3BucketDoesNotExistException", {"Name": "abc", "S3BucketName": "nosuch"}), ("InvalidS3PrefixException", {"Name": "abc", "S3KeyPrefix": "x" * 201}),
                          ("InvalidSnsTopicNameException", {"Name": "abc", "SnsTopicName": "topic"}), ("OrganizationsNotInUseException", {"Name": "abc", "IsOrganizationTrail": True}),
                          ("InvalidKmsKeyIdException", {"Name": "abc", "KmsKeyId": "a\nkey"}), ("InvalidTagParameterException", {"Name": "abc", "TagsList": TAG + TAG}),
                          ("InvalidCloudWatchLogsLogGroupArnException", {"Name": "abc", "CloudWatchLogsLogGroupArn": "x"})):
        w.bad(want, "CreateTrail", **{"Name": "every", "S3BucketName": "logs", **members})
    w.t.equal(w.good("GetTrail", Name=arn)["Trail"]["LogFileValidationEnabled"], True, "the trail")
    w.t.ok("every" in [x["Name"] for x in w.good("ListTrails")["Trails"]], "listed")
    w.bad("InvalidTokenException", "ListTrails", NextToken="x")
    w.t.equal([x["Name"] for x in w.good("DescribeTrails", trailNameList=["every"])["trailList"]], ["every"], "described")
    w.bad("InvalidTrailNameException", "DescribeTrails", trailNameList=["!"])
    w.t.equal(w.good("UpdateTrail", Name="every", S3KeyPrefix="p")["S3KeyPrefix"], "p", "changed")
    w.good("StartLogging", Name="every")
    w.t.equal(w.good("GetTrailStatus", Name="every")["IsLogging"], True, "logging")
    w.good("StopLogging", Name="every")
    w.t.equal(w.good("PutEventSelectors", TrailName="every", AdvancedEventSelectors=CALLS)["AdvancedEventSelectors"], CALLS, "selectors")
    w.bad("InvalidEventSelectorsException", "PutEventSelectors", TrailName="every", AdvancedEventSelectors=NOTHING)
    w.bad("InvalidParameterCombinationException", "PutEventSelectors", TrailName="every")
    w.t.equal(w.good("GetEventSelectors", TrailName=arn)["AdvancedEventSelectors"], CALLS, "read again")
    w.bad("InsightNotEnabledException", "GetInsightSelectors", TrailName="every")
    w.good("AddTags", ResourceId=arn, TagsList=[{"Key": "l", "Value": "w"}])
    w.t.equal([x["Key"] for x in w.good("ListTags", ResourceIdList=[arn])["ResourceTagList"][0]["TagsList"]], ["k", "l"], "tags")
    w.good("RemoveTags", ResourceId=arn, TagsList=TAG)
    for operation, members in (("AddTags", {"ResourceId": other}), ("RemoveTags", {"ResourceId": other})):
        w.bad("ResourceNotFoundException", operation, TagsList=TAG, **members)
        w.bad("CloudTrailARNInvalidException", operation, TagsList=TAG, ResourceId="none")
    w.bad("ResourceNotFoundException", "ListTags", ResourceIdList=[other])
    for operation in ("GetTrail", "GetTrailStatus", "UpdateTrail", "StartLogging", "StopLogging", "DeleteTrail"):
        w.bad("TrailNotFoundException", operation, Name=other)
        w.bad("CloudTrailARNInvalidException", operation, Name="arn:aws:s3:::x")
    for operation in ("UpdateTrail", "StartLogging", "StopLogging", "DeleteTrail"):
        w.bad("OperationNotPermittedException", operation, Name="default")
    for operation in ("PutEventSelectors", "GetEventSelectors", "GetInsightSelectors"):
        w.bad("TrailNotFoundException", operation, TrailName="none-such", **({"AdvancedEventSelectors": CALLS} if operation[0] == "P" else {}))
    w.good("DeleteTrail", Name="every")
    w.good("ListPublicKeys")
    w.bad("InvalidTimeRangeException", "ListPublicKeys", StartTime=200, EndTime=100)


def history(w):
    page = w.good("LookupEvents", MaxResults=3, LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "openat"}])
    w.t.equal([e["EventName"] for e in page["Events"]], ["openat"] * 3, "looked up")
    w.good("LookupEvents", MaxResults=3, LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "openat"}], NextToken=page["NextToken"])
    w.bad("InvalidNextTokenException", "LookupEvents", NextToken=page["NextToken"])
    w.bad("InvalidTimeRangeException", "LookupEvents", StartTime=200, EndTime=100)
    w.bad("InvalidMaxResultsException", "LookupEvents", MaxResults=51)
    w.bad("InvalidEventCategoryException", "LookupEvents", EventCategory="data")
    w.bad("InvalidLookupAttributesException", "LookupEvents", LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "maybe"}])


def event_data_stores(w):
    arn = w.good("CreateEventDataStore", Name="every", RetentionPeriod=30)["EventDataStoreArn"]
    for want, members in (("EventDataStoreAlreadyExistsException", {}), ("InvalidParameterException", {"Name": "abc", "RetentionPeriod": 3654}),
                          ("InvalidEventSelectorsException", {"Name": "abc", "AdvancedEventSelectors": NOTHING}), ("UnsupportedOperationException", {"Name": "abc", "KmsKeyId": "alias/mine"})):
        w.bad(want, "CreateEventDataStore", **{"Name": "every", **members})
    w.t.equal(w.good("GetEventDataStore", EventDataStore=arn)["RetentionPeriod"], 30, "shown")
    w.t.ok(arn in [x["EventDataStoreArn"] for x in w.good("ListEventDataStores")["EventDataStores"]], "listed")
    w.bad("InvalidNextTokenException", "ListEventDataStores", NextToken="abcd")
    w.bad("InvalidMaxResultsException", "ListEventDataStores", MaxResults=1001)
    w.bad("EventDataStoreTerminationProtectedException", "DeleteEventDataStore", EventDataStore=arn)
    w.bad("InvalidEventDataStoreStatusException", "StartEventDataStoreIngestion", EventDataStore=arn)
    if w.good("StopEventDataStoreIngestion", EventDataStore=arn) is not None:
        w.t.equal(w.good("GetEventDataStore", EventDataStore=arn)["Status"], "STOPPED_INGESTION", "stopped")
    w.bad("InvalidEventDataStoreStatusException", "StopEventDataStoreIngestion", EventDataStore=arn)
    w.good("StartEventDataStoreIngestion", EventDataStore=arn)
    w.bad("EventDataStoreAlreadyExistsException", "UpdateEventDataStore", EventDataStore=arn, Name="default")
    w.t.equal(w.good("UpdateEventDataStore", EventDataStore=arn, TerminationProtectionEnabled=False)["TerminationProtectionEnabled"], False, "changed")
    w.bad("InvalidEventDataStoreStatusException", "RestoreEventDataStore", EventDataStore=arn)
    w.good("DeleteEventDataStore", EventDataStore=arn)
    w.bad("InactiveEventDataStoreException", "DeleteEventDataStore", EventDataStore=arn)
    w.bad("InactiveEventDataStoreException", "UpdateEventDataStore", EventDataStore=arn, Name="other")
    w.bad("InactiveEventDataStoreException", "StartQuery", QueryStatement="SELECT 1 FROM " + arn.rsplit("/", 1)[1])
    w.t.equal(w.good("RestoreEventDataStore", EventDataStore=arn)["Status"], "ENABLED", "restored")
    for operation in ("Get", "Update", "Delete", "Restore"):
        w.bad("EventDataStoreNotFoundException", operation + "EventDataStore", EventDataStore=NOBODY)
        w.bad("EventDataStoreARNInvalidException", operation + "EventDataStore", EventDataStore="none")
    for operation in ("Start", "Stop"):
        w.bad("EventDataStoreNotFoundException", operation + "EventDataStoreIngestion", EventDataStore=NOBODY)


def queries(w):
    store = next(x["EventDataStoreArn"] for x in w.good("ListEventDataStores")["EventDataStores"] if x["Name"] == "default")
    table = store.rsplit("/", 1)[1]
    query = w.good("StartQuery", QueryStatement="SELECT eventname, count(*) FROM %s GROUP BY 1 ORDER BY 1" % table, DeliveryS3Uri="s3://logs/every")["QueryId"]
    while w.good("DescribeQuery", QueryId=query)["QueryStatus"] in ("QUEUED", "RUNNING"):
        time.sleep(0.05)
    for want, members in (("InvalidQueryStatementException", {"QueryStatement": "DROP TABLE x"}), ("EventDataStoreNotFoundException", {"QueryStatement": "SELECT 1 FROM " + NOBODY}),
                          ("S3BucketDoesNotExistException", {"DeliveryS3Uri": "s3://nosuch/x"}), ("InvalidS3PrefixException", {"DeliveryS3Uri": "s3://logs//x"}),
                          ("InvalidQueryStatementException", {"QueryParameters": ["one", "too many"]})):
        w.bad(want, "StartQuery", **{"QueryStatement": "SELECT 1 FROM " + table, **members})
    first = w.good("GetQueryResults", QueryId=query, MaxQueryResults=2)
    second = w.good("GetQueryResults", QueryId=query, NextToken=first["NextToken"])
    w.t.equal((len(first["QueryResultRows"]), list(first["QueryResultRows"][0][1]), "NextToken" in second), (2, ["_col1"], False), "two pages")
    w.bad("InvalidNextTokenException", "GetQueryResults", QueryId=query, NextToken="abcd")
    w.bad("InvalidMaxResultsException", "GetQueryResults", QueryId=query, MaxQueryResults=1001)
    w.t.ok(query in [q["QueryId"] for q in w.good("ListQueries", EventDataStore=store, QueryStatus="FINISHED")["Queries"]], "listed")
    for want, members in (("InvalidDateRangeException", {"StartTime": 200, "EndTime": 100}), ("InvalidQueryStatusException", {"QueryStatus": "NONE"}),
                          ("InvalidMaxResultsException", {"MaxResults": 1001}), ("InvalidNextTokenException", {"NextToken": "abcd"}),
                          ("EventDataStoreNotFoundException", {"EventDataStore": NOBODY}), ("EventDataStoreARNInvalidException", {"EventDataStore": "none"})):
        w.bad(want, "ListQueries", **{"EventDataStore": store, **members})
    for operation in ("DescribeQuery", "GetQueryResults", "CancelQuery"):
        w.bad("QueryIdNotFoundException", operation, QueryId=NOBODY)
    w.bad("InactiveQueryException", "CancelQuery", QueryId=query)
    many = [w.good("StartQuery", QueryStatement=ENDLESS)["QueryId"] for _ in range(10)]
    w.bad("MaxConcurrentQueriesException", "StartQuery", QueryStatement="SELECT 1 FROM " + table)
    w.t.equal({w.good("CancelQuery", QueryId=q)["QueryStatus"] for q in many}, {"CANCELLED"}, "cancelled")


def walk(t, ask, unknown=()):
    """unknown: operations that the client does not know, nor another one."""
    w = Walk(t, ask)
    for part in (trails, history, event_data_stores, queries):
        part(w)
    t.equal(OPERATIONS - w.asked - {"GetInsightSelectors"}, set(unknown), "asked")
    t.equal(OPERATIONS - w.refused, set(unknown), "refused")

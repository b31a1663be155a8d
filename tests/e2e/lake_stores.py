#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# ht-test: timeout=600 long later=70
"""The lake's event data stores over a journal that grows; what it does without its engine, with segments that are damaged,
and when the store is SIGKILLed at any moment: every acknowledged record is in SQL, once. Seed: HT_SEED."""
import csv
import glob
import gzip
import hashlib
import io
import json
import os
import random
import sqlite3
import subprocess
import sys
import time

import botocore.exceptions

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap  # noqa: E402
from shipkit import STORED, Client, Pki, messages, new_stream  # noqa: E402
from sizes import size  # noqa: E402
from storekit import Store, fill  # noqa: E402

SEED = int(os.environ.get("HT_SEED", "0")) or random.randrange(1, 1 << 30)


class Lake:
    """A store and what a test asks it."""

    def __init__(self, d, **settings):
        self.dir = d
        self.store = Store(d, **settings)
        self.connect()
        self.wait()

    def wait(self):
        self.store.until(lambda: error(self.client.start_query, QueryStatement="SELECT 1 FROM events LIMIT 0")[0] !=
                         "ServiceUnavailableException", "a lake that has looked through its segments")

    def connect(self):
        self.client = self.store.boto()

    def id(self, name="default"):
        return next(e["EventDataStoreArn"].split("/")[1] for e in self.client.list_event_data_stores()["EventDataStores"] if e["Name"] == name)

    def rows(self, sql):
        self.wait()
        query = self.client.start_query(QueryStatement=sql)["QueryId"]
        while True:
            got = self.client.get_query_results(QueryId=query)
            if got["QueryStatus"] not in ("QUEUED", "RUNNING"):
                break
            time.sleep(0.01)
        if got["QueryStatus"] != "FINISHED":
            raise tap.Failed("%s: %s" % (sql, got))
        return [[list(cell.values())[0] for cell in row] for row in got["QueryResultRows"]]

    def rows_of_all(self, sql):
        """All pages of a query that is run for it."""
        query = self.client.start_query(QueryStatement=sql)["QueryId"]
        self.store.until(lambda: self.client.describe_query(QueryId=query)["QueryStatus"] == "FINISHED", "a result")
        out, token = [], {}
        while True:
            page = self.client.get_query_results(QueryId=query, **token)
            out += [[list(cell.values())[0] for cell in row] for row in page["QueryResultRows"]]
            if not page.get("NextToken"):
                return out
            token = {"NextToken": page["NextToken"]}

    def count(self, store, where="true"):
        n, ids = self.rows("SELECT count(*) AS n, count(DISTINCT eventid || hostid) AS ids FROM %s WHERE %s" % (store, where))[0]
        if n != ids:
            raise tap.Failed("%s records, %s of them different" % (n, ids))
        return int(n)

    def operation(self, name, store):
        """Operations that Debian's clients are too old to know."""
        status, answer = self.store.call(name, {"EventDataStore": store}, prefix="CloudTrail_20131101")
        return answer.get("__type") if status != 200 else answer

    def files(self):
        return sorted(glob.glob(os.path.join(self.dir, "lake", "*-*-*-*-*", "day=*", "*.parquet")))

    def manifest(self, sql):
        db = sqlite3.connect("file:%s?mode=ro" % os.path.join(self.dir, "lake.db"), uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()


def error(operation, **kw):
    try:
        operation(**kw)
    except botocore.exceptions.ClientError as e:
        return e.response["Error"]["Code"], e.response["Error"]["Message"]
    return None, None


def selector(*fields):
    return [{"Name": "x", "FieldSelectors": [{"Field": f, "Equals": v} for f, v in fields]}]


def event_data_stores(t):
    with tap.Workdir() as d:
        lake = Lake(d, lake_seal_time="100ms")
        made = lake.client.create_event_data_store(Name="files", AdvancedEventSelectors=selector(("eventCategory", ["Data"]), ("eventSource", ["file.linux"])),
                                         RetentionPeriod=30)
        t.equal((made["Name"], made["Status"], made["RetentionPeriod"], made["TerminationProtectionEnabled"]), ("files", "ENABLED", 30, True), "made")
        plain = lake.client.create_event_data_store(Name="plain", TerminationProtectionEnabled=False)
        t.equal(plain["AdvancedEventSelectors"][0]["FieldSelectors"], [{"Field": "eventCategory", "Equals": ["Management"]}], "CloudTrail's default")
        t.equal(lake.client.get_event_data_store(EventDataStore=lake.id("files").upper())["Name"], "files", "an id in capitals")
        t.equal([e["Name"] for e in lake.client.list_event_data_stores()["EventDataStores"]], ["default", "files", "plain"], "list")
        page = lake.client.list_event_data_stores(MaxResults=2)
        t.equal([e["Name"] for e in lake.client.list_event_data_stores(MaxResults=2, NextToken=page["NextToken"])["EventDataStores"]], ["plain"], "second page")
        files, management, everything = lake.id("files"), lake.id("plain"), lake.id()
        grow(lake, 700)
        t.equal([lake.count(s, "hostname = 'kit'") for s in (files, management, everything)], [200, 300, 700], "by their selectors")
        t.equal(lake.operation("StopEventDataStoreIngestion", files), {}, "stopping")
        t.equal(lake.client.get_event_data_store(EventDataStore=made["EventDataStoreArn"])["Status"], "STOPPED_INGESTION", "stopped")
        grow(lake, 700)
        t.equal([lake.count(s, "hostname = 'kit'") for s in (files, management, everything)], [200, 600, 1400], "one is stopped")
        t.equal(lake.operation("StartEventDataStoreIngestion", made["EventDataStoreArn"]), {}, "starting")
        lake.client.update_event_data_store(EventDataStore=management, AdvancedEventSelectors=selector(("eventCategory", ["Management"]), ("eventName", ["execve"])),
                                  Name="plain2", RetentionPeriod=7)
        grow(lake, 700)
        t.equal([lake.count(s, "hostname = 'kit'") for s in (files, management, everything)], [400, 700, 2100], "started, and changed")
        errors_of_stores(t, lake, files, management, everything)
        lake.client.delete_event_data_store(EventDataStore=management)
        t.equal(lake.client.get_event_data_store(EventDataStore=management)["Status"], "PENDING_DELETION", "deleted")
        t.equal(error(lake.client.start_query, QueryStatement="SELECT 1 FROM " + management)[0], "InactiveEventDataStoreException", "not to be asked any more")
        t.equal(lake.client.restore_event_data_store(EventDataStore=management)["Status"], "ENABLED", "restored")
        joined = lake.rows("SELECT count(*) FROM %s a JOIN %s b ON a.eventid = b.eventid WHERE a.hostname = 'kit'" % (files, everything))
        t.equal(joined, [["400"]], "a join of two")
        lake.store.stop()
        lake.store.start()
        lake.connect()
        t.equal([lake.count(s, "hostname = 'kit'") for s in (files, management, everything)], [400, 700, 2100], "after a new start")
        lake.store.stop()


def errors_of_stores(t, lake, files, management, everything):
    c = lake.client
    cases = [
        (c.create_event_data_store, {"Name": "files"}, "EventDataStoreAlreadyExistsException"),
        (c.create_event_data_store, {"Name": "a b c"}, "ValidationException"),
        (c.create_event_data_store, {"Name": "long", "RetentionPeriod": 3654}, "InvalidParameterException"),
        (c.create_event_data_store, {"Name": "bad", "AdvancedEventSelectors": selector(("nosuch", ["x"]))}, "InvalidEventSelectorsException"),
        (c.create_event_data_store, {"Name": "org", "OrganizationEnabled": True}, "UnsupportedOperationException"),
        (c.create_event_data_store, {"Name": "key", "KmsKeyId": "alias/mine"}, "UnsupportedOperationException"),
        (c.update_event_data_store, {"EventDataStore": files, "KmsKeyId": "alias/mine"}, "UnsupportedOperationException"),
        (c.create_event_data_store, {"Name": "tagged", "TagsList": [{"Key": "a", "Value": "b"}]}, "UnsupportedOperationException"),
        (c.delete_event_data_store, {"EventDataStore": files}, "EventDataStoreTerminationProtectedException"),
        (c.delete_event_data_store, {"EventDataStore": everything}, "EventDataStoreTerminationProtectedException"),
        (c.restore_event_data_store, {"EventDataStore": files}, "InvalidEventDataStoreStatusException"),
        (c.get_event_data_store, {"EventDataStore": "nonsense"}, "EventDataStoreARNInvalidException"),
        (c.get_event_data_store, {"EventDataStore": "11111111-2222-3333-4444-555555555555"}, "EventDataStoreNotFoundException"),
    ]
    t.equal(lake.operation("StopEventDataStoreIngestion", everything), "OperationNotPermittedException", "the built-in one takes in everything")
    t.equal(lake.operation("StartEventDataStoreIngestion", files), "InvalidEventDataStoreStatusException", "it is not stopped")
    for operation, kw, want in cases:
        t.equal(error(operation, **kw)[0], want, str(kw))
    t.equal(c.update_event_data_store(EventDataStore=files, Name="files")["Name"], "files", "as it is")
    t.equal(c.create_event_data_store(Name="bare", TagsList=[])["Status"], "ENABLED", "no tags are no tags")


def grow(lake, n):
    """n more records, by a store that is stopped for it."""
    lake.store.stop()
    fill(lake.dir, n, time.time() - 100, 1000000)
    lake.store.start()
    lake.connect()


def without_its_engine(t):
    with tap.Workdir() as d:
        fill(d, 1000, time.time() - 100, 1000000)
        lake = Lake(d, duckdb="/nonexistent/libduckdb.so")
        for operation, kw in ((lake.client.list_event_data_stores, {}), (lake.client.start_query, {"QueryStatement": "SELECT 1"}),
                              (lake.client.create_event_data_store, {"Name": "abc"})):
            code, message = error(operation, **kw)
            t.ok(code == "UnsupportedOperationException" and "/nonexistent/libduckdb.so" in message, "%s: %s" % (code, message))
        t.equal(len(lake.client.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "openat"}])["Events"]), 50, "lookups work")
        t.equal(lake.store.stderr().count("no lake"), 1, "it is said once")
        lake.store.stop()
        lake = Lake(d)
        t.equal(lake.count(lake.id(), "hostname = 'kit'"), 1000, "with it, everything is there")
        lake.store.stop()


def damaged_segments_are_made_anew(t):
    with tap.Workdir() as d:
        fill(d, 3000, time.time() - 100, 1000000)
        lake = Lake(d, lake_seal_records="1000", lake_seal_time="20s")
        lake.store.until(lambda: lake.manifest("SELECT count(*) FROM segment") == [(3,)], "three segments")
        before = lake.manifest("SELECT path, nrows FROM segment ORDER BY first LIMIT 3")
        lake.store.stop()
        gone, flipped, orphan = lake.files()[0], lake.files()[1], lake.files()[2] + ".tmp"
        os.unlink(gone)
        with open(flipped, "r+b") as f:
            f.seek(5000)
            byte = f.read(1)[0]
            f.seek(5000)
            f.write(bytes([byte ^ 1]))
        with open(orphan, "w") as f:
            f.write("half a segment")
        lake.store.start()
        lake.connect()
        lake.store.until(lambda: os.path.exists(gone) and lake.store.stderr().count("made anew") == 2, "two new ones")
        t.equal(lake.manifest("SELECT path, nrows FROM segment ORDER BY first LIMIT 3"), before, "the same rows")
        t.ok(os.path.exists(flipped + ".damaged"), "the damaged one is kept for people")
        t.ok(not os.path.exists(orphan), "what a crash left is gone")
        t.equal(lake.count(lake.id(), "hostname = 'kit'"), 3000, "all records")
        lake.store.stop()
        with open(os.path.join(d, "rebuilt"), "wb") as f:
            rebuilt = subprocess.Popen([tap.program("hosttrail-store"), "--config", lake.store.config, "--rebuild"], stderr=f)
        try:
            lake.store.child = rebuilt
            lake.store.until(lambda: "API on port" in open(os.path.join(d, "rebuilt")).read(), "a start")
            lake.store.until(lambda: (lake.manifest("SELECT sum(nrows) FROM segment")[0][0] or 0) >= 3000 and len(lake.files()) >= 3, "a rebuilt lake")
        finally:
            rebuilt.terminate()
            t.equal(rebuilt.wait(30), 0, "it ends well")


def a_damaged_journal_does_not_end_merging(t):
    """Small segments whose frames are damaged in the journal by now stay as they are; those behind them are merged."""
    with tap.Workdir() as d:
        fill(d, 2000, time.time() - 100, 1000000, per_frame=400)  # with what the store says of its start too few to be merged
        lake = Lake(d, lake_seal_records="400", lake_seal_time="50ms")
        lake.store.until(lambda: lake.manifest("SELECT count(*) FROM segment") >= [(5,)], "five segments")
        lake.store.stop()
        damage_the_first_frame(d)
        fill(d, 4000, time.time() - 100, 1000000, per_frame=400)
        lake.store.start()
        lake.connect()
        lake.store.until(lambda: lake.manifest("SELECT count(*) FROM segment WHERE nrows >= 4 * 400") != [(0,)], "a merge")
        t.equal(lake.count(lake.id(), "hostname = 'kit'"), 6000, "all records, those of the damaged frame too")
        t.equal(lake.store.stderr().count("sealing"), 1, "tried once")
        lake.store.stop()


def damage_the_first_frame(d):
    with open(sorted(glob.glob(os.path.join(d, "journal", "*.jnl")))[0], "r+b") as f:
        f.seek(3000)
        byte = f.read(1)[0]
        f.seek(3000)
        f.write(bytes([byte ^ 1]))


def a_damaged_manifest_is_set_aside(t):
    with tap.Workdir() as d:
        fill(d, 1000, time.time() - 100, 1000000)
        lake = Lake(d, lake_seal_time="50ms")
        before = lake.id()
        lake.store.until(lambda: lake.store.metric("lake_sealed_records_total") >= 1000, "segments")
        lake.store.stop()
        for name in glob.glob(os.path.join(d, "lake.db-*")):
            os.unlink(name)
        with open(os.path.join(d, "lake.db"), "r+b") as f:
            f.write(b"no database any more, is it?" * 100)
        lake.store.start()
        lake.connect()
        t.equal(lake.id(), before, "the same id")
        t.equal(lake.count(before, "hostname = 'kit'"), 1000, "all records")
        t.equal(len(glob.glob(os.path.join(d, "lake.db.damaged-*"))), 1, "it is kept")
        lake.store.until(lambda: (lake.manifest("SELECT sum(nrows) FROM segment")[0][0] or 0) >= 1000, "segments")
        lake.store.stop()


def queries_end_in_time(t):
    with tap.Workdir() as d:
        fill(d, 6000, time.time() - 100, 1000000)
        lake = Lake(d, lake_query_time="3s", lake_query_rows="100")
        endless = "SELECT count(*) AS n FROM events a, events b, events c WHERE a.eventjson || b.eventjson < c.eventjson"
        for sql, want in ((endless, "TIMED_OUT"), ("SELECT eventid FROM events", "FAILED"), ("SELECT eventid FROM events LIMIT 100", "FINISHED")):
            lake.store.until(lambda: lake.store.metric("lake_ready") == 1 and error(lake.client.start_query, QueryStatement=sql)[0] is None, "a start")
            query = lake.client.list_queries(EventDataStore=lake.id())["Queries"][0]["QueryId"]
            lake.store.until(lambda: lake.client.describe_query(QueryId=query)["QueryStatus"] not in ("QUEUED", "RUNNING"), "its end")
            t.equal(lake.client.describe_query(QueryId=query)["QueryStatus"], want, sql)
        lake.store.stop()


def signed_files(t, lake, d, folder):
    """Checks result_sign.json by the steps that AWS documents; names of the files."""
    with open(os.path.join(folder, "result_sign.json")) as f:
        sign = json.load(f)
    for x in sign["files"]:
        with open(os.path.join(folder, x["fileName"]), "rb") as f:
            t.equal(x["fileHashValue"], hashlib.sha256(f.read()).hexdigest(), "hash of the compressed file")
    keys = {k["Fingerprint"]: k["Value"] for k in lake.client.list_public_keys()["PublicKeyList"]}
    with open(os.path.join(d, "key"), "wb") as f:
        f.write(keys[sign["publicKeyFingerprint"]])
    with open(os.path.join(d, "signature"), "wb") as f:
        f.write(bytes.fromhex(sign["hashSignature"]))
    subprocess.run(["openssl", "rsa", "-RSAPublicKey_in", "-inform", "DER", "-in", d + "/key", "-pubout", "-out", d + "/pem"], check=True, capture_output=True)
    for text, status in ((" ".join(x["fileHashValue"] for x in sign["files"]), 0), ("another", 1)):
        r = subprocess.run(["openssl", "dgst", "-sha256", "-verify", d + "/pem", "-signature", d + "/signature"], input=text.encode(), capture_output=True, check=False)
        t.equal(r.returncode, status, "signature over " + text)
    return [x["fileName"] for x in sign["files"]]


def a_bucket_that_is_nearly_full(t):
    """Results leave it to log files."""
    with tap.Workdir() as d:
        full = os.path.join(d, "full")
        os.mkdir(full)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "hosttrail-test", full], check=False).returncode:
            raise tap.Skip("cannot mount a tmpfs")
        try:
            fill(d, 100, time.time() - 100, 1000000)
            lake = Lake(d, buckets=["full-bucket " + full])
            for left, want in ((400 << 10, "SUCCESS"), (40 << 10, "FAILED")):
                with open(os.path.join(full, "ballast"), "wb") as f:
                    f.write(bytes((1 << 20) - left))
                query = lake.client.start_query(QueryStatement="SELECT eventid FROM events LIMIT 5", DeliveryS3Uri="s3://full-bucket")["QueryId"]
                lake.store.until(lambda: lake.client.describe_query(QueryId=query).get("DeliveryStatus") not in ("PENDING", None), "an end")
                t.equal(lake.client.describe_query(QueryId=query)["DeliveryStatus"], want, "%d bytes are left" % left)
            t.ok("no room for results" in lake.store.stderr(), "it is said")
            lake.store.stop()
        finally:
            subprocess.run(["umount", full], check=True)


def saved_results_are_signed(t):
    """CSV and signature as an auditor checks them: with gzip, csv and openssl."""
    with tap.Workdir() as d:
        fill(d, 2000, time.time() - 100, 1000000)
        os.mkdir(os.path.join(d, "bucket"))
        lake = Lake(d, buckets=["query-results %s/bucket" % d])
        sql = "SELECT eventid, eventname, errorcode, useridentity, 'a \"b\", c' AS odd FROM events ORDER BY eventtimenanos"
        want = [[v if v is not None else "" for v in row] for row in lake.rows_of_all(sql)]
        query = lake.store.aws("start-query", "--query-statement", sql, "--delivery-s3-uri", "s3://query-results/kept/here")["QueryId"]
        describe = lambda: lake.client.describe_query(QueryId=query)  # noqa: E731
        lake.store.until(lambda: describe().get("DeliveryStatus") not in ("PENDING", None), "delivery")
        t.equal((describe()["DeliveryStatus"], describe()["DeliveryS3Uri"]), ("SUCCESS", "s3://query-results/kept/here"), "described")
        folder = os.path.join(d, "bucket/kept/here/AWSLogs/000000000000/CloudTrail-Lake/Query", time.strftime("%Y/%m/%d", time.gmtime()), query)
        with open(os.path.join(folder, "result_1.csv.gz"), "rb") as f:
            data = f.read()
        got = list(csv.reader(io.StringIO(gzip.decompress(data).decode())))
        t.equal(got[0], ["eventid", "eventname", "errorcode", "useridentity", "odd"], "names")
        t.ok(got[1:] == want, "%d rows, as GetQueryResults has them" % len(want))
        t.equal(signed_files(t, lake, d, folder), ["result_1.csv.gz"], "files")
        big = "SELECT a.eventjson FROM events a, (SELECT 1 FROM events LIMIT 60)"
        query = lake.client.start_query(QueryStatement=big, DeliveryS3Uri="s3://query-results/kept/here/")["QueryId"]
        lake.store.until(lambda: describe().get("DeliveryStatus") not in ("PENDING", None), "delivery", 120)
        names = signed_files(t, lake, d, os.path.join(os.path.dirname(folder), query))
        t.equal((len(names) > 1, names), (True, ["result_%d.csv.gz" % (i + 1) for i in range(len(names))]), "several files")
        start = lake.client.start_query
        for uri in ("s3://query-results/..", "s3://query-results/a/../b", "s3://query-results/./a"):
            t.equal(error(start, QueryStatement=sql, DeliveryS3Uri=uri)[0], "InvalidS3PrefixException", uri)
        t.equal(error(start, QueryStatement=sql, DeliveryS3Uri="s3://nosuch-bucket/x")[0], "S3BucketDoesNotExistException", "no such bucket")
        t.equal(error(start, QueryStatement=sql, DeliveryS3Uri="s3://")[0], "InvalidS3PrefixException", "no bucket in it")
        os.rename(os.path.join(d, "bucket"), os.path.join(d, "gone"))
        with open(os.path.join(d, "bucket"), "w") as f:
            f.write("no folder")
        query = start(QueryStatement=sql, DeliveryS3Uri="s3://query-results")["QueryId"]
        lake.store.until(lambda: describe().get("DeliveryStatus") not in ("PENDING", None), "an end")
        t.equal((describe()["QueryStatus"], describe()["DeliveryStatus"]), ("FINISHED", "FAILED"), "a bucket that cannot be written to")
        lake.store.stop()


def acknowledged_is_visible(t):
    """Frames through the network; after each acknowledgement a query counts them, while they are sealed and merged."""
    with tap.Workdir() as d:
        pb, pki = messages(d), Pki(os.path.join(d, "pki"))
        pki.host("host")
        lake = Lake(d, lake_seal_time="50ms")
        own = lake.count(lake.id())
        for i in range(1, 31):
            with Client(pki, "host", lake.store.ports["ingest"], pb) as sender:
                replies = sender.ship(*pki.frames("host", new_stream(), count=3, seed=i))
            t.equal([r[0] for r in replies], [STORED] * 3, "acknowledged")
            t.equal(lake.count(lake.id()) - own, i * 12, "all of %d frames" % (3 * i))
        with Client(pki, "host", lake.store.ports["ingest"], pb) as sender:	# more than is indexed in no time
            replies = sender.ship(*pki.frames("host", new_stream(), count=80, records=500))
        t.equal(len([r for r in replies if r[0] == STORED]), 80, "acknowledged")
        t.equal(lake.count(lake.id()) - own, 360 + 40000, "all of many")
        t.note("%d segments, %d merges" % (lake.store.metric("lake_seals_total"), lake.store.metric("lake_merges_total")))
        lake.store.stop()


def what_is_too_old_goes(t):
    """Time is not waited for: the manifest is told that it has passed."""
    with tap.Workdir() as d:
        fill(d, 3000, time.time() - 100, 1000000)
        lake = Lake(d, lake_seal_records="1000", lake_seal_time="20s")
        made = lake.client.create_event_data_store(Name="short", TerminationProtectionEnabled=False, RetentionPeriod=7)
        lake.client.delete_event_data_store(EventDataStore=made["EventDataStoreArn"])
        lake.store.until(lambda: lake.manifest("SELECT count(*) FROM segment") == [(3,)], "three segments")
        lake.client.update_event_data_store(EventDataStore=lake.id(), RetentionPeriod=7)
        lake.store.stop()
        first, second, third = (p for p, in lake.manifest("SELECT path FROM segment ORDER BY first"))
        day, now = 86400, int(time.time())
        old = time.strftime("%Y-%m-%d", time.gmtime(now - 9 * day))
        db = sqlite3.connect(os.path.join(d, "lake.db"))
        db.execute("UPDATE segment SET day = ?, last_time = ? WHERE path = ?", (old, now - 9 * day, first))	# came and happened long ago
        db.execute("UPDATE segment SET last_time = ? WHERE path = ?", (now - 9 * day, second))	# came now, as if it had happened long ago
        db.execute("UPDATE segment SET day = ? WHERE path = ?", (old, third))	# came long ago, and says that it is of now
        db.execute("UPDATE store SET deleted = ? WHERE name = 'short'", ((now - 8 * day) * 10**9,))
        db.commit()
        db.close()
        lake.store.start()
        lake.connect()
        lake.store.until(lambda: not os.path.exists(os.path.join(d, "lake", first)), "the old one to go")
        t.equal([p for p, in lake.manifest("SELECT path FROM segment ORDER BY first")][:2], [second, third], "the others stay: the later time counts")
        t.equal(lake.count(lake.id(), "hostname = 'kit'"), 2000, "its records are gone, and not sealed again")
        lake.store.until(lambda: len(lake.client.list_event_data_stores()["EventDataStores"]) == 1, "the deleted event data store to go")
        lake.store.stop()


def many_segments_are_opened_a_few_at_a_time(t):
    """A segment a day, which nothing merges: what a query over all of them, and a start, need of files and memory."""
    n = size("lake.segments")
    with tap.Workdir() as d:
        fill(d, 4 * n, time.time() - n * 86400, 86400 * 10**9 // 4, per_frame=4, aged=True)
        lake = Lake(d, lake_seal_time="50ms", lake_memory="512M")
        files = lake.store.open_files
        lake.store.until(lambda: lake.store.metric("lake_sealed_records_total") >= 4 * n, "segments", 4 * 3600)
        before, most, begin = files(), 0, time.monotonic()
        query = lake.client.start_query(QueryStatement="SELECT count(*) AS n, count(DISTINCT eventid) AS i, max(length(eventjson)) > 0 AS j FROM events "
                                        "WHERE hostname = 'kit'")["QueryId"]
        while lake.client.describe_query(QueryId=query)["QueryStatus"] in ("QUEUED", "RUNNING"):
            most = max(most, files())
        seconds = time.monotonic() - begin
        got = lake.client.get_query_results(QueryId=query)
        t.equal(got["QueryResultRows"], [[{"n": str(4 * n)}, {"i": str(4 * n)}, {"j": "true"}]], "all records")
        t.ok(most < before + 100, "%d files open, %d before" % (most, before))
        t.ok(files() < before + 20, "%d files stay open, %d before" % (files(), before))
        memory = lake.store.rss()["VmHWM"] >> 20
        t.ok(memory < 1500, "%d MiB of memory" % memory)
        lake.store.kill()
        begin = time.monotonic()
        lake.store.start()
        lake.connect()
        lake.wait()
        t.note("%d segments: a query over all of them %.1f s, %d files open at most, %d MiB; a start until it may be asked %.1f s" %
               (len(lake.files()), seconds, most, memory, time.monotonic() - begin))
        t.ok(lake.client.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "openat"}])["Events"], "a lookup")
        lake.store.stop()


def mergeable(segments):
    """Are there eight small neighbours? One more is on its way now and then: of the store's own records."""
    small = "".join("x" if rows < 1000 else " " for rows, in segments)
    return "x" * 8 in small


def killed_at_any_moment(t):
    chance = random.Random(SEED)
    t.note("HT_SEED=%d" % SEED)
    with tap.Workdir() as d:
        total = 0
        lake = Lake(d, lake_seal_records="200", lake_seal_time="50ms")
        for _ in range(size("lake.kills")):
            lake.store.kill()
            n = chance.randrange(500, 3000)
            fill(d, n, time.time() - 100, 1000000, per_frame=chance.choice((40, 150)))
            total += n
            lake.store.start(wait=False)
            time.sleep(chance.uniform(0, 0.5))
        lake.store.kill()
        lake.store.start()
        lake.connect()
        lake.wait()
        slow = lake.client.start_query(QueryStatement="SELECT count(*) AS n FROM events WHERE hostname = 'kit' AND "
                                       "len(list_distinct(list_transform(string_split(eventjson, ''), x -> md5(x)))) > 0")["QueryId"]
        t.equal(lake.count(lake.id(), "hostname = 'kit'"), total, "while they are being sealed")
        lake.store.until(lambda: lake.store.metric("lake_unsealed_records") == 0, "everything to be sealed")
        t.equal(lake.count(lake.id(), "hostname = 'kit'"), total, "sealed")
        while mergeable(lake.manifest("SELECT nrows FROM segment ORDER BY first")):
            t.equal(lake.count(lake.id(), "hostname = 'kit'"), total, "while they are merged")
        t.equal(lake.count(lake.id(), "hostname = 'kit'"), total, "merged")
        lake.store.until(lambda: lake.client.describe_query(QueryId=slow)["QueryStatus"] not in ("QUEUED", "RUNNING"), "the slow query's end",
                         300)  # a minute, on a machine that is busy ten times over
        got = lake.client.get_query_results(QueryId=slow)
        t.equal((got["QueryStatus"], got["QueryResultRows"]), ("FINISHED", [[{"n": str(total)}]]), "by a query that began before the merge")
        spans = lake.manifest("SELECT first, last FROM segment ORDER BY first")
        t.ok(all(a[1] <= b[0] for a, b in zip(spans, spans[1:])), "no stretch is in two segments")
        lake.store.until(lambda: len(lake.files()) == len(lake.manifest("SELECT path FROM segment")), "no file too many")
        t.note("%d records, %d segments, %d merges since the last start" % (total, len(spans), lake.store.metric("lake_merges_total")))
        lake.store.stop()


if __name__ == "__main__":
    tap.main([event_data_stores, without_its_engine, damaged_segments_are_made_anew,
              a_damaged_journal_does_not_end_merging, a_damaged_manifest_is_set_aside, queries_end_in_time, saved_results_are_signed, a_bucket_that_is_nearly_full,
              acknowledged_is_visible, what_is_too_old_goes, many_segments_are_opened_a_few_at_a_time,
              killed_at_any_moment])

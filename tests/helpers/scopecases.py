# SPDX-License-Identifier: Apache-2.0
"""Keys that may see some records only, of three hosts, and what each sees: of the embedded lake, and of a cluster."""
from storekit import SECRET

HOSTS = {"a": ("000000000000", "local"), "b": ("111111111111", "local"), "c": ("111111111111", "local")}
RECORDS = {"a": 40, "b": 24, "c": 8}


def profile(name, **settings):
    return "[%s]\naws_access_key_id = KEY%s\naws_secret_access_key = %s\nhosttrail_role = analyst\n%s" % (
        name, name.upper(), SECRET, "".join("hosttrail_%s = %s\n" % s for s in settings.items()))


def profiles(ids):
    """Of the credentials file."""
    return (profile("all") + profile("mine", accounts="000000000000", hosts=ids["a"]) + profile("theirs", accounts="111111111111") +
            profile("one", hosts=ids["c"]) + profile("both", hosts="%s, %s" % (ids["a"], ids["c"]), queries=2) +
            profile("web", labels="env=prod, env=test, team=web") + profile("nothing", labels="env=none") + profile("none", accounts="it's nobody") +
            profile("nobody", hosts="%s, %s" % ("0" * 8, "f" * 8), categories="Data, NetworkActivity") + profile("data", categories="Data") +
            profile("management", categories="Management"))


def host_labels(ids):
    return ["%s env=prod team=web" % ids["a"], "%s env=test team=web" % ids["b"], "%s env=prod team=db" % ids["c"]]


# key: what it sees of each host's records
SEES = {"all": "abc", "mine": "a", "theirs": "bc", "one": "c", "both": "ac", "web": "ab", "nothing": "", "none": "", "nobody": "", "data": "abc", "management": ""}

SHAPES = [
    "SELECT hostid FROM events",
    "SELECT x.hostid FROM events x JOIN events y ON x.eventid = y.eventid",
    "SELECT x.hostid FROM events x LEFT JOIN (SELECT * FROM events WHERE true) y ON x.hostid <> y.hostid",
    "SELECT x.hostid FROM events x, events y WHERE x.eventid = y.eventid LIMIT 200",
    "SELECT hostid FROM events WHERE hostid IN (SELECT hostid FROM events) OR true",
    "SELECT hostid FROM events UNION ALL SELECT hostid FROM events",
    "WITH e AS (SELECT hostid, eventid FROM events) SELECT hostid FROM e ORDER BY eventid DESC LIMIT 100",
    "SELECT any_value(hostid) FROM events GROUP BY hostid",
    "SELECT max(hostid) FROM events UNION SELECT min(hostid) FROM events",
    "SELECT (SELECT max(y.hostid) FROM events y) FROM events x LIMIT 3",
    "SELECT first_value(hostid) OVER (ORDER BY hostid) FROM events",
    "SELECT hostid FROM events WHERE NOT (recipientaccountid = '000000000000')",
    "SELECT hostid FROM events WHERE recipientaccountid = '000000000000' OR 1 = 1",
]

# What would read around a scope: each is refused, or shows what the key may see. ID: the event data store's.
AROUND = [
    # a WITH that lies elsewhere has the name of the table: what an earlier query of another key left under that name is not shown
    "SELECT e.hostid FROM events e, (WITH events AS (SELECT 1 AS x) SELECT x FROM events) t, (SELECT count(*) FROM ID) u",
    "SELECT e.hostid FROM EVENTS e, (WITH Events AS (SELECT 1 AS x) SELECT x FROM events) t, (SELECT count(*) FROM ID) u",
    "SELECT hostid FROM events WHERE 1 IN (WITH events AS (SELECT 1 AS x) SELECT x FROM events) AND (SELECT count(*) FROM ID) >= 0",
    "WITH t AS (WITH events AS (SELECT 1 AS x) SELECT x FROM events) SELECT e.hostid FROM events e, t, (SELECT count(*) FROM ID) u",
    "SELECT hostid FROM ID UNION ALL (WITH events AS (SELECT hostid FROM events) SELECT hostid FROM events)",
    "WITH RECURSIVE events AS (SELECT hostid FROM ID UNION SELECT hostid FROM events) SELECT hostid FROM events",
    "WITH events AS (SELECT hostid FROM events) SELECT hostid FROM events",
    "WITH events AS (SELECT hostid FROM ID) SELECT hostid FROM events",
    "WITH a AS (SELECT hostid FROM b), b AS (SELECT hostid FROM events) SELECT hostid FROM a",
    # other names for it, other tables, the catalog
    "SELECT hostid FROM main.events", "SELECT hostid FROM temp.events", "SELECT hostid FROM temp.main.events", "SELECT hostid FROM memory.main.events",
    "SELECT hostid FROM hosttrail.trail_2", "SELECT host AS hostid FROM trail_2", "SELECT host FROM trail_rows_2", "SELECT hostid FROM \"events\"", "SELECT hostid FROM EVENTS",
    "SELECT hostid FROM \"ID\"", "SELECT hostid FROM `events`", "SELECT hostid FROM [events]", "SELECT hostid FROM \uff45vents", "SELECT hostid FROM event\u017f",
    "SELECT hostid FROM \"events\u200b\"", "SELECT sql FROM sqlite_master", "SELECT sql FROM duckdb_views()", "SELECT table_name FROM information_schema.tables",
    "SELECT name FROM system.tables", "SELECT query FROM system.query_log", "SELECT query FROM system.processes", "SELECT value FROM system.settings",
    "FROM events", "FROM events SELECT hostid", "TABLE events", "SHOW TABLES", "DESCRIBE events", "SUMMARIZE events", "SELECT * FROM (SHOW ALL TABLES)",
    "SELECT * FROM (DESCRIBE events)", "SELECT * FROM (SUMMARIZE events)", "PIVOT events ON hostid USING count(*)", "SELECT * FROM (PIVOT events ON eventname USING count(*))",
    # functions that read
    "SELECT * FROM hosttrail_scan(1)", "SELECT * FROM hosttrail_scan(0)", "SELECT * FROM query('SELECT hostid FROM events')", "SELECT * FROM query_table('events')",
    "SELECT * FROM read_parquet('lake/*/*/*.parquet')", "SELECT * FROM 'lake/*/*/*.parquet'", "SELECT * FROM \"lake/x.parquet\"", "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/*')", "SELECT * FROM file('/etc/passwd', CSV, 'x String')", "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'x String')",
    "SELECT * FROM remote('127.0.0.1', hosttrail.trail_2)", "SELECT * FROM cluster('hosttrail', hosttrail.trail_2)", "SELECT * FROM merge('hosttrail', '.*')",
    "SELECT * FROM numbers(10)", "SELECT * FROM range(10)", "SELECT * FROM generate_series(1, 10)", "SELECT dictGetString('a', 'b', 1) FROM events",
    "SELECT getvariable('x') FROM events", "SELECT current_setting('temp_directory') FROM events", "SELECT getenv('HOME') FROM events",
    "SELECT hostName() FROM events", "SELECT currentDatabase() FROM events", "SELECT joinGet('x', 'y', 1) FROM events", "SELECT getSetting('max_threads') FROM events",
    # other statements, settings and formats
    "SELECT hostid FROM events SETTINGS readonly = 0", "SELECT hostid FROM events FORMAT Native", "SELECT hostid FROM events INTO OUTFILE '/tmp/x'",
    "SELECT hostid FROM events PREWHERE 1", "SELECT hostid FROM events FINAL", "SELECT hostid FROM events SAMPLE 1", "SELECT hostid FROM events ARRAY JOIN [1] AS x",
    "SELECT hostid FROM events; SELECT hostid FROM events", "EXPLAIN SELECT hostid FROM events", "EXPLAIN ANALYZE SELECT hostid FROM events",
    "COPY (SELECT hostid FROM events) TO '/tmp/x'", "CREATE OR REPLACE TEMP VIEW events AS SELECT 1", "ATTACH '/tmp/x' AS x", "SET threads = 1", "PRAGMA version",
    "CALL pragma_version()", "EXECUTE x", "PREPARE x AS SELECT 1", "VALUES (1)", "SELECT 1",
    # the scope's own columns under other names, comments, whole rows
    "SELECT 'x' AS host, 'y' AS account, hostid FROM events", "SELECT hostid AS recipientaccountid FROM events WHERE recipientaccountid = '000000000000'",
    "SELECT host FROM events", "SELECT account FROM events", "SELECT kind FROM events", "SELECT e FROM events e", "SELECT e.* FROM events e", "SELECT COLUMNS('host.*') FROM events",
    "SELECT x.h FROM (SELECT hostid AS h FROM events) x", "SELECT e(hostid) FROM events AS e(hostid)", "SELECT hostid FROM events AS x(a, b, c)",
    "SELECT hostid FROM events -- ) WHERE 0", "SELECT hostid FROM events /*", "SELECT hostid FROM/**/events", "SELECT hostid FROM events WHERE 1=1) OR (1=1",
    "SELECT hostid FROM events e POSITIONAL JOIN ID i", "SELECT hostid FROM events LATERAL JOIN events", "SELECT t.hostid FROM events e, LATERAL (SELECT hostid FROM events) t",
    "SELECT hostid FROM events USING SAMPLE 100%", "SELECT hostid FROM events AT (VERSION => 1)", "SELECT hostid FROM events QUALIFY true",
    "SELECT (SELECT string_agg(hostid, ' ') FROM events)", "SELECT hostid FROM events WHERE EXISTS (SELECT 1 FROM events i WHERE i.hostid <> hostid)",
]

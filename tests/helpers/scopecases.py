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

/* SPDX-License-Identifier: Apache-2.0 */
/* EventBridge's patterns: the examples of its manual and of its matcher's, and what else they say, each with an event. */
#include <errno.h>
#include <json-c/json.h>

#include "store/delivery/pattern.h"
#include "tests/tap.h"

/* The event of the manual's examples. */
#define EVENT                                                                                                                       \
	"{\"version\":\"0\",\"id\":\"ddddd4-aaaa-7777-4444-345dd43cc333\",\"detail-type\":\"EC2 Instance State-change Notification\"," \
	"\"source\":\"aws.ec2\",\"account\":\"012345679012\",\"time\":\"2017-10-02T16:24:49Z\",\"region\":\"us-east-1\","              \
	"\"resources\":[\"arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000\"],"                                         \
	"\"detail\":{\"c-count\":5,\"d-count\":3,\"x-limit\":301.8,\"source-ip\":\"10.0.0.33\",\"instance-id\":\"i-000000aaaaaa00000\"," \
	"\"state\":\"running\",\"none\":null,\"empty\":\"\",\"yes\":true,\"deep\":{\"a\":{\"b\":\"c\"}}}}"

struct row {
	const char *pattern;
	bool want;
};

static void match_all(const char *event, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pattern *p = NULL;
		char why[PATTERN_WHY_MAX] = "";
		int r = pattern_parse(rows[i].pattern, strlen(rows[i].pattern), &p, why);

		if (!r)
			r = pattern_matches_text(p, event, strlen(event));
		if (r != rows[i].want) {
			printf("# %s: %d %s\n", rows[i].pattern, r, why);
			ok(false);
		}
		pattern_free(&p);
	}
}
#define MATCH(event, rows) match_all(event, rows, sizeof(rows) / sizeof(rows[0]))

static void literals(void)
{
	static const struct row rows[] = {
		{ "{\"detail-type\":[\"EC2 Instance State-change Notification\"],"
		  "\"resources\":[\"arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000\"],"
		  "\"detail\":{\"state\":[\"initializing\",\"running\"]}}", true },
		{ "{\"source\":[\"aws.ec2\"],\"region\":[\"eu-west-1\"]}", false },
		{ "{\"source\":[\"AWS.ec2\"]}", false },
		{ "{\"nothing\":[\"x\"]}", false },
		{ "{\"detail\":{\"c-count\":[5]}}", true },
		{ "{\"detail\":{\"c-count\":[5.0]}}", false },	/* numbers by their spelling */
		{ "{\"detail\":{\"c-count\":[\"5\"]}}", false },
		{ "{\"detail\":{\"x-limit\":[301.8]}}", true },
		{ "{\"detail\":{\"yes\":[true]}}", true },
		{ "{\"detail\":{\"yes\":[false]}}", false },
		{ "{\"detail\":{\"none\":[null]}}", true },
		{ "{\"detail\":{\"empty\":[null]}}", false },
		{ "{\"detail\":{\"empty\":[\"\"]}}", true },
		{ "{\"detail\":{\"none\":[\"\"]}}", false },
		{ "{\"detail\":{\"deep\":{\"a\":{\"b\":[\"c\"]}}}}", true },
		{ "{\"detail\":{\"deep\":{\"a\":[\"b\"]}}}", false },
		{ "{\"detail\":{\"state\":{\"x\":[\"running\"]}}}", false },
	};

	MATCH(EVENT, rows);
}

static void texts(void)
{
	static const struct row rows[] = {
		{ "{\"time\":[{\"prefix\":\"2017-10-02\"}]}", true },
		{ "{\"time\":[{\"prefix\":\"2017-10-03\"}]}", false },
		{ "{\"region\":[{\"prefix\":\"us-\"}]}", true },
		{ "{\"region\":[{\"prefix\":\"\"}]}", true },
		{ "{\"region\":[{\"prefix\":\"us-east-1-more\"}]}", false },
		{ "{\"detail\":{\"c-count\":[{\"prefix\":\"5\"}]}}", false },
		{ "{\"source\":[{\"prefix\":{\"equals-ignore-case\":\"AWS.\"}}]}", true },
		{ "{\"source\":[{\"prefix\":\"AWS.\"}]}", false },
		{ "{\"source\":[{\"suffix\":\"ec2\"}]}", true },
		{ "{\"source\":[{\"suffix\":\"EC2\"}]}", false },
		{ "{\"source\":[{\"suffix\":{\"equals-ignore-case\":\"EC2\"}}]}", true },
		{ "{\"source\":[{\"equals-ignore-case\":\"AWS.EC2\"}]}", true },
		{ "{\"source\":[{\"equals-ignore-case\":\"AWS.EC\"}]}", false },
		{ "{\"source\":[{\"wildcard\":\"aws.*\"}]}", true },
		{ "{\"source\":[{\"wildcard\":\"*\"}]}", true },
		{ "{\"source\":[{\"wildcard\":\"*.*2\"}]}", true },
		{ "{\"source\":[{\"wildcard\":\"aws.ec2\"}]}", true },
		{ "{\"source\":[{\"wildcard\":\"aws.ec\"}]}", false },
		{ "{\"source\":[{\"wildcard\":\"aws\\\\*ec2\"}]}", false },
		{ "{\"resources\":[{\"wildcard\":\"arn:aws:ec2:us-east-1:*:instance/*\"}]}", true },
		{ "{\"resources\":[{\"wildcard\":\"arn:aws:ec2:*:instance/*b*\"}]}", false },
		{ "{\"detail\":{\"c-count\":[{\"wildcard\":\"*\"}]}}", false },
		{ "{\"detail\":{\"empty\":[{\"wildcard\":\"*\"}]}}", true },
		{ "{\"detail\":{\"empty\":[{\"wildcard\":\"\"}]}}", true },
	};
	static const struct row stars[] = {
		{ "{\"a\":[{\"wildcard\":\"x\\\\*y\\\\\\\\z\"}]}", true }, { "{\"a\":[{\"wildcard\":\"x*\\\\*y*z\"}]}", true },
		{ "{\"a\":[{\"wildcard\":\"x*\\\\*\\\\*y*\"}]}", false }, { "{\"a\":[{\"wildcard\":\"*\\\\\\\\z\"}]}", true },
	};

	MATCH(EVENT, rows);
	MATCH("{\"a\":\"x*y\\\\z\"}", stars);
}

static void anything_but(void)
{
	static const struct row rows[] = {
		{ "{\"detail\":{\"state\":[{\"anything-but\":\"initializing\"}]}}", true },
		{ "{\"detail\":{\"state\":[{\"anything-but\":\"running\"}]}}", false },
		{ "{\"detail\":{\"x-limit\":[{\"anything-but\":123}]}}", true },
		{ "{\"detail\":{\"state\":[{\"anything-but\":[\"stopped\",\"overloaded\"]}]}}", true },
		{ "{\"detail\":{\"state\":[{\"anything-but\":[\"stopped\",\"running\"]}]}}", false },
		{ "{\"detail\":{\"x-limit\":[{\"anything-but\":[100,200,300]}]}}", true },
		{ "{\"detail\":{\"c-count\":[{\"anything-but\":[5,6]}]}}", false },
		{ "{\"detail\":{\"c-count\":[{\"anything-but\":\"5\"}]}}", true },
		{ "{\"detail\":{\"state\":[{\"anything-but\":{\"prefix\":\"init\"}}]}}", true },
		{ "{\"detail\":{\"state\":[{\"anything-but\":{\"prefix\":\"run\"}}]}}", false },
		{ "{\"detail\":{\"state\":[{\"anything-but\":{\"prefix\":[\"init\",\"run\"]}}]}}", false },
		{ "{\"detail\":{\"state\":[{\"anything-but\":{\"suffix\":\"ing\"}}]}}", false },
		{ "{\"detail\":{\"state\":[{\"anything-but\":{\"equals-ignore-case\":\"RUNNING\"}}]}}", false },
		{ "{\"detail\":{\"state\":[{\"anything-but\":{\"equals-ignore-case\":[\"initializing\",\"stopped\"]}}]}}", true },
		{ "{\"detail\":{\"state\":[{\"anything-but\":{\"wildcard\":\"*nn*\"}}]}}", false },
		{ "{\"detail\":{\"state\":[{\"anything-but\":{\"wildcard\":\"*/lib/*\"}}]}}", true },
		{ "{\"detail\":{\"absent\":[{\"anything-but\":\"x\"}]}}", false },
		{ "{\"detail\":{\"none\":[{\"anything-but\":\"x\"}]}}", true },
		{ "{\"detail\":{\"state\":[{\"anything-but\":\"running\"},\"running\"]}}", true },
	};

	MATCH(EVENT, rows);
}

static void numbers(void)
{
	static const struct row rows[] = {
		{ "{\"detail\":{\"c-count\":[{\"numeric\":[\">\",0,\"<=\",5]}],\"d-count\":[{\"numeric\":[\"<\",10]}],"
		  "\"x-limit\":[{\"numeric\":[\"=\",3.018e2]}]}}", true },
		{ "{\"detail\":{\"c-count\":[{\"numeric\":[\">\",0,\"<\",5]}]}}", false },
		{ "{\"detail\":{\"c-count\":[{\"numeric\":[\">=\",5]}]}}", true },
		{ "{\"detail\":{\"c-count\":[{\"numeric\":[\">\",5]}]}}", false },
		{ "{\"detail\":{\"c-count\":[{\"numeric\":[\"=\",5.0]}]}}", true },
		{ "{\"detail\":{\"x-limit\":[{\"numeric\":[\"=\",301.8000001]}]}}", true },	/* six digits behind the point */
		{ "{\"detail\":{\"x-limit\":[{\"numeric\":[\"=\",301.80001]}]}}", false },
		{ "{\"detail\":{\"state\":[{\"numeric\":[\">\",0]}]}}", false },
		{ "{\"account\":[{\"numeric\":[\">\",0]}]}", false },		/* a text of digits is none */
	};
	static const struct row large[] = { { "{\"a\":[{\"numeric\":[\">\",0]}]}", false }, { "{\"a\":[6000000000]}", true } };

	MATCH(EVENT, rows);
	MATCH("{\"a\":6000000000}", large);
}

static void addresses(void)
{
	static const struct row rows[] = {
		{ "{\"detail\":{\"source-ip\":[{\"cidr\":\"10.0.0.0/24\"}]}}", true },
		{ "{\"detail\":{\"source-ip\":[{\"cidr\":\"10.0.0.0/8\"}]}}", true },
		{ "{\"detail\":{\"source-ip\":[{\"cidr\":\"10.0.0.32/27\"}]}}", true },
		{ "{\"detail\":{\"source-ip\":[{\"cidr\":\"10.0.0.34/31\"}]}}", false },
		{ "{\"detail\":{\"source-ip\":[{\"cidr\":\"10.0.0.33/32\"}]}}", true },
		{ "{\"detail\":{\"source-ip\":[{\"cidr\":\"0.0.0.0/0\"}]}}", true },
		{ "{\"detail\":{\"source-ip\":[{\"cidr\":\"11.0.0.0/8\"}]}}", false },
		{ "{\"detail\":{\"source-ip\":[{\"cidr\":\"::/0\"}]}}", false },
		{ "{\"detail\":{\"state\":[{\"cidr\":\"0.0.0.0/0\"}]}}", false },
	};
	static const struct row six[] = {
		{ "{\"a\":[{\"cidr\":\"2001:db8::/33\"}]}", true }, { "{\"a\":[{\"cidr\":\"2001:db8:8000::/33\"}]}", false },
		{ "{\"a\":[{\"cidr\":\"2001:DB8::1/128\"}]}", true }, { "{\"a\":[{\"cidr\":\"0.0.0.0/0\"}]}", false },
	};

	MATCH(EVENT, rows);
	MATCH("{\"a\":\"2001:db8::1\"}", six);
}

static void existence(void)
{
	static const struct row rows[] = {
		{ "{\"detail\":{\"c-count\":[{\"exists\":true}]}}", true },
		{ "{\"detail\":{\"c-count\":[{\"exists\":false}]}}", false },
		{ "{\"detail\":{\"absent\":[{\"exists\":false}]}}", true },
		{ "{\"detail\":{\"absent\":[{\"exists\":true}]}}", false },
		{ "{\"detail\":{\"none\":[{\"exists\":true}]}}", true },
		{ "{\"detail\":{\"deep\":[{\"exists\":true}]}}", false },	/* leaves only */
		{ "{\"detail\":{\"deep\":[{\"exists\":false}]}}", true },
		{ "{\"detail\":{\"absent\":{\"more\":[{\"exists\":false}]}}}", true },
		{ "{\"absent\":{\"more\":[{\"exists\":false}]},\"source\":[\"aws.ec2\"]}", true },
		{ "{\"absent\":{\"more\":[{\"exists\":true}]}}", false },
		{ "{\"detail\":{\"absent\":[\"x\",{\"exists\":false}]}}", true },
		{ "{\"detail\":{\"state\":[\"stopped\",{\"exists\":false}]}}", false },
		{ "{\"resources\":[{\"exists\":true}]}", true },
	};
	static const struct row empty[] = { { "{\"a\":[{\"exists\":true}]}", false }, { "{\"a\":[{\"exists\":false}]}", true },
					    { "{\"a\":{\"b\":[{\"exists\":false}]}}", true } };

	MATCH(EVENT, rows);
	MATCH("{\"a\":[]}", empty);
}

static void arrays(void)
{
	static const struct row rows[] = {
		{ "{\"v\":[\"b\",\"x\"]}", true }, { "{\"v\":[\"x\"]}", false }, { "{\"v\":[2]}", true }, { "{\"v\":[\"deep\"]}", true },
		{ "{\"v\":[{\"anything-but\":\"a\"}]}", true }, { "{\"v\":[{\"numeric\":[\">\",1]}]}", true },
		{ "{\"list\":{\"k\":[1],\"n\":[\"one\"]}}", true },
		{ "{\"list\":{\"k\":[1],\"n\":[\"two\"]}}", false },		/* not of one element */
		{ "{\"list\":{\"k\":[2]}}", true },
		{ "{\"list\":{\"in\":{\"x\":[5]}}}", true },
		{ "{\"list\":{\"in\":{\"x\":[5],\"y\":[8]}}}", false },
	};

	MATCH("{\"v\":[\"a\",\"b\",2,[\"deep\"]],\"list\":[{\"k\":1,\"n\":\"one\"},{\"k\":2,\"n\":\"two\",\"in\":[{\"x\":5,\"y\":6},{\"x\":7,\"y\":8}]}]}", rows);
}

static void alternatives(void)
{
	static const struct row rows[] = {
		{ "{\"source\":[\"aws.ec2\"],\"$or\":[{\"region\":[\"x\"]},{\"detail\":{\"state\":[\"running\"]}}]}", true },
		{ "{\"source\":[\"aws.s3\"],\"$or\":[{\"region\":[\"x\"]},{\"detail\":{\"state\":[\"running\"]}}]}", false },
		{ "{\"$or\":[{\"region\":[\"x\"]},{\"account\":[\"y\"]}]}", false },
		{ "{\"detail\":{\"$or\":[{\"c-count\":[{\"numeric\":[\">\",10]}]},{\"d-count\":[{\"numeric\":[\"<\",10]}]},{\"x-limit\":[1]}]}}", true },
		{ "{\"source\":[\"aws.ec2\"],\"$or\":[{\"region\":[\"x\"]},{\"account\":[\"012345679012\"],\"$or\":[{\"id\":[\"a\"]},{\"version\":[\"0\"]}]}]}", true },
		{ "{\"source\":[\"aws.ec2\"],\"$or\":[{\"region\":[\"x\"]},{\"account\":[\"012345679012\"],\"$or\":[{\"id\":[\"a\"]},{\"version\":[\"1\"]}]}]}", false },
		{ "{\"$or\":{\"region\":[\"us-east-1\"]}}", false },		/* a field of that name */
	};
	static const struct row field[] = { { "{\"$or\":{\"a\":[1]}}", true }, { "{\"$or\":[{\"prefix\":\"x\"}]}", false } };

	MATCH(EVENT, rows);
	MATCH("{\"$or\":{\"a\":1}}", field);
}

static void refused(void)
{
	static const char *const rows[] = {
		"", "x", "[]", "{}", "{\"a\":1}", "{\"a\":\"x\"}", "{\"a\":[]}", "{\"a\":{}}", "{\"a\":{\"b\":[]}}", "{\"a\":[[1]]}", "{\"a\":[{}]}",
		"{\"a\":[{\"prefix\":\"x\",\"suffix\":\"y\"}]}", "{\"a\":[{\"contains\":\"x\"}]}", "{\"a\":[{\"prefix\":1}]}", "{\"a\":[{\"suffix\":[\"x\"]}]}",
		"{\"a\":[{\"prefix\":{\"suffix\":\"x\"}}]}", "{\"a\":[{\"equals-ignore-case\":null}]}", "{\"a\":[{\"wildcard\":\"a**b\"}]}",
		"{\"a\":[{\"wildcard\":\"a\\\\b\"}]}", "{\"a\":[{\"wildcard\":\"a\\\\\"}]}", "{\"a\":[{\"anything-but\":null}]}", "{\"a\":[{\"anything-but\":[]}]}",
		"{\"a\":[{\"anything-but\":[\"x\",1]}]}", "{\"a\":[{\"anything-but\":{\"cidr\":\"0.0.0.0/0\"}}]}", "{\"a\":[{\"anything-but\":{\"prefix\":[1]}}]}",
		"{\"a\":[{\"anything-but\":{}}]}", "{\"a\":[{\"numeric\":5}]}", "{\"a\":[{\"numeric\":[\"=\"]}]}", "{\"a\":[{\"numeric\":[\"!=\",5]}]}",
		"{\"a\":[{\"numeric\":[\"=\",\"5\"]}]}", "{\"a\":[{\"numeric\":[\"=\",6e9]}]}", "{\"a\":[{\"numeric\":[\"<\",5,\">\",0]}]}",
		"{\"a\":[{\"numeric\":[\">\",5,\"<\",0]}]}", "{\"a\":[{\"numeric\":[\"=\",5,\"<\",9]}]}", "{\"a\":[{\"exists\":\"true\"}]}",
		"{\"a\":[{\"cidr\":\"10.0.0.0\"}]}", "{\"a\":[{\"cidr\":\"10.0.0.0/33\"}]}", "{\"a\":[{\"cidr\":\"10.0.0/8\"}]}", "{\"a\":[{\"cidr\":\"::/129\"}]}",
		"{\"a\":[{\"cidr\":\"x/8\"}]}", "{\"$or\":[{\"a\":[1]}]}", "{\"$or\":[{\"a\":[1]},{}]}", "{\"$or\":[{\"a\":[1]},{\"b\":1}]}",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern *p = NULL;
		char why[PATTERN_WHY_MAX] = "";

		if (pattern_parse(rows[i], strlen(rows[i]), &p, why) != -EINVAL || !*why) {
			printf("# taken: %s\n", rows[i]);
			ok(false);
		}
		pattern_free(&p);
	}
}

static const struct tap_case cases[] = {
	CASE(literals), CASE(texts), CASE(anything_but), CASE(numbers), CASE(addresses), CASE(existence), CASE(arrays), CASE(alternatives), CASE(refused),
};
TAP_MAIN(cases)

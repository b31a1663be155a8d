// SPDX-License-Identifier: Apache-2.0
/* Event selectors: what CloudTrail's rules allow, what they mean, and what is said of a record that is half known. */
#include "proto/selectors.h"
#include "tests/tap.h"

#include <errno.h>

#include "lib/buf.h"
#include "lib/cleanup.h"

static char why[SELECTORS_WHY_MAX];

/* 'quotes' become "quotes": selectors are read more easily so. */
static struct selectors *parse(const char *text)
{
	_cleanup_buf_ struct buf b = { 0 };
	struct selectors *s = NULL;
	int r;

	for (const char *p = text; *p; p++)
		buf_addc(&b, *p == '\'' ? '"' : (uint8_t)*p);
	r = selectors_parse((const char *)b.p, b.n, &s, why);
	if ((r == 0) != (s != NULL))
		abort();
	return s;
}

static bool refused(const char *text, const char *part)
{
	_cleanup_selectors_ struct selectors *s = parse(text);

	if (!s && strstr(why, part))
		return true;
	printf("# %s: %s\n", text, s ? "accepted" : why);
	return false;
}

#define ONE(category, field) "[{'FieldSelectors':[{'Field':'eventCategory','Equals':['" category "']}," field "]}]"

static void what_is_refused(void)
{
	ok(refused("", "too early"));
	ok(refused("[", "too early"));
	ok(refused("[] []", "not JSON"));
	ok(refused("'x'", "array of selectors"));
	ok(refused("[7]", "object"));
	ok(refused("{}", "AdvancedEventSelectors or EventSelectors"));
	ok(refused("{'EventSelectors':[],'AdvancedEventSelectors':[]}", "not both"));
	ok(refused("{'Else':[]}", "unknown member"));
	ok(refused("[{'Name':'x'}]", "FieldSelectors"));
	ok(refused("[{'FieldSelectors':[]}]", "at least one"));
	ok(refused("[{'FieldSelectors':[{'Field':'readOnly','Equals':['true']}]}]", "eventCategory must be there once"));
	ok(refused("[{'FieldSelectors':[{'Field':'eventCategory','Equals':['Data','Management']}]}]", "with one value"));
	ok(refused("[{'FieldSelectors':[{'Field':'eventCategory','NotEquals':['Data']}]}]", "eventCategory"));
	ok(refused("[{'FieldSelectors':[{'Field':'eventCategory','Equals':['data']}]}]", "not an eventCategory"));
	ok(refused(ONE("Data", "{'Field':'nonsense','Equals':['x']}"), "not a field"));
	ok(refused(ONE("Data", "{'Field':'eventName'}"), "no operator"));
	ok(refused(ONE("Data", "{'Field':'eventName','Equals':[]}"), "at least one value"));
	ok(refused(ONE("Data", "{'Field':'eventName','Equals':'x'}"), "array of strings"));
	ok(refused(ONE("Data", "{'Field':'eventName','Equals':[7]}"), "array of strings"));
	ok(refused(ONE("Data", "{'Field':'eventName','Equals':['']}"), "1 to 2048"));
	ok(refused(ONE("Data", "{'Field':'eventName','Matches':['x']}"), "unknown member"));
	ok(refused(ONE("Data", "{'Field':'readOnly','NotEquals':['true']}"), "cannot be used"));
	ok(refused(ONE("Data", "{'Field':'readOnly','Equals':['yes']}"), "cannot be \"yes\""));
	ok(refused(ONE("Data", "{'Field':'resources.type','Equals':['a','b']}"), "only one resources.type"));
	ok(refused(ONE("Data", "{'Field':'resources.type','StartsWith':['a']}"), "cannot be used"));
	ok(refused(ONE("Management", "{'Field':'resources.type','Equals':['a']}"), "in this eventCategory"));
	ok(refused(ONE("NetworkActivity", "{'Field':'readOnly','Equals':['true']}"), "in this eventCategory"));
	ok(refused(ONE("Data", "{'Field':'vpcEndpointId','Equals':['x']}"), "in this eventCategory"));
	ok(refused(ONE("Insight", "{'Field':'eventName','Equals':['x']}"), "in this eventCategory"));
	ok(refused(ONE("Data", "{'Field':'sessionCredentialFromConsole','Equals':['false']}"), "cannot be \"false\""));
	ok(refused(ONE("Data", "{'Field':'process.euid','StartsWith':['1']}"), "cannot be used"));
	ok(refused("[{'Name':'n','FieldSelectors':[7]}]", "selector 1 (n)"));
	ok(refused("[{'ReadWriteType':'All'},{'FieldSelectors':[]}]", "stand together"));
}

static void limits(void)
{
	_cleanup_buf_ struct buf b = { 0 };

	for (unsigned n = 499; n <= 500; n++) {
		_cleanup_selectors_ struct selectors *s = NULL;

		buf_reset(&b);
		buf_adds(&b, "[{'FieldSelectors':[{'Field':'eventCategory','Equals':['Data']},{'Field':'eventName','Equals':[");
		for (unsigned i = 0; i < n; i++)
			buf_addf(&b, "%s'name%u'", i ? "," : "", i);
		buf_adds(&b, "]}]}]");
		s = parse(buf_text(&b));
		ok((s != NULL) == (n == 499));		/* the category is the 500th */
	}
	ok(strstr(why, "more than 500 values") != NULL);
	for (unsigned n = 2048; n <= 2049; n++) {
		_cleanup_selectors_ struct selectors *s = NULL;

		buf_reset(&b);
		buf_adds(&b, "[{'FieldSelectors':[{'Field':'eventCategory','Equals':['Data']},{'Field':'path','Equals':['");
		for (unsigned i = 0; i < n; i++)
			buf_adds(&b, "\xc3\xa4");	/* a character of two bytes */
		buf_adds(&b, "']}]}]");
		s = parse(buf_text(&b));
		ok((s != NULL) == (n == 2048));
	}
}

static void one_value(struct select_view *v, enum select_field f, const char *text)
{
	select_view_text(v, f, text);
}

static struct select_view data_event(const char *arn)
{
	struct select_view v;

	select_view_init(&v);
	for (unsigned f = 0; f < SELECT__MAX; f++)
		one_value(&v, f, NULL);
	one_value(&v, SELECT_CATEGORY, "Data");
	one_value(&v, SELECT_RESOURCE_TYPE, "AWS::S3::Object");
	one_value(&v, SELECT_NAME, "PutObject");
	one_value(&v, SELECT_READ_ONLY, "false");
	if (arn)
		one_value(&v, SELECT_RESOURCE_ARN, arn);
	return v;
}

/* The example that AWS publishes with its answers. */
static void the_published_case(void)
{
	_cleanup_selectors_ struct selectors *s = parse(
		"[{'Name':'S3','FieldSelectors':[{'Field':'eventCategory','Equals':['Data']},"
		"{'Field':'resources.type','Equals':['AWS::S3::Object']},"
		"{'Field':'resources.ARN','Equals':['arn:aws:s3:::bucket/object1'],'StartsWith':['arn:aws:s3:::bucket/'],"
		"'EndsWith':['object3'],'NotStartsWith':['arn:aws:s3:::bucket/deselect'],'NotEndsWith':['object5'],"
		"'NotEquals':['arn:aws:s3:::bucket/object6']}]}]");
	static const struct {
		const char *arn;
		enum select_answer answer;
	} cases[] = {
		{ "arn:aws:s3:::bucket/object1", SELECT_YES },	       { "arn:aws:s3:::bucket/object2", SELECT_YES },
		{ "arn:aws:s3:::bucket1/object3", SELECT_YES },	       { "arn:aws:s3:::bucket/deselectObject4", SELECT_NO },
		{ "arn:aws:s3:::bucket/object5", SELECT_NO },	       { "arn:aws:s3:::bucket/object6", SELECT_NO },
		{ "arn:aws:s3:::other/object9", SELECT_NO },
	};

	must(s != NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct select_view v = data_event(cases[i].arn);

		ok_int(selectors_match(s, &v), cases[i].answer);
	}
}

static enum select_answer ask(const char *condition, const struct select_view *v)
{
	_cleanup_buf_ struct buf b = { 0 };
	_cleanup_selectors_ struct selectors *s = NULL;

	buf_addf(&b, ONE("Data", "%s"), condition);
	s = parse(buf_text(&b));
	if (!s)
		printf("# %s: %s\n", condition, why);
	return s ? selectors_match(s, v) : (enum select_answer)-1;
}

static void operators(void)
{
	struct select_view v = data_event(NULL);

	one_value(&v, SELECT_PATH, "/etc/shadow");
	ok_int(ask("{'Field':'path','Equals':['/etc/shadow']}", &v), SELECT_YES);
	ok_int(ask("{'Field':'path','Equals':['/etc/shado']}", &v), SELECT_NO);
	ok_int(ask("{'Field':'path','Equals':['/etc/Shadow']}", &v), SELECT_NO);
	ok_int(ask("{'Field':'path','Equals':['/etc/*']}", &v), SELECT_NO);
	ok_int(ask("{'Field':'path','StartsWith':['/usr/','/etc/']}", &v), SELECT_YES);
	ok_int(ask("{'Field':'path','StartsWith':['/etc/shadow-']}", &v), SELECT_NO);
	ok_int(ask("{'Field':'path','EndsWith':['shadow']}", &v), SELECT_YES);
	ok_int(ask("{'Field':'path','EndsWith':['x/etc/shadow']}", &v), SELECT_NO);
	ok_int(ask("{'Field':'path','NotEquals':['/etc/passwd']}", &v), SELECT_YES);
	ok_int(ask("{'Field':'path','NotEquals':['/etc/passwd','/etc/shadow']}", &v), SELECT_NO);
	ok_int(ask("{'Field':'path','NotStartsWith':['/etc/']}", &v), SELECT_NO);
	ok_int(ask("{'Field':'path','NotEndsWith':['/passwd']}", &v), SELECT_YES);
	ok_int(ask("{'Field':'path','StartsWith':['/etc/']},{'Field':'eventName','Equals':['PutObject']}", &v), SELECT_YES);
	ok_int(ask("{'Field':'path','StartsWith':['/etc/']},{'Field':'eventName','Equals':['GetObject']}", &v), SELECT_NO);
}

static void absent_and_several_values(void)
{
	struct select_view v = data_event(NULL);

	ok_int(ask("{'Field':'errorCode','Equals':['EACCES']}", &v), SELECT_NO);
	ok_int(ask("{'Field':'errorCode','NotEquals':['EACCES']}", &v), SELECT_YES);
	ok_int(ask("{'Field':'errorCode','NotStartsWith':['E']}", &v), SELECT_YES);	/* what succeeded */
	one_value(&v, SELECT_ERROR, "EPERM");
	ok_int(ask("{'Field':'errorCode','NotStartsWith':['E']}", &v), SELECT_NO);
	one_value(&v, SELECT_PATH, "/a");
	select_view_add(&v, SELECT_PATH, (struct str){ "/b", 2 });
	ok_int(ask("{'Field':'path','Equals':['/b']}", &v), SELECT_YES);
	ok_int(ask("{'Field':'path','NotEquals':['/b']}", &v), SELECT_NO);
	ok_int(ask("{'Field':'path','Equals':['/a'],'NotEquals':['/c']}", &v), SELECT_YES);
	for (unsigned i = 0; i < SELECT_VALUES_MAX; i++)
		select_view_add(&v, SELECT_PATH, (struct str){ "/c", 2 });
	ok_int(ask("{'Field':'path','Equals':['/z']}", &v), SELECT_MAYBE);	/* more than can be told apart */
}

static void what_is_not_known_yet(void)
{
	struct select_view v;

	select_view_init(&v);
	one_value(&v, SELECT_CATEGORY, "Data");
	ok_int(ask("{'Field':'path','Equals':['/x']}", &v), SELECT_MAYBE);
	ok_int(ask("{'Field':'path','NotEquals':['/x']}", &v), SELECT_MAYBE);
	one_value(&v, SELECT_NAME, "openat");
	ok_int(ask("{'Field':'path','Equals':['/x']},{'Field':'eventName','Equals':['open']}", &v), SELECT_NO);
	ok_int(ask("{'Field':'eventName','Equals':['openat']}", &v), SELECT_YES);
	one_value(&v, SELECT_CATEGORY, "Management");
	ok_int(ask("{'Field':'path','Equals':['/x']}", &v), SELECT_NO);
}

/* Whatever becomes known later, a sure answer stays. */
static void partial_answers_hold(void)
{
	static const char *const paths[] = { NULL, "/a", "/ab", "/b" }, *const errors[] = { NULL, "EPERM", "ENOENT" };
	_cleanup_selectors_ struct selectors *s = parse(
		"[{'FieldSelectors':[{'Field':'eventCategory','Equals':['Data']},{'Field':'path','StartsWith':['/a'],'NotEquals':['/ab']},"
		"{'Field':'errorCode','NotEquals':['ENOENT']}]},"
		"{'FieldSelectors':[{'Field':'eventCategory','Equals':['Data']},{'Field':'path','Equals':['/b']}]}]");

	must(s != NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(paths) * ARRAY_SIZE(errors); i++) {
		enum select_answer sure;
		struct select_view v;

		select_view_init(&v);
		one_value(&v, SELECT_CATEGORY, "Data");
		one_value(&v, SELECT_PATH, paths[i % 4]);
		one_value(&v, SELECT_ERROR, errors[i / 4]);
		sure = selectors_match(s, &v);
		ok(sure != SELECT_MAYBE);
		for (unsigned hide = 1; hide < 4; hide++) {
			struct select_view h = v;
			enum select_answer a;

			h.known &= ~((hide & 1 ? 1u << SELECT_PATH : 0) | (hide & 2 ? 1u << SELECT_ERROR : 0));
			a = selectors_match(s, &h);
			ok(a == sure || a == SELECT_MAYBE);
		}
	}
}

static void basic_selectors(void)
{
	_cleanup_selectors_ struct selectors *s = parse(
		"{'TrailARN':'arn','EventSelectors':[{'ReadWriteType':'WriteOnly','IncludeManagementEvents':true,"
		"'ExcludeManagementEventSources':['kms.amazonaws.com'],"
		"'DataResources':[{'Type':'AWS::S3::Object','Values':['arn:aws:s3:::bucket/pre']},"
		"{'Type':'AWS::Lambda::Function','Values':['arn:aws:lambda:x:1:function:f']}]}]}");
	struct select_view v = data_event("arn:aws:s3:::bucket/prefixed");

	must(s != NULL);
	ok(s->basic);
	ok_int(s->n, 3);
	ok_int(selectors_match(s, &v), SELECT_YES);
	one_value(&v, SELECT_READ_ONLY, "true");
	ok_int(selectors_match(s, &v), SELECT_NO);
	v = data_event("arn:aws:s3:::bucket/x");
	ok_int(selectors_match(s, &v), SELECT_NO);
	v = data_event("arn:aws:lambda:x:1:function:f2");	/* a function's ARN is no prefix */
	one_value(&v, SELECT_RESOURCE_TYPE, "AWS::Lambda::Function");
	ok_int(selectors_match(s, &v), SELECT_NO);
	one_value(&v, SELECT_RESOURCE_ARN, "arn:aws:lambda:x:1:function:f");
	ok_int(selectors_match(s, &v), SELECT_YES);
	v = data_event(NULL);
	one_value(&v, SELECT_CATEGORY, "Management");
	one_value(&v, SELECT_SOURCE, "iam.amazonaws.com");
	ok_int(selectors_match(s, &v), SELECT_YES);
	one_value(&v, SELECT_SOURCE, "kms.amazonaws.com");
	ok_int(selectors_match(s, &v), SELECT_NO);
}

static void basic_defaults_and_refusals(void)
{
	_cleanup_selectors_ struct selectors *s = parse("[{}]"), *none = parse("{'EventSelectors':[{'IncludeManagementEvents':false}]}");
	struct select_view v = data_event(NULL);

	must(s && none);
	ok_int(selectors_match(s, &v), SELECT_NO);
	ok_int(none->n, 0);
	one_value(&v, SELECT_CATEGORY, "Management");
	ok_int(selectors_match(s, &v), SELECT_YES);
	ok_int(selectors_match(none, &v), SELECT_NO);
	ok(refused("[{},{},{},{},{},{}]", "more than 5"));
	ok(refused("[{'ReadWriteType':'Some'}]", "ReadWriteType"));
	ok(refused("[{'IncludeManagementEvents':'yes'}]", "true or false"));
	ok(refused("[{'ExcludeManagementEventSources':['iam.amazonaws.com']}]", "ExcludeManagementEventSources"));
	ok(refused("[{'DataResources':[{'Type':'AWS::S3::Bucket','Values':['a']}]}]", "not a type"));
	ok(refused("[{'DataResources':[{'Type':'AWS::S3::Object','Values':[]}]}]", "Values"));
	ok(refused("[{'Else':1}]", "unknown member"));
}

/* All management and network, what changes files, sensitive files that are read; and nothing else. */
static void the_default(void)
{
	_cleanup_selectors_ struct selectors *s = NULL;
	struct select_view v = data_event(NULL);

	must(selectors_parse(selectors_default_text(), strlen(selectors_default_text()), &s, why) == 0);
	one_value(&v, SELECT_PATH, "/tmp/x");
	ok_int(selectors_match(s, &v), SELECT_YES);
	one_value(&v, SELECT_PATH, "/dev/null");
	ok_int(selectors_match(s, &v), SELECT_NO);
	one_value(&v, SELECT_READ_ONLY, "true");
	one_value(&v, SELECT_PATH, "/tmp/x");
	ok_int(selectors_match(s, &v), SELECT_NO);
	one_value(&v, SELECT_PATH, "/etc/shadow");
	ok_int(selectors_match(s, &v), SELECT_YES);
	one_value(&v, SELECT_PATH, "/home/a/.ssh/id_ed25519");
	ok_int(selectors_match(s, &v), SELECT_YES);
	one_value(&v, SELECT_PATH, "/etc/ssl/certs/ca.pem");
	ok_int(selectors_match(s, &v), SELECT_NO);
	one_value(&v, SELECT_CATEGORY, "NetworkActivity");
	ok_int(selectors_match(s, &v), SELECT_YES);
	one_value(&v, SELECT_CATEGORY, "Management");
	ok_int(selectors_match(s, &v), SELECT_YES);
	one_value(&v, SELECT_CATEGORY, "Insight");
	ok_int(selectors_match(s, &v), SELECT_NO);
}

static const struct tap_case cases[] = {
	CASE(what_is_refused), CASE(limits), CASE(the_published_case), CASE(operators), CASE(absent_and_several_values),
	CASE(what_is_not_known_yet), CASE(partial_answers_hold), CASE(basic_selectors), CASE(basic_defaults_and_refusals),
	CASE(the_default),
};
TAP_MAIN(cases)

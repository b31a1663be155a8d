// SPDX-License-Identifier: Apache-2.0
/* Which calls are captured for which event selectors. */
#include "agent/callselect.h"
#include "tests/tap.h"

#include "agent/calls.h"
#include "lib/buf.h"
#include "lib/cleanup.h"

static uint64_t calls[PROBES_CALLS_WORDS];

/* 'quotes' become "quotes". */
static void compile(const char *text)
{
	_cleanup_selectors_ struct selectors *s = NULL;
	_cleanup_buf_ struct buf b = { 0 };
	char why[SELECTORS_WHY_MAX] = "";

	for (const char *p = text; *p; p++)
		buf_addc(&b, *p == '\'' ? '"' : (uint8_t)*p);
	ok(!selectors_parse((const char *)b.p, b.n, &s, why));
	if (!s)
		abort();
	callselect(s, calls);
}

static bool captured(const char *name)
{
	unsigned call = calls_lookup(name);

	ok(call != 0);
	return calls[call / 64] >> call % 64 & 1;
}

#define ONE(category, more) "[{'FieldSelectors':[{'Field':'eventCategory','Equals':['" category "']}" more "]}]"

static void by_category(void)
{
	compile(ONE("Management", ""));
	ok(captured("execve"));
	ok(captured("mount"));
	ok(captured("setxattr"));	/* security.* and the like are management */
	ok(!captured("openat"));
	ok(!captured("connect"));
	ok(!captured("getpid"));	/* high-rate, not named */
	compile(ONE("Data", ""));
	ok(captured("openat"));
	ok(captured("setxattr"));
	ok(!captured("execve"));
	ok(!captured("read"));
	compile(ONE("NetworkActivity", ""));
	ok(captured("connect"));
	ok(!captured("openat"));
	compile("[]");
	ok(!captured("execve"));
}

static void by_name(void)
{
	compile(ONE("Data", ",{'Field':'eventName','Equals':['read']}"));
	ok(captured("read"));
	ok(!captured("write"));
	ok(!captured("openat"));
	compile(ONE("Data", ",{'Field':'eventName','StartsWith':['unlink']}"));
	ok(captured("unlink"));
	ok(captured("unlinkat"));
	ok(!captured("rename"));
	compile(ONE("Data", ",{'Field':'eventName','NotEquals':['openat']}"));
	ok(!captured("openat"));
	ok(captured("unlink"));
	ok(!captured("read"));
	compile(ONE("Management", ",{'Field':'eventName','Equals':['execveat']}"));
	ok(captured("execveat"));
	ok(captured("execve"));		/* which the kernel makes of it */
	ok(!captured("fork"));
	compile(ONE("Management", ",{'Field':'eventName','Equals':['read']}"));
	ok(!captured("read"));		/* it is Data */
}

static void by_what_is_not_known(void)
{
	compile(ONE("Data", ",{'Field':'path','StartsWith':['/etc/']},{'Field':'readOnly','Equals':['false']}"));
	ok(captured("openat"));		/* its flags decide */
	ok(captured("unlink"));
	compile(ONE("Data", ",{'Field':'eventType','Equals':['AwsApiCall']}"));
	ok(!captured("openat"));
	compile(ONE("Data", ",{'Field':'eventSource','Equals':['network.linux']}"));
	ok(!captured("openat"));
}

static void multiplexers(void)
{
	if (!calls_lookup("socketcall"))
		return;
	compile(ONE("NetworkActivity", ""));
	ok(captured("socketcall"));
	compile(ONE("Data", ",{'Field':'eventName','Equals':['openat']}"));
	ok(!captured("socketcall"));
}

static const struct tap_case cases[] = { CASE(by_category), CASE(by_name), CASE(by_what_is_not_known), CASE(multiplexers) };
TAP_MAIN(cases)

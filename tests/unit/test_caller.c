/* SPDX-License-Identifier: Apache-2.0 */
/* Keys: settings of a profile, what they let see, and how often. */
#include <errno.h>

#include "lib/clock.h"
#include "store/auth.h"
#include "store/ops.h"
#include "tests/tap.h"

static void settings(void)
{
	struct caller c;

	caller_init(&c, 5);
	ok_int(c.role, ROLE_READER);
	ok_int(caller_set(&c, "region", "eu"), 0);
	ok_int(caller_set(&c, "hosttrail_role", "operator"), 1);
	ok_int(c.role, ROLE_OPERATOR);
	ok_int(caller_set(&c, "hosttrail_role", "Operator"), -EINVAL);
	ok_int(caller_set(&c, "hosttrail_rate", "0.5"), 1);
	ok_int(caller_set(&c, "hosttrail_rate", "1e9"), -EINVAL);
	ok_int(caller_set(&c, "hosttrail_rate", "nan"), -EINVAL);
	ok_int(caller_set(&c, "hosttrail_rate", ""), -EINVAL);
	ok_int(caller_set(&c, "hosttrail_queries", "3"), 1);
	ok_int(c.queries, 3);
	ok_int(caller_set(&c, "hosttrail_queries", "0"), -EINVAL);	/* would be "all" */
	ok_int(caller_set(&c, "hosttrail_queries", "3x"), -EINVAL);
	ok_int(caller_set(&c, "hosttrail_queries", ""), -EINVAL);
	ok_int(caller_set(&c, "hosttrail_account", "1"), -EINVAL);
	ok_int(caller_set(&c, "hosttrail_accounts", ""), -EINVAL);
	ok_int(caller_set(&c, "hosttrail_accounts", "1, "), -EINVAL);
	ok_int(caller_set(&c, "hosttrail_categories", "Management,Data"), 1);
	ok_int(caller_set(&c, "hosttrail_categories", "all"), -EINVAL);
	caller_clear(&c);
}

static void too_many_values(void)
{
	struct caller c;
	char list[2 * CALLER_VALUES_MAX + 3] = "h";

	caller_init(&c, 0);
	for (int i = 1; i < CALLER_VALUES_MAX; i++)
		strcat(list, ",h");
	ok_int(caller_set(&c, "hosttrail_hosts", list), 1);
	ok_int(caller_set(&c, "hosttrail_hosts", "h"), -EINVAL);
	caller_clear(&c);
}

static void sight(void)
{
	struct decoded here = { .origin = { .host_id = "h1", .account = "111111111111" } };
	struct decoded there = { .origin = { .host_id = "h1", .account = "222222222222" } };
	struct record_summary data = { .category = CATEGORY_DATA }, management = { .category = CATEGORY_MANAGEMENT };
	struct caller c;

	caller_init(&c, 0);
	ok(!caller_is_scoped(&c) && !caller_is_scoped(NULL));
	ok(caller_sees_frame(&c, &here) && caller_sees_record(&c, &data));
	ok(caller_sees_frame(NULL, &here) && caller_sees_record(NULL, &data));
	ok_int(caller_set(&c, "hosttrail_hosts", "h0 , h1"), 1);
	ok(caller_is_scoped(&c));
	ok(caller_sees_frame(&c, &here) && caller_sees_frame(&c, &there));
	ok_int(caller_set(&c, "hosttrail_accounts", "111111111111"), 1);
	ok(caller_sees_frame(&c, &here) && !caller_sees_frame(&c, &there));
	ok_int(caller_set(&c, "hosttrail_categories", "Data"), 1);
	ok(caller_sees_record(&c, &data) && !caller_sees_record(&c, &management));
	caller_clear(&c);
}

static unsigned admitted(struct caller *c, uint64_t now, unsigned tries)
{
	unsigned n = 0;

	while (tries--)
		n += caller_admit(c, now);
	return n;
}

static void sql(void)
{
	struct buf b = { 0 };
	struct caller c;

	caller_init(&c, 0);
	caller_sql(&c, &b);
	ok_str(buf_text(&b), "true");
	buf_reset(&b);
	ok_int(caller_set(&c, "hosttrail_accounts", "1,it's"), 1);
	ok_int(caller_set(&c, "hosttrail_hosts", "h"), 1);
	ok_int(caller_set(&c, "hosttrail_categories", "Data,Management"), 1);
	caller_sql(&c, &b);
	ok_str(buf_text(&b), "true AND recipientaccountid IN ('1', 'it''s') AND hostid IN ('h') AND eventcategory IN ('Management', 'Data')");
	buf_free(&b);
	caller_clear(&c);
}

#define A "0a000000-0000-4000-8000-000000000001"
#define B "0b000000-0000-4000-8000-000000000002"
#define C "0c000000-0000-4000-8000-000000000003"

static char *lines[] = { C " env=prod", A "  env=prod\tteam=web ", " " B " env=test team=web" };
static const struct conf_list hosts = { lines, 3 };

/* Which of A, B, C a key with these settings sees. */
static void sees(const char *labels, const char *named, const char *want)
{
	static const char *const ids[] = { A, B, C };
	char got[4] = "";
	struct caller c;

	caller_init(&c, 0);
	ok_int(caller_set(&c, "hosttrail_labels", labels), 1);
	if (named)
		ok_int(caller_set(&c, "hosttrail_hosts", named), 1);
	ok(caller_is_scoped(&c));
	ok_int(caller_label(&c, &hosts), 0);
	for (unsigned i = 0; i < 3; i++) {
		struct decoded d = { 0 };

		strcpy(d.origin.host_id, ids[i]);
		if (caller_sees_frame(&c, &d))
			got[strlen(got)] = "ABC"[i];
	}
	ok_str(got, want);
	caller_clear(&c);
}

static void labels(void)
{
	static char *const bad[] = { "", "x env=prod", A, A " env", A " =prod", A " env=", "0A000000-0000-4000-8000-000000000001 env=prod", A "x env=prod" };
	char why[256] = "", *twice[] = { A " a=b", A " c=d" };
	struct caller c;

	ok_int(labels_check(&hosts, why), 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok_int(labels_check(&(struct conf_list){ (char **)(uintptr_t)&bad[i], 1 }, why), -EINVAL);
	ok_int(labels_check(&(struct conf_list){ twice, 2 }, why), -EINVAL);
	ok(strstr(why, "two lines") != NULL);
	sees("env=prod", NULL, "AC");
	sees("env=prod, env=test", NULL, "ABC");
	sees("env=prod, team=web", NULL, "A");
	sees("team=web", B "," C, "B");
	sees("env=none", NULL, "");	/* none, not all */
	sees("env=prod", B, "");
	sees("env=pro", NULL, "");
	caller_init(&c, 0);
	ok_int(caller_set(&c, "hosttrail_labels", "env"), -EINVAL);
	ok_int(caller_set(&c, "hosttrail_labels", ""), -EINVAL);
	caller_clear(&c);
}

static void rates(void)
{
	struct caller c;
	uint64_t t = 100 * NS_PER_SEC;

	caller_init(&c, 0);
	ok_int(admitted(&c, t, 5000), 5000);
	caller_clear(&c);
	caller_init(&c, 10);
	ok_int(admitted(&c, t, 100), 20);
	ok_int(admitted(&c, t, 10), 0);
	ok_int(admitted(&c, t + NS_PER_SEC / 2, 100), 5);
	ok_int(admitted(&c, t + 100 * NS_PER_SEC, 100), 20);
	caller_clear(&c);
	caller_init(&c, 0.1);
	ok_int(admitted(&c, t, 100), 1);
	ok_int(admitted(&c, t + 9 * NS_PER_SEC, 100), 0);
	ok_int(admitted(&c, t + 11 * NS_PER_SEC, 100), 1);
	caller_clear(&c);
}

/* Who may do more may do all that who may do less may; nothing that shows records unfiltered is open to a key with a scope. */
static void allowed(void)
{
	struct caller c;
	struct reply r = { .status = 200 };

	caller_init(&c, 0);
	for (unsigned i = 0; op_at(i); i++) {
		bool before = false;

		for (c.role = ROLE_READER; c.role <= ROLE_ADMINISTRATOR; c.role++) {
			bool may = op_allowed(op_at(i), &c, &r) == 0;

			ok(may || !before);
			before = may;
			reply_free(&r);
		}
		ok(before && op_allowed(op_at(i), NULL, &r) == 0);
	}
	caller_clear(&c);
}

static const struct tap_case cases[] = { CASE(settings), CASE(too_many_values), CASE(sight), CASE(sql), CASE(labels), CASE(rates), CASE(allowed) };
TAP_MAIN(cases)

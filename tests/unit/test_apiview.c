/* SPDX-License-Identifier: Apache-2.0 */
/* test_apiview.c - a rule file in words. */
#include "tests/tap.h"
#include "tools/apiview.h"

static const char file[] = "api: a\nmatch: {headers: {X-A: \"1\"}}\nbodyBytes: 100\noperations:\n"
			   "- method: [GET, PUT]\n  path: /x/{y}\n  eventName: \"E {y}\"\n  body: {k: \"\\e[1m\"}\n"
			   "  requestParameters: {y: y, note: query.n, token: body.t}\n  hidden: [note]\n  resources: [{arn: \"a:{y}\", type: T}]\n  errorCode: e.c\n"
			   "- path: /z\n  eventName: Z\n  readOnly: true\n";

static const char words[] =
	"f: API a, 2 operations, asked in this order\n"
	"  calls to any host\n"
	"    only where the header x-a is \"1\"\n"
	"  eventSource: the host called\n"
	"  line 5: GET PUT /x/{y}\n"
	"    eventName \"E {y}\", readOnly by the method, category Management if the method writes, Data if it reads\n"
	"    only where the JSON body's k is \"\\x1b[1m\" (told by the body: a call where it is not goes to the next operation)\n"
	"    requestParameters.y: the path's label y\n"
	"    requestParameters.note: hidden, if there is the query's n\n"
	"    requestParameters.token: hidden, if there is the JSON body's t (its name is a secret's)\n"
	"    resource a:{y} of type T\n"
	"    errorCode of a failed call: its JSON's e.c\n"
	"    reads at most 100 bytes of the request's body\n"
	"  line 13: any method /z\n"
	"    eventName \"Z\", readOnly true, category Data\n"
	"    reads nothing of the request's body\n";

static void says_what_a_file_means(void)
{
	_cleanup_rulefile_ struct rule_file *f = NULL;
	_cleanup_buf_ struct buf out = { 0 };
	char why[API_WHY_MAX] = "";

	ok_int(rulefile_parse("f", file, strlen(file), &f, why), 0);
	ok_str(why, "");
	must(f);
	apiview(f, &out);
	ok_str(buf_text(&out), words);
}

static const struct tap_case cases[] = { CASE(says_what_a_file_means) };
TAP_MAIN(cases)

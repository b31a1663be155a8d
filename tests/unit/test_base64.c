/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "tests/tap.h"
#include "tools/base64.h"

static void decodes(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		/* RFC 4648, section 10 */
		{ "", "" }, { "Zg==", "f" }, { "Zm8=", "fo" }, { "Zm9v", "foo" },
		{ "Zm9vYg==", "foob" }, { "Zm9vYmE=", "fooba" }, { "Zm9vYmFy", "foobar" }, { "+/+/", "\xfb\xff\xbf" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = { 0 };

		ok_int(base64_decode(rows[i].text, &b), 0);
		ok_str(buf_text(&b), rows[i].want);
		buf_free(&b);
	}
}

static void refuses(void)
{
	static const char *const rows[] = {
		"Z", "Zg", "Zg=", "Zg=A", "Zh==", "Zm9=", "Zm 9", "Zg==Zg==", "=Zg=", "====", "Z===", "Zm9v\n", "Zm-_",
	};
	struct buf b = { 0 };

	buf_adds(&b, "kept");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ok_int(base64_decode(rows[i], &b), -EBADMSG);
		ok_str(buf_text(&b), "kept");
	}
	buf_free(&b);
}

static const struct tap_case cases[] = { CASE(decodes), CASE(refuses) };
TAP_MAIN(cases)

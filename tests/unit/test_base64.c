/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "tests/tap.h"
#include "proto/base64.h"

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

static void of_urls(void)
{
	static const char *const bad[] = { "Z", "Zg==", "Zh", "Zm9=", "+_", "Zm9v\n", "Zm 9" };
	char out[3];
	size_t n = 77;

	ok_int(base64url_decode("-_-_", 4, out, sizeof(out), &n), 0);
	ok(n == 3 && !memcmp(out, "\xfb\xff\xbf", 3));
	ok_int(base64url_decode("Zg", 2, out, sizeof(out), &n), 0);
	ok(n == 1 && out[0] == 'f');
	n = 77;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok_int(base64url_decode(bad[i], strlen(bad[i]), out, sizeof(out), &n), -EBADMSG);
	ok_int(base64url_decode("Zm9vYg", 6, out, sizeof(out), &n), -EBADMSG);	/* four bytes, and room for three */
	ok(n == 77);
}

static const struct tap_case cases[] = { CASE(decodes), CASE(refuses), CASE(of_urls) };
TAP_MAIN(cases)

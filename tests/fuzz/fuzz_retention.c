/* SPDX-License-Identifier: Apache-2.0 */
/* retention.json, a record that says what was locked or held, the note of a segment that is removed, a file's name: the first byte says which. What is read is written the
 * same way again, and within its bounds. */
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "store/delivery/gzip.h"
#include "store/delivery/layout.h"
#include "store/retention/removed.h"
#include "store/retention/restore.h"
#include "store/retention/rules.h"
#include "tests/fuzz/textinput.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void rules(const char *text, size_t n)
{
	static struct rules a, b;
	struct buf first = { 0 }, second = { 0 };

	if (rules_read(text, n, &a) == 0) {
		need(rules_write(&a, &first) == 0 && rules_read(buf_text(&first), first.n, &b) == 0 && rules_write(&b, &second) == 0);
		need(first.n == second.n && !memcmp(first.p, second.p, first.n));
	}
	buf_free(&first);
	buf_free(&second);
}

static void record(const char *text, size_t n)
{
	static struct rules u;

	memset(&u, 0, sizeof(u));
	restore_record(&u, text, n);
	need(u.nlocks <= 1 && u.nholds <= 1);
}

static void note(const char *text, size_t n)
{
	_cleanup_removed_ struct removed_segment *a = NULL, *b = NULL;
	struct buf first = { 0 }, second = { 0 };

	if (removed_read(1, text, n, &a) == 0) {
		need(removed_write(a, &first) == 0 && removed_read(1, buf_text(&first), first.n, &b) == 0 && removed_write(b, &second) == 0);
		need(first.n == second.n && !memcmp(first.p, second.p, first.n));
	}
	buf_free(&first);
	buf_free(&second);
}

static void name(const char *text)
{
	int64_t seconds = 0;
	size_t folder = 0;

	if (layout_parse(text, &seconds, &folder))
		need(folder < strlen(text) && text[folder] == '/' && !strchr(text + folder + 1, '/'));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf out = { 0 };
	char *text;

	if (!n)
		return 0;
	text = textinput(p, n);
	switch (*p) {
	case 'r':
		record(text, n - 1);
		break;
	case 'n':
		name(text);
		break;
	case 'm':
		note(text, n - 1);
		break;
	case 'z':
		gunzip_whole(text, n - 1, 1 << 20, &out);
		break;
	default:
		rules(text, n - 1);
	}
	buf_free(&out);
	free(text);
	return 0;
}

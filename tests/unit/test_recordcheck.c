/* SPDX-License-Identifier: Apache-2.0 */
/* recordcheck: log files against frames; and how a file is cut into records. */
#include <errno.h>
#include <stdbool.h>

#include "tests/tap.h"
#include "tests/unit/proofmake.h"
#include "tools/logtext.h"
#include "tools/recordcheck.h"

#define DATA "[{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Data\"]}]}]"
#define MANAGEMENT "[{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Management\"]}]}]"

static struct proof_make m;
static char faults[8192], asked[256];
static double removed;	/* until when files were removed for their age */
static struct buf texts[PROOF_FRAMES * 3];	/* each record as JSON */

static void on_fault(void *ctx, const char *text)
{
	snprintf(faults + strlen(faults), sizeof(faults) - strlen(faults), "%s\n", text);
}

static int on_ask(void *ctx, const char *event_id, struct buf *out)
{
	snprintf(asked + strlen(asked), sizeof(asked) - strlen(asked), "%s\n", event_id);
	return ctx ? buf_add(out, texts[0].p, texts[0].n) < 0 ? -ENOMEM : 1 : 0;
}

static void begin(void)
{
	uint8_t stream[16] = { 7 }, id[16];

	must(proof_make_begin(&m) == 0);
	for (unsigned i = 0; i < PROOF_FRAMES * 3; i++) {
		struct proof p = { .frame = m.frames[i / 3] };

		event_id_make(stream, 2, 0, i, id);
		uuid_text(id, p.event_id);
		must(proof_render(&p, &texts[i]) == 0);
	}
}

static void end(void)
{
	for (unsigned i = 0; i < PROOF_FRAMES * 3; i++)
		buf_free(&texts[i]);
	proof_make_end(&m);
}

/* Frames at places 100, 200, ...; the trail has [from, to) with these selectors. */
static struct recordcheck *made(const char *selectors, const char *region, uint64_t from, uint64_t to, unsigned nframes, void *ctx)
{
	const struct recordcheck_place a = { from, 1 }, b = { to, 2 };
	struct recordcheck *c = NULL;

	*faults = *asked = '\0';
	ok_int(recordcheck_new(on_fault, on_ask, ctx, &c), 0);
	ok_int(recordcheck_stretch(c, 5, &a, &b, region, true, selectors), 0);
	recordcheck_forget(c, 5, removed);
	for (unsigned i = 0; i < nframes; i++) {
		struct frame_header h;
		size_t total;

		ok_int(frame_peek(m.frames[i].p, m.frames[i].n, &h, &total), 0);
		ok_int(recordcheck_frame(c, 100 * (i + 1), 1000 + i, PROOF_HOST, m.frames[i].p, &h), 0);
	}
	return c;
}

/* A file with the records of these numbers, up to -1. */
static const char *named = "x";

static void file(struct recordcheck *c, const int *numbers)
{
	struct buf b = { 0 };

	buf_adds(&b, "{\"Records\":[");
	for (unsigned i = 0; numbers[i] >= 0; i++) {
		buf_adds(&b, i ? "," : "");
		buf_add(&b, texts[numbers[i]].p, texts[numbers[i]].n);
	}
	buf_adds(&b, "]}");
	ok_int(recordcheck_file(c, 5, named, buf_text(&b), b.n), 0);
	buf_free(&b);
}

static unsigned lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void over(struct recordcheck *c, bool all, unsigned want, const char *text)
{
	uint64_t frames, files;

	recordcheck_finish(c, all, &frames, &files);
	ok_int(lines(faults), want);
	if (lines(faults) != want || (text && !strstr(faults, text))) {
		printf("# %s\n", faults);
		ok(false);
	}
	recordcheck_free(&c);
}

static void what_is_wanted(void)
{
	/* from the second record of the first frame to the second of the third: records 1 to 7 */
	struct recordcheck *c = made(DATA, NULL, 100, 300, 5, NULL);

	ok(recordcheck_wants(c));
	file(c, (int[]){ 1, 2, 3, 4, 5, 6, 7, -1 });
	ok(!recordcheck_wants(c));
	over(c, true, 0, NULL);
	c = made(DATA, "local", 100, 300, 5, NULL);
	file(c, (int[]){ 7, 6, 5, -1 });
	file(c, (int[]){ 1, 2, 3, -1 });
	over(c, true, 1, "is in none of the log files");
	c = made(DATA, NULL, 100, 300, 5, NULL);
	over(c, true, 7, "is in none of the log files");
	c = made(DATA, NULL, 100, 300, 5, NULL);
	over(c, false, 1, "cannot be told");
	over(made(DATA, "elsewhere", 100, 300, 5, NULL), true, 0, NULL);
	over(made(MANAGEMENT, NULL, 100, 300, 5, NULL), true, 0, NULL);
	removed = 1001;			/* the first two frames came by then */
	c = made(DATA, NULL, 100, 300, 5, NULL);
	removed = 0;
	file(c, (int[]){ 7, 1, -1 });
	over(c, true, 1, "is in none of the log files");
	/* what was not to be delivered, but is a host's, is no fault */
	c = made(MANAGEMENT, NULL, 100, 300, 5, NULL);
	file(c, (int[]){ 0, 14, -1 });
	over(c, true, 0, NULL);
}

static void what_is_wrong(void)
{
	struct recordcheck *c = made(MANAGEMENT, NULL, 0, 1000, 5, NULL);
	const char *at;

	file(c, (int[]){ 3, 4, 3, -1 });
	over(c, true, 1, "was delivered before");
	c = made(MANAGEMENT, NULL, 0, 1000, 5, NULL);
	at = strstr(buf_text(&texts[3]), "/srv");
	must(at != NULL);
	texts[3].p[at - buf_text(&texts[3]) + 1] = 'x';
	file(c, (int[]){ 3, -1 });
	texts[3].p[at - buf_text(&texts[3]) + 1] = 's';
	over(c, true, 1, "is not as the host signed it");
	c = made(MANAGEMENT, NULL, 0, 1000, 1, NULL);
	file(c, (int[]){ 3, -1 });
	ok_int(lines(asked), 1);
	over(c, true, 1, "no host signed its record");
	c = made(MANAGEMENT, NULL, 0, 1000, 0, &m);		/* the answer is record 0 */
	file(c, (int[]){ 0, 1, -1 });
	file(c, (int[]){ 0, -1 });
	ok_int(lines(asked), 2);
	over(c, true, 2, "is not as the host signed it");
	c = made(MANAGEMENT, NULL, 0, 1000, 0, NULL);
	ok_int(recordcheck_file(c, 5, "x", "{\"Records\":[{}]}", 16), 0);
	ok_int(recordcheck_file(c, 5, "x", "[]", 2), 0);
	over(c, true, 2, "a record has no eventID");
	c = made(DATA, NULL, 0, 1000, 5, NULL);	/* not even a file */
	over(c, true, 15, NULL);
}

/* What no frame has may be of one that was removed, if the file is so old. */
static void frames_that_were_removed(void)
{
	static const char *const names[] = { "s3://b/1_CloudTrail_r_20261122T1015Z_0123456789abcdef.json.gz", "s3://b/1_CloudTrail_r_20261124T1016Z_0123456789abcdef.json.gz" };
	struct recordcheck *c;

	for (unsigned i = 0; i < 2; i++) {
		c = made(MANAGEMENT, NULL, 0, 1000, 0, NULL);
		recordcheck_removed(c, 1795428900);	/* 2026-11-23T10:15:00Z */
		recordcheck_removed(c, 5);
		named = names[i];
		file(c, (int[]){ 3, -1 });
		named = "x";
		ok_int(recordcheck_unproven(c), 1 - i);
		over(c, true, i, i ? "no host signed its record" : NULL);
	}
}

static void frames_that_do_not_count(void)
{
	struct recordcheck *c = made(DATA, NULL, 0, 1000, 0, NULL);
	struct frame_header h;
	size_t total;

	ok_int(frame_peek(m.frames[0].p, m.frames[0].n, &h, &total), 0);
	ok_int(recordcheck_frame(c, 100, 5, "another", m.frames[0].p, &h), 0);
	ok(!recordcheck_wants(c));
	h.kind = FRAME_TOMBSTONE;
	ok_int(recordcheck_frame(c, 100, 5, PROOF_HOST, m.frames[0].p, &h), 0);
	ok(!recordcheck_wants(c));
	over(c, true, 0, NULL);
}

static void texts_are_cut(void)
{
	static const struct {
		const char *text;
		int n;
	} rows[] = {
		{ "{\"Records\":[]}", 0 }, { "{\"Records\":[{}]}", 1 }, { "{\"Records\":[{\"a\":\"}]\\\"{\"},{\"b\":[{}]}]}", 2 },
		{ "", -1 }, { "{}", -1 }, { "{\"Records\":[", -1 }, { "{\"Records\":[{}", -1 }, { "{\"Records\":[{},]}", -1 },
		{ "{\"Records\":[{} ]}", -1 }, { "{\"Records\":[{}]} ", -1 }, { "{\"Records\":[{\"a\":\"\\", -1 }, { "{\"Records\":[,{}]}", -1 },
		{ "{\"Records\":[1]}", -1 }, { "{\"Records\":[{}{}]}", -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t at = 0, start, stop, n = strlen(rows[i].text);
		int r, found = 0;

		while ((r = logtext_next(rows[i].text, n, &at, &start, &stop)) > 0)
			found++;
		if ((rows[i].n < 0 ? r != -EBADMSG : r || found != rows[i].n)) {
			printf("# %s: %d, %d\n", rows[i].text, r, found);
			ok(false);
		}
	}
}

static const struct tap_case cases[] = {
	CASE(begin), CASE(what_is_wanted), CASE(what_is_wrong), CASE(frames_that_were_removed), CASE(frames_that_do_not_count), CASE(texts_are_cut), CASE(end),
};
TAP_MAIN(cases)

/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger of trails: what is decided stays decided over a new start; and the digests and keys that hang on it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>
#include <sqlite3.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "proto/keys.h"
#include "proto/rsa.h"
#include "store/delivery/ledger.h"
#include "store/digest/digestfile.h"
#include "store/digest/digestkeys.h"
#include "tests/tap.h"

static char dir[64];
static struct ledger *ledger;

static void begin(void)
{
	strcpy(dir, "/tmp/ht-ledger-XXXXXX");
	ok(mkdtemp(dir) != NULL);
	ok_int(ledger_open(dir, &ledger), 0);
}

static void again(void)
{
	ledger_free(&ledger);
	ok_int(ledger_open(dir, &ledger), 0);
}

static void end(void)
{
	char command[128];

	ledger_free(&ledger);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ok_int(system(command), 0);
}

static int64_t make_trail(const char *name)
{
	struct trail t = { .bucket = "logs", .validation = true };

	snprintf(t.name, sizeof(t.name), "%s", name);
	ok_int(ledger_trail_add(ledger, &t), 0);
	ok_int(ledger_trail_find(ledger, name, &t), 0);
	return t.id;
}

static int count_trail(void *ctx, const struct trail *t)
{
	++*(unsigned *)ctx;
	return 0;
}

static unsigned trails(bool deleted)
{
	unsigned n = 0;

	ok_int(ledger_trails(ledger, deleted, count_trail, &n), 0);
	return n;
}

static void trails_are_kept(void)
{
	struct trail t = { .name = "one", .bucket = "logs", .prefix = "p", .multi_region = true };
	_cleanup_buf_ struct buf text = { 0 };
	struct stat s;
	char path[128];

	begin();
	snprintf(path, sizeof(path), "%s/trails.db", dir);
	ok_int(stat(path, &s), 0);
	ok_int(s.st_mode & 0777, 0600);
	ok_int(ledger_trail_find(ledger, "one", &t), -ENOENT);
	ok_int(ledger_trail_add(ledger, &t), 0);
	ok_int(ledger_trail_add(ledger, &t), -EEXIST);
	ok_int(ledger_trail_find(ledger, "one", &t), 0);
	ok_int(ledger_trail_selectors(ledger, t.id, &text), 0);
	ok_int(text.n, 0);
	ok_int(ledger_trail_select(ledger, t.id, "[]"), 0);
	ok_int(ledger_trail_delivery(ledger, t.id, 5, "NoSuchBucket"), 0);
	again();
	ok_int(ledger_trail_find(ledger, "one", &t), 0);
	ok_str(t.prefix, "p");
	ok(t.multi_region && !t.logging);
	ok_str(t.delivery_error, "NoSuchBucket");
	ok_int(t.attempted, 5);
	ok_int(t.delivered, 0);
	ok_int(ledger_trail_get(ledger, t.id, &t), 0);
	ok_int(ledger_trail_selectors(ledger, t.id, &text), 0);
	ok_str(buf_text(&text), "[]");
	for (unsigned i = 1; i < LEDGER_TRAILS_MAX; i++) {
		snprintf(t.name, sizeof(t.name), "more-%u", i);
		ok_int(ledger_trail_add(ledger, &t), 0);
	}
	ok_int(ledger_trail_add(ledger, &(struct trail){ .name = "one-more" }), -EDQUOT);
	end();
}

static void a_deleted_trail_goes_when_its_spans_are_done(void)
{
	struct trail t;
	struct span s;
	int64_t id;

	begin();
	id = make_trail("one");
	ok_int(ledger_start(ledger, id, 100, 4096), 0);
	ok_int(ledger_trail_get(ledger, id, &t), 0);
	ok(t.logging && t.started == 100);
	ok_int(ledger_trail_delete(ledger, id, 200, 8192), 0);
	ok_int(ledger_trail_find(ledger, "one", &t), -ENOENT);
	ok_int(trails(false), 0);
	ok_int(trails(true), 1);
	ok(make_trail("one") != id);
	ok_int(ledger_span(ledger, id, &s), 0);
	ok_int(s.stop, 8192);
	ok_int(ledger_span_done(ledger, &s), 0);
	ok_int(ledger_trail_get(ledger, id, &t), -ENOENT);
	ok_int(trails(true), 1);
	end();
}

static void add_row(struct log_row *r, const struct span *s, const char *account, const char *key)
{
	memset(r, 0, sizeof(*r));
	r->trail = s->trail;
	r->span = s->id;
	snprintf(r->account, sizeof(r->account), "%s", account);
	snprintf(r->region, sizeof(r->region), "local");
	snprintf(r->bucket, sizeof(r->bucket), "logs");
	snprintf(r->key, sizeof(r->key), "%s", key);
	r->oldest = 10 * (int64_t)NS_PER_SEC;
	r->newest = 20 * (int64_t)NS_PER_SEC;
	buf_adds(&r->body, key);
}

static int count_log(void *ctx, const struct log_row *r)
{
	++*(unsigned *)ctx;
	return 0;
}

static unsigned due(int64_t chain, const char *account, const struct span *s, int64_t before)
{
	struct chain_row c = { .id = chain, .span = s->id, .region = "local" };
	unsigned n = 0;

	snprintf(c.account, sizeof(c.account), "%s", account);
	ok_int(ledger_logs_due(ledger, &c, before, count_log, &n), 0);
	return n;
}

static void files_are_decided_with_their_place(void)
{
	const struct index_place place = { 5000, 7 };
	static struct log_row rows[2], next;
	unsigned n = 0;
	struct trail t;
	struct span s;
	int64_t id;

	begin();
	id = make_trail("one");
	ok_int(ledger_start(ledger, id, 100, 4096), 0);
	ok_int(ledger_span(ledger, id, &s), 0);
	ok_int(s.place.pos, 4096);
	add_row(&rows[0], &s, "111111111111", "a");
	add_row(&rows[1], &s, "222222222222", "b");
	ok_int(ledger_logs_plan(ledger, s.id, &place, rows, 2), 0);
	again();
	ok_int(ledger_span(ledger, id, &s), 0);
	ok(s.place.pos == 5000 && s.place.record == 7);
	ok_int(ledger_log_next(ledger, id, &next), 0);
	ok_str(next.key, "a");
	ok_str(buf_text(&next.body), "a");
	ok_int(due(1, "111111111111", &s, INT64_MAX), 0);
	ok_int(ledger_trail_delivery(ledger, id, 5, "NoSuchBucket"), 0);
	ok_int(ledger_log_delivered(ledger, &next, 1000, true, ""), 0);
	must(ledger_trail_get(ledger, id, &t) == 0);
	ok_str(t.delivery_error, "");
	ok(t.delivered == 1000 && t.attempted == 1000);
	ok_int(due(1, "111111111111", &s, 1000), 0);
	ok_int(due(1, "111111111111", &s, 1001), 1);
	ok_int(due(2, "222222222222", &s, 1001), 0);
	ok_int(ledger_log_next(ledger, id, &next), 0);
	ok_str(next.key, "b");
	ok_int(ledger_logs_open(ledger, count_log, &n), 0);
	ok_int(n, 2);
	ok_int(ledger_log_delivered(ledger, &next, 1000, false, "p"), 0);
	ok_int(ledger_log_next(ledger, id, &next), -ENOENT);
	buf_free(&next.body);
	buf_free(&rows[0].body);
	buf_free(&rows[1].body);
	end();
}

/* As "from-to selectors" each, places without their records. */
static int add_stretch(void *ctx, const struct stretch_row *s)
{
	struct buf selectors = { 0 };

	buf_add(&selectors, s->selectors.p, s->selectors.n);
	buf_addf(ctx, "%llu.%u-%llu.%u %s%s;", (unsigned long long)s->from.pos, s->from.record, (unsigned long long)s->to.pos, s->to.record,
		 buf_text(&selectors), s->validation ? "" : " loose");
	buf_free(&selectors);
	return 0;
}

static void stretches_are(const char *want)
{
	_cleanup_buf_ struct buf b = { 0 };

	ok_int(ledger_stretches(ledger, add_stretch, &b), 0);
	ok_str(buf_text(&b), want);
}

static void say(const struct span *s, uint64_t pos, uint32_t record, const char *selectors)
{
	const struct stretch_row row = { .trail = s->trail, .span = s->id, .from = { pos, record }, .validation = true };

	ok_int(ledger_stretch(ledger, &row, selectors), 0);
}

static void stretches_say_what_was_to_be_delivered(void)
{
	static struct log_row rows[2], next;
	struct span s;
	int64_t id;

	begin();
	id = make_trail("one");
	ok_int(ledger_start(ledger, id, 100, 1000), 0);
	ok_int(ledger_span(ledger, id, &s), 0);
	say(&s, 1000, 0, "A");
	stretches_are("");		/* nothing is delivered */
	ok_int(ledger_span_at(ledger, s.id, &(struct index_place){ 1500, 0 }), 0);
	stretches_are("1000.0-1500.0 A;");
	add_row(&rows[0], &s, "111111111111", "a");
	add_row(&rows[1], &s, "222222222222", "b");
	ok_int(ledger_logs_plan(ledger, s.id, &(struct index_place){ 2000, 5 }, rows, 2), 0);
	ok_int(ledger_log_next(ledger, id, &next), 0);
	ok_int(ledger_log_delivered(ledger, &next, 1000, true, ""), 0);
	stretches_are("1000.0-1500.0 A;");	/* one is still on its way */
	ok_int(ledger_log_next(ledger, id, &next), 0);
	ok_int(ledger_log_delivered(ledger, &next, 1000, true, ""), 0);
	stretches_are("1000.0-2000.5 A;");
	say(&s, 1800, 0, "A");		/* said already */
	say(&s, 2600, 0, "B");
	say(&s, 2400, 3, "C");		/* after a start: B was never used */
	again();
	ok_int(ledger_span_at(ledger, s.id, &(struct index_place){ 3000, 0 }), 0);
	stretches_are("1000.0-2400.3 A;2400.3-3000.0 C;");
	ok_int(ledger_stop(ledger, id, 200, 3000), 0);
	ok_int(ledger_span(ledger, id, &s), 0);
	ok_int(ledger_span_done(ledger, &s), 0);
	ok_int(ledger_start(ledger, id, 300, 5000), 0);
	ok_int(ledger_span(ledger, id, &s), 0);
	say(&s, 5000, 0, "C");
	ok_int(ledger_span_at(ledger, s.id, &(struct index_place){ 6000, 0 }), 0);
	stretches_are("1000.0-2400.3 A;2400.3-3000.0 C;5000.0-6000.0 C;");
	ok_int(ledger_chains_close(ledger, s.id, ""), 0);
	stretches_are("1000.0-2400.3 A;2400.3-3000.0 C;5000.0-6000.0 C loose;");
	buf_free(&next.body);
	buf_free(&rows[0].body);
	buf_free(&rows[1].body);
	end();
}

static void sql(const char *text)
{
	char path[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/trails.db", dir);
	must(sqlite3_open(path, &db) == SQLITE_OK);
	ok_int(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* Oldest first, of one bucket; those that are removed are remembered. Also in a ledger that an older store made. */
static void digests_that_are_past(void)
{
	static struct digest_row d;
	journal_pos needed = 0;

	begin();
	ledger_free(&ledger);
	sql("ALTER TABLE digests DROP COLUMN removed; PRAGMA user_version = 1;"
	    "INSERT INTO digests (id, chain, trail, account, region, bucket, key, hash, fingerprint, signature, begin, end, delivered)"
	    " VALUES (1, 1, 1, 'a', 'r', 'logs', 'k1', '', '', '', 0, 10, 5), (2, 1, 1, 'a', 'r', 'logs', 'k2', '', '', '', 10, 20, 5),"
	    " (3, 1, 1, 'a', 'r', 'other', 'k3', '', '', '', 0, 10, 5)");
	ok_int(ledger_open(dir, &ledger), 0);
	ok_int(ledger_digest_aged(ledger, "logs", 0, 20, &d), 0);
	ok_int(d.id, 1);
	ok_int(ledger_digest_aged(ledger, "logs", 1, 20, &d), -ENOENT);
	ok_int(ledger_digest_aged(ledger, "logs", 1, 21, &d), 0);
	ok_int(d.id, 2);
	ok(ledger_knows(ledger, "logs", "k1") && !ledger_knows(ledger, "other", "k1"));
	ok_int(ledger_digest_removed(ledger, 1, 77), 0);
	again();
	ok_int(ledger_digest_aged(ledger, "logs", 0, 20, &d), -ENOENT);
	ok_int(ledger_digest_get(ledger, 1, &d), 0);
	ok_int(d.removed, 77);
	ok(!ledger_knows(ledger, "logs", "k1") && ledger_knows(ledger, "logs", "k2"));
	ok_int(ledger_needs(ledger, &needed), 0);
	ok(needed == UINT64_MAX);
	ok_int(ledger_start(ledger, make_trail("one"), 100, 1000), 0);
	ok_int(ledger_start(ledger, make_trail("two"), 100, 900), 0);
	ok_int(ledger_needs(ledger, &needed), 0);
	ok_int(needed, 900);
	buf_free(&d.body);
	end();
}

static void a_damaged_ledger_is_set_aside(void)
{
	char path[128], command[200];

	begin();
	make_trail("one");
	ledger_free(&ledger);
	snprintf(path, sizeof(path), "%s/trails.db", dir);
	ok_int(fsx_replace(path, "not a database at all, and long enough to be looked at", 54, 0600), 0);
	ok_int(ledger_open(dir, &ledger), 0);
	ok_int(trails(true), 0);
	make_trail("one");
	snprintf(command, sizeof(command), "test $(ls %s/trails.db.damaged-* | wc -l) -ge 1", dir);
	ok_int(system(command), 0);
	again();
	ok_int(trails(true), 1);
	end();
}

/* ---- digests */

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : "(absent)";
}

static void a_digest_says_what_cloudtrails_do(void)
{
	static struct log_row log;
	struct digest_row row = { .account = "000000000000", .region = "local", .bucket = "logs", .key = "k2", .fingerprint = "f", .begin = 3600,
				  .end = 7200 };
	struct digest_row previous = { .bucket = "logs", .key = "k1", .hash = "h1", .signature = "s1" };
	_cleanup_buf_ struct buf json = { 0 }, text = { 0 };
	struct digestfile f = { 0 };
	struct json_object *o, *logs;

	add_row(&log, &(struct span){ 0 }, "000000000000", "log-key");
	digestfile_add(&f, &log);
	ok_int(digestfile_finish(&f, &row, &previous, &json), 0);
	o = json_tokener_parse(buf_text(&json));
	must(o != NULL);
	ok_int(json_object_object_length(o), 15);
	ok_str(text_of(o, "digestEndTime"), "1970-01-01T02:00:00Z");
	ok_str(text_of(o, "digestS3Object"), "k2");
	ok_str(text_of(o, "newestEventTime"), "1970-01-01T00:00:20Z");
	ok_str(text_of(o, "previousDigestSignature"), "s1");
	ok_str(text_of(o, "previousDigestHashAlgorithm"), "SHA-256");
	ok(json_object_object_get_ex(o, "logFiles", &logs) && json_object_array_length(logs) == 1);
	ok_str(text_of(json_object_array_get_idx(logs, 0), "s3Object"), "log-key");
	json_object_put(o);
	buf_free(&f.logs);
	buf_free(&log.body);
	strcpy(row.hash, "abcd");
	ok_int(digestfile_to_sign(&row, &previous, &text), 0);
	ok_str(buf_text(&text), "1970-01-01T02:00:00Z\nlogs/k2\nabcd\ns1");
	buf_reset(&text);
	ok_int(digestfile_to_sign(&row, NULL, &text), 0);
	ok_str(buf_text(&text), "1970-01-01T02:00:00Z\nlogs/k2\nabcd\nnull");
	buf_reset(&json);
	f = (struct digestfile){ 0 };
	ok_int(digestfile_finish(&f, &row, NULL, &json), 0);
	ok(strstr(buf_text(&json), "\"newestEventTime\":null,\"oldestEventTime\":null,\"previousDigestS3Bucket\":null"));
	ok(strstr(buf_text(&json), "\"logFiles\":[]}"));
}

static int count_key(void *ctx, const struct key_row *k)
{
	++*(unsigned *)ctx;
	return 0;
}

static int take_key(void *ctx, const struct key_row *k)
{
	*(struct key_row *)ctx = *k;
	return 0;
}

static unsigned keys(int64_t from, int64_t to)
{
	unsigned n = 0;

	ok_int(ledger_keys(ledger, from, to, count_key, &n), 0);
	return n;
}

static void keys_change_and_are_never_forgotten(void)
{
	struct digest_key *a = NULL, *b = NULL, *c = NULL;
	char hex[513], path[256], first[33];
	struct key_row row;
	uint8_t signature[256];

	begin();
	must(digest_key_for(ledger, dir, 1000, 1100, 500, &a) == 0);
	snprintf(first, sizeof(first), "%s", digest_key_fingerprint(a));
	again();
	must(digest_key_for(ledger, dir, 1400, 1499, 500, &b) == 0);
	ok_str(digest_key_fingerprint(b), first);
	ok_int(digest_key_sign(b, "text", 4, hex), 0);
	ok_int(hex_parse(hex, signature, 256), 0);
	ok_int(ledger_keys(ledger, 1100, 1100, take_key, &row), 0);
	ok_int(rsa_verify(row.der, row.der_len, "text", 4, signature, 256), 0);
	ok_int(rsa_verify(row.der, row.der_len, "test", 4, signature, 256), -EBADMSG);
	ok_int(rsa_verify(row.der, row.der_len - 1, "text", 4, signature, 256), -EBADMSG);
	ok_int(row.der_len, 270);	/* PKCS #1, RSA-2048 */
	must(digest_key_for(ledger, dir, 1499, 1600, 500, &c) == 0);
	ok(strcmp(digest_key_fingerprint(c), first));
	ok_int(keys(0, 999), 0);
	ok_int(keys(1100, 1200), 1);
	ok_int(keys(1100, 1600), 2);
	digest_key_free(&c);
	must(digest_key_for(ledger, dir, 9000, 9100, 500, &c) == 0);
	ok_int(keys(0, 10000), 3);
	snprintf(path, sizeof(path), "%s/digest-keys/%s.pem", dir, first);
	ok_int(access(path, F_OK), -1);		/* it signs no more; its public half is known */
	digest_key_free(&a);
	digest_key_free(&b);
	digest_key_free(&c);
	end();
}

/* A shared ledger is written by whoever can write to the cluster. */
static void a_keys_name_leads_to_no_other_file(void)
{
	struct key_row row = { .fingerprint = "../other", .from = 0, .to = 100 };
	struct digest_key *a = NULL, *b = NULL, *c = NULL;
	char path[256];

	begin();
	snprintf(path, sizeof(path), "%s/other.pem", dir);
	must(digest_key_for(ledger, dir, 1000, 1100, 500, &a) == 0);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	ok_int(ledger_key_add(ledger, &row), 0);
	ok_int(digest_key_for(ledger, dir, 10, 20, 50, &b), 0);		/* what lies there is no key, and is not tried */
	ok_int(digest_key_for(ledger, dir, 9000, 9100, 500, &c), 0);	/* old ones go now */
	ok_int(access(path, F_OK), 0);
	unlink(path);
	digest_key_free(&a);
	digest_key_free(&b);
	digest_key_free(&c);
	end();
}

/* ---- shared */

struct shipped {
	struct buf changes[64];
	unsigned n;
	bool refuse;
};

static int take_change(void *ctx, const void *p, size_t n)
{
	struct shipped *s = ctx;

	if (s->refuse || s->n == 64)
		return -ESTALE;
	return buf_add(&s->changes[s->n++], p, n);
}

static int no_change(void *ctx, const void *p, size_t n)
{
	return -ESTALE;
}

static int take_tag(void *ctx, const char *key, const char *value)
{
	buf_addf(ctx, "%s=%s ", key, value);
	return 0;
}

static void copies_of_a_shared_ledger_become_alike(void)
{
	_cleanup_buf_ struct buf image = { 0 }, tags = { 0 };
	struct shipped s = { .n = 0 };
	struct ledger *other, *late;
	struct trail t;
	int64_t id;

	must(ledger_open_shared(take_change, &s, &ledger) == 0);
	must(ledger_open_shared(no_change, NULL, &other) == 0);
	must(ledger_open_shared(no_change, NULL, &late) == 0);
	id = make_trail("one");
	ok_int(ledger_tag(ledger, id, "k", "v"), 0);
	ok_int(ledger_tag(ledger, id, "gone", "v"), 0);
	ok_int(ledger_untag(ledger, id, "gone"), 0);
	ok_int(ledger_start(ledger, id, 5, 7), 0);
	ok_int(ledger_image(ledger, &image), 0);
	ok_int(ledger_trail_select(ledger, id, "[]"), 0);
	for (unsigned i = 0; i < s.n; i++)
		ok_int(ledger_apply(other, s.changes[i].p, s.changes[i].n), 0);
	ok_int(ledger_trail_find(other, "one", &t), 0);
	ok(t.logging && t.id == id);
	ok_int(ledger_tags(other, id, take_tag, &tags), 0);
	ok_str(buf_text(&tags), "k=v ");
	/* from an image, and what came behind it */
	ok_int(ledger_load(late, image.p, image.n), 0);
	ok_int(ledger_apply(late, s.changes[0].p, s.changes[0].n), -EBADMSG);
	ok_int(ledger_apply(late, s.changes[s.n - 1].p, s.changes[s.n - 1].n), 0);
	buf_reset(&tags);
	ok_int(ledger_trail_selectors(late, id, &tags), 0);
	ok_str(buf_text(&tags), "[]");
	ok_int(ledger_load(late, "no database", 11), -EBADMSG);
	ok_int(ledger_trail_find(late, "one", &t), -ENOENT);
	/* what nobody keeps did not happen */
	s.refuse = true;
	ok_int(ledger_tag(ledger, id, "k", "w"), -ESTALE);
	ok_int(ledger_start(ledger, id, 5, 7), -ESTALE);
	s.refuse = false;
	buf_reset(&tags);
	ok_int(ledger_tags(ledger, id, take_tag, &tags), 0);
	ok_str(buf_text(&tags), "k=v ");
	for (unsigned i = 0; i < s.n; i++)
		buf_free(&s.changes[i]);
	ledger_free(&ledger);
	ledger_free(&other);
	ledger_free(&late);
}

static int list_definition(void *ctx, const struct event_store *e, const char *selectors)
{
	buf_addf(ctx, "%s %d %d %s; ", e->name, e->status, e->retention_days, selectors);
	return 0;
}

static void event_data_stores_are_in_a_shared_ledger(void)
{
	struct event_store e = { .id = "11111111-2222-3333-4444-555555555555", .name = "one", .retention_days = 7, .protected = true, .created = 5 }, back;
	struct event_store builtin = { .id = "21111111-2222-3333-4444-555555555555", .name = "all", .retention_days = 30, .builtin = true };
	_cleanup_buf_ struct buf text = { 0 };
	struct shipped s = { .n = 0 };
	struct ledger *other;
	unsigned n;

	must(ledger_open_shared(take_change, &s, &ledger) == 0);
	must(ledger_open_shared(no_change, NULL, &other) == 0);
	ok_int(ledger_definition_add(ledger, &e, "[1]"), 0);
	strcpy(e.id, "11111111-2222-3333-4444-666666666666");
	ok_int(ledger_definition_add(ledger, &e, "[2]"), -EEXIST);
	strcpy(e.name, "two");
	e.created = 4;
	ok_int(ledger_definition_add(ledger, &e, "[2]"), 0);
	ok_int(ledger_definition_change(ledger, &builtin, NULL), 0);	/* it had no row */
	e.status = STORE_STOPPED;
	ok_int(ledger_definition_change(ledger, &e, NULL), 0);
	ok_int(ledger_definition_get(ledger, e.id, &back, &text), 0);
	ok(back.status == STORE_STOPPED && back.protected && back.created == 4);
	ok_str(buf_text(&text), "[2]");
	ok_int(ledger_definition_change(ledger, &e, "[3]"), 0);
	ok_int(ledger_definition_find(ledger, "one", &back), 0);
	ok_str(back.id, "11111111-2222-3333-4444-555555555555");
	ok_int(ledger_definition_find(ledger, "nobody", &back), -ENOENT);
	for (unsigned i = 0; i < s.n; i++)
		ok_int(ledger_apply(other, s.changes[i].p, s.changes[i].n), 0);
	buf_reset(&text);
	ok_int(ledger_definitions(other, list_definition, &text), 0);
	ok_str(buf_text(&text), "all 0 30 ; two 1 7 [3]; one 0 7 [1]; ");
	/* who is deleted is there until it is forgotten */
	e.status = STORE_PENDING_DELETION;
	e.deleted = 100;
	ok_int(ledger_definition_change(ledger, &e, NULL), 0);
	n = s.n;
	ok_int(ledger_definition_get(ledger, e.id, &back, NULL), 0);
	ok_int(ledger_definition_forget(ledger, e.id), 0);
	ok_int(s.n, n + 1);
	ok_int(ledger_definition_get(ledger, e.id, &back, NULL), -ENOENT);
	for (unsigned i = 1; i < STORES_MAX; i++) {
		snprintf(e.id, sizeof(e.id), "31111111-2222-3333-4444-%012u", i);
		snprintf(e.name, sizeof(e.name), "more%u", i);
		ok_int(ledger_definition_add(ledger, &e, ""), 0);
	}
	strcpy(e.id, "one more");
	strcpy(e.name, "one more");
	ok_int(ledger_definition_add(ledger, &e, ""), -EDQUOT);
	for (unsigned i = 0; i < s.n; i++)
		buf_free(&s.changes[i]);
	ledger_free(&ledger);
	ledger_free(&other);
}

static int list_day(void *ctx, const struct removed_day *d)
{
	buf_addf(ctx, "%u:%d%s ", d->day, (int)d->frames, d->done ? "" : "?");
	return 0;
}

static int list_last(void *ctx, const struct removed_last *h)
{
	buf_addf(ctx, "%s %s %u:%d %s; ", h->host, h->stream, h->chain, (int)h->number, h->hash);
	return 0;
}

static void days_that_are_removed(void)
{
	struct removed_last heads[] = { { .host = "a", .stream = "s", .chain = 1, .number = 4, .hash = "x", .goes_on = true },
					{ .host = "a", .stream = "t", .chain = 1, .number = 9, .hash = "y", .goes_on = true } };
	struct arrival v[2] = { { .frames = 2, .batch = 70, .day = 5, .received = 100 }, { .frames = 2, .batch = 71, .day = 6, .received = 200 } };
	_cleanup_buf_ struct buf text = { 0 };
	struct removed_day d = { .day = 5, .frames = 2 };
	struct shipped s = { .n = 0 };
	struct index_place place = { .pos = 2 };
	struct ledger *other;
	struct span span;
	int64_t id;

	must(ledger_open_shared(take_change, &s, &ledger) == 0);
	must(ledger_open_shared(no_change, NULL, &other) == 0);
	for (unsigned i = 0; i < 2; i++)
		buf_add(&v[i].keys, "0123456789012345678901234567", 8 * v[i].frames);
	ok_int(ledger_arrive(ledger, v, 2, 50), 0);
	ok(!ledger_day_wanted(ledger, 5));
	id = make_trail("one");
	ok_int(ledger_start(ledger, id, 5, 1), 0);
	ok(ledger_day_wanted(ledger, 5) && ledger_day_wanted(ledger, 6) && !ledger_day_wanted(ledger, 7));
	ok_int(ledger_span(ledger, id, &span), 0);
	ok_int(ledger_span_at(ledger, span.id, &place), 0);	/* one of its two frames */
	ok(ledger_day_wanted(ledger, 5));
	place.pos = 3;
	ok_int(ledger_span_at(ledger, span.id, &place), 0);
	ok(!ledger_day_wanted(ledger, 5) && ledger_day_wanted(ledger, 6));
	ok_int(ledger_day_remove(ledger, &d, heads, 2), 0);
	ok_int(ledger_day_remove(ledger, &d, heads, 2), -EEXIST);
	ok_int(ledger_day_done(ledger, 5), 0);
	/* of a chain that ends nothing stays; what came late does not set one back */
	d.day = 6;
	heads[0].goes_on = false;
	heads[1].number = 8;
	ok_int(ledger_day_remove(ledger, &d, heads, 2), 0);
	for (unsigned i = 0; i < s.n; i++)
		ok_int(ledger_apply(other, s.changes[i].p, s.changes[i].n), 0);
	ok_int(ledger_days_removed(other, -1, list_day, &text), 0);
	ok_int(ledger_days_removed(other, 5, list_day, &text), 0);
	ok_int(ledger_removed_lasts(other, list_last, &text), 0);
	ok_str(buf_text(&text), "5:2 6:2? 6:2? a t 1:9 y; ");
	buf_reset(&text);
	ok_int(ledger_text(other, "x", &text), 0);
	ok_int(ledger_text_put(ledger, "x", "one"), 0);
	ok_int(ledger_text_put(ledger, "x", "two"), 0);
	ok_int(ledger_text(ledger, "x", &text), 0);
	ok_str(buf_text(&text), "two");
	for (unsigned i = 0; i < 2; i++)
		buf_free(&v[i].keys);
	for (unsigned i = 0; i < s.n; i++)
		buf_free(&s.changes[i]);
	ledger_free(&ledger);
	ledger_free(&other);
}

static int list_arrival(void *ctx, const struct arrival *a)
{
	buf_addf(ctx, "%d+%u:%d/%zu ", (int)a->pos, a->frames, (int)a->batch, a->keys.n);
	return 0;
}

static void frames_are_given_an_order(void)
{
	struct shipped s = { .n = 0 };
	struct arrival v[3] = { { .frames = 2, .batch = 70, .received = 100 }, { .frames = 0, .batch = 71, .received = 150 },
				{ .frames = 3, .batch = 72, .received = 200 } };
	_cleanup_buf_ struct buf text = { 0 };
	journal_pos end;
	int64_t since;

	must(ledger_open_shared(take_change, &s, &ledger) == 0);
	ok_int(ledger_arrived(ledger, &end, &since), 0);
	ok(end == 1 && since == 0);
	for (unsigned i = 0; i < 3; i++)
		buf_add(&v[i].keys, "0123456789012345678901234567", 8 * v[i].frames);
	ok_int(ledger_arrive(ledger, v, 3, 50), 0);
	ok_int(ledger_arrived(ledger, &end, &since), 0);
	ok(end == 6 && since == 50);
	ok(ledger_has_batch(ledger, 71) && !ledger_has_batch(ledger, 73));
	ok_int(ledger_arrivals(ledger, 2, list_arrival, &text), 0);
	ok_str(buf_text(&text), "1+2:70/16 3+3:72/24 ");
	buf_reset(&text);
	ok_int(ledger_arrivals(ledger, 3, list_arrival, &text), 0);
	ok_str(buf_text(&text), "3+3:72/24 ");
	ok_int(ledger_arrivals_trim(ledger, 4, 1000, 120), 0);
	ok(!ledger_has_batch(ledger, 70) && ledger_has_batch(ledger, 71));
	buf_reset(&text);
	ok_int(ledger_arrivals(ledger, 1, list_arrival, &text), 0);
	ok_str(buf_text(&text), "3+3:72/24 ");
	ok_int(ledger_arrive(ledger, v, 1, 60), 0);
	ok_int(ledger_arrived(ledger, &end, &since), 0);
	ok(end == 8 && since == 50);
	for (unsigned i = 0; i < 3; i++)
		buf_free(&v[i].keys);
	for (unsigned i = 0; i < s.n; i++)
		buf_free(&s.changes[i]);
	ledger_free(&ledger);
}

/* Who goes on in that order must not come upon one of which nobody knows its frames any more. */
static void what_comes_late_is_forgotten_in_its_turn(void)
{
	struct shipped s = { .n = 0 };
	struct arrival v[4] = { { .frames = 2, .batch = 70, .received = 100 }, { .frames = 3, .batch = 71, .received = 1000 },
				{ .frames = 1, .batch = 72, .received = 110 }, { .frames = 1, .batch = 73, .received = 1100 } };
	_cleanup_buf_ struct buf text = { 0 };
	journal_pos oldest;

	must(ledger_open_shared(take_change, &s, &ledger) == 0);
	ok_int(ledger_arrivals_oldest(ledger, &oldest), 0);
	ok_int(oldest, 1);
	for (unsigned i = 0; i < 4; i++)
		buf_add(&v[i].keys, "0123456789012345678901234567", 8 * v[i].frames);
	ok_int(ledger_arrive(ledger, v, 4, 50), 0);
	ok_int(ledger_arrivals_oldest(ledger, &oldest), 0);
	ok_int(oldest, 1);
	ok_int(ledger_arrivals_trim(ledger, UINT64_MAX, 500, 0), 0);
	ok_int(ledger_arrivals(ledger, 1, list_arrival, &text), 0);
	ok_str(buf_text(&text), "1+2:70/0 3+3:71/24 6+1:72/8 7+1:73/8 ");
	ok_int(ledger_arrivals_oldest(ledger, &oldest), 0);
	ok_int(oldest, 3);
	ok_int(ledger_arrivals_trim(ledger, UINT64_MAX, 5000, 0), 0);
	ok_int(ledger_arrivals_oldest(ledger, &oldest), 0);
	ok_int(oldest, 8);
	ok_int(ledger_arrivals_trim(ledger, UINT64_MAX, 5000, 5000), 0);
	ok_int(ledger_arrivals_oldest(ledger, &oldest), 0);
	ok_int(oldest, 8);
	for (unsigned i = 0; i < 4; i++)
		buf_free(&v[i].keys);
	for (unsigned i = 0; i < s.n; i++)
		buf_free(&s.changes[i]);
	ledger_free(&ledger);
}

static const struct tap_case cases[] = {
	CASE(trails_are_kept),
	CASE(a_deleted_trail_goes_when_its_spans_are_done),
	CASE(files_are_decided_with_their_place),
	CASE(stretches_say_what_was_to_be_delivered),
	CASE(digests_that_are_past),
	CASE(a_damaged_ledger_is_set_aside),
	CASE(a_digest_says_what_cloudtrails_do),
	CASE(keys_change_and_are_never_forgotten),
	CASE(a_keys_name_leads_to_no_other_file),
	CASE(copies_of_a_shared_ledger_become_alike),
	CASE(event_data_stores_are_in_a_shared_ledger),
	CASE(days_that_are_removed),
	CASE(frames_are_given_an_order),
	CASE(what_comes_late_is_forgotten_in_its_turn),
};
TAP_MAIN(cases)

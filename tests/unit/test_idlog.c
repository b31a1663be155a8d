// SPDX-License-Identifier: Apache-2.0
#include "agent/idlog.h"
#include "agent/spoolstate.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static const uint8_t stream[16] = "one stream", other[16] = "another";
static unsigned found;
static uint32_t found_tid;

static void take(void *ctx, const void *event, uint32_t n)
{
	struct ht_ident id;

	ok(n >= sizeof(id));
	memcpy(&id, event, sizeof(id));
	found++;
	found_tid = id.h.tid;
	if (ctx)
		idcache_put(ctx, event, n);
}

static struct ht_ident ident(uint32_t tid)
{
	struct ht_ident id = { .h = { .kind = HT_EV_IDENT, .len = sizeof(id), .gen = 1, .tid = tid, .start = 9 } };

	return id;
}

static void make_dir(void)
{
	strcpy(dir, "/tmp/hosttrail-idlog-XXXXXX");
	ok(mkdtemp(dir) != NULL);
	found = 0;
}

static void remove_dir(void)
{
	char path[128];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, i ? "identities" : "agent.state");
		unlink(path);
	}
	rmdir(dir);
}

static void add(struct idlog *l, struct idcache *c, uint32_t tid)
{
	struct ht_ident id = ident(tid);

	idcache_put(c, &id, sizeof(id));
	idlog_add(l, &id, sizeof(id));
}

static void survives(void)
{
	struct idlog *l = NULL;
	struct idcache *c = NULL;

	make_dir();
	ok_int(idcache_new(1 << 20, &c), 0);
	must(idlog_open(dir, stream, take, NULL, &l) == 0);
	ok_int(found, 0);
	add(l, c, 1);
	add(l, c, 2);
	ok_int(idlog_flush(l, c), 0);
	add(l, c, 3);			/* never flushed */
	idlog_free(&l);
	must(idlog_open(dir, stream, take, NULL, &l) == 0);
	ok_int(found, 2);
	ok_int(found_tid, 2);
	add(l, c, 4);
	ok_int(idlog_flush(l, c), 0);
	idlog_free(&l);
	found = 0;
	must(idlog_open(dir, stream, take, NULL, &l) == 0);
	ok_int(found, 3);
	idlog_free(&l);
	found = 0;
	must(idlog_open(dir, other, take, NULL, &l) == 0);	/* other rings: nothing of this is valid */
	ok_int(found, 0);
	idlog_free(&l);
	idcache_free(&c);
	remove_dir();
}

static void torn_and_foreign_bytes(void)
{
	char path[128];
	struct idlog *l = NULL;
	struct idcache *c = NULL;
	int fd;

	make_dir();
	snprintf(path, sizeof(path), "%s/identities", dir);
	ok_int(idcache_new(1 << 20, &c), 0);
	must(idlog_open(dir, stream, take, NULL, &l) == 0);
	add(l, c, 1);
	add(l, c, 2);
	idlog_flush(l, c);
	idlog_free(&l);
	ok_int(truncate(path, 20 + sizeof(struct ht_ident) + 40), 0);
	must(idlog_open(dir, stream, take, NULL, &l) == 0);
	ok_int(found, 1);
	add(l, c, 3);
	idlog_flush(l, c);
	idlog_free(&l);
	found = 0;
	must(idlog_open(dir, stream, take, NULL, &l) == 0);
	ok_int(found, 2);
	idlog_free(&l);
	fd = open(path, O_WRONLY);
	ok(pwrite(fd, "garbage", 7, 22) == 7);
	close(fd);
	found = 0;
	must(idlog_open(dir, stream, take, NULL, &l) == 0);
	ok_int(found, 0);
	idlog_free(&l);
	idcache_free(&c);
	remove_dir();
}

static void rewritten_when_large(void)
{
	char path[128];
	struct idlog *l = NULL;
	struct idcache *c = NULL;
	struct stat st = { 0 };
	struct idcache_stats s;

	make_dir();
	snprintf(path, sizeof(path), "%s/identities", dir);
	ok_int(idcache_new(256 << 10, &c), 0);
	must(idlog_open(dir, stream, take, NULL, &l) == 0);
	for (uint32_t tid = 1; tid <= 40000; tid++) {
		add(l, c, tid);
		if (tid % 100 == 0)
			must(idlog_flush(l, c) == 0);
	}
	idlog_flush(l, c);
	idlog_free(&l);
	ok(!stat(path, &st) && st.st_size < 6 << 20);
	idcache_stats(c, &s);
	ok(s.bytes <= 256 << 10 && s.evicted > 30000);
	idcache_free(&c);
	ok_int(idcache_new(256 << 10, &c), 0);
	must(idlog_open(dir, stream, take, c, &l) == 0);
	ok(idcache_find(c, 40000, 9, 1) != NULL);
	ok(idcache_find(c, 39999, 9, 1) != NULL);
	ok(idcache_find(c, 39999, 9, 2) == NULL);	/* never another generation */
	idlog_free(&l);
	idcache_free(&c);
	remove_dir();
}

static void state_survives_a_torn_write(void)
{
	struct spoolstate *s = NULL;
	struct spoolstate_head head = { .next = { 1, 2, 3 } }, was;
	struct settle *settle = NULL;
	struct buf b = { 0 };
	char path[128];
	int fd;

	make_dir();
	snprintf(path, sizeof(path), "%s/agent.state", dir);
	ok_int(settle_new(1, &settle), 0);
	must(spoolstate_open(dir, &s, &was, &b) == 0);
	ok_int(was.next[0], 0);
	ok_int(b.n, 0);
	ok_int(spoolstate_write(s, &head, settle), 0);	/* slot 1 */
	head.next[0] = 7;
	ok_int(spoolstate_write(s, &head, settle), 0);	/* slot 0 */
	spoolstate_free(&s);
	must(spoolstate_open(dir, &s, &was, &b) == 0);
	ok_int(was.next[0], 7);
	ok(b.n > 0 && !settle_load(settle, b.p, b.n));
	spoolstate_free(&s);
	fd = open(path, O_WRONLY);
	ok(pwrite(fd, "XX", 2, 40) == 2);
	close(fd);
	buf_reset(&b);
	must(spoolstate_open(dir, &s, &was, &b) == 0);
	ok_int(was.next[0], 1);			/* the one before */
	spoolstate_free(&s);
	settle_free(&settle);
	buf_free(&b);
	remove_dir();
}

static const struct tap_case cases[] = {
	CASE(survives), CASE(torn_and_foreign_bytes), CASE(rewritten_when_large), CASE(state_survives_a_torn_write),
};
TAP_MAIN(cases)

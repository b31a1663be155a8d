// SPDX-License-Identifier: Apache-2.0
/* test_tlssocks.c - handshakes by socket, and what nobody saw: told once, never of what was seen. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/tlsmapped.h"
#include "agent/tlssocks.h"
#include "tests/tap.h"
#include "tests/unit/hellos.h"

struct seen {
	unsigned n, fail_at;
	struct tlssocks_unobserved last;
	char name[64];
	struct tlssock tls;
	bool maybe;
};

static bool maybe(void *ctx, uint32_t tgid)
{
	return ((struct seen *)ctx)->maybe;
}

static int mapped(void *ctx, uint32_t tgid)
{
	return (int)tgid;
}

static int unobserved(void *ctx, const struct tlssocks_unobserved *u)
{
	struct seen *s = ctx;

	if (++s->n == s->fail_at)
		return -ENOSPC;
	s->last = *u;
	s->tls = *u->tls;
	snprintf(s->name, sizeof(s->name), "%s", u->tls->name);
	return 0;
}

static struct {
	struct ht_tls e;
	struct ht_sock s;
	uint8_t bytes[4096];
} p;

static uint32_t entry(enum ht_tls_what what, uint64_t ino, enum ht_tls_dir dir, uint64_t offset, const void *bytes, uint32_t n)
{
	memset(&p.e, 0, sizeof(p.e));
	p.e.h = (struct ht_event){ .kind = HT_EV_TLS, .class = HT_CLASS_TLS, .time = 1000, .tid = 8, .tgid = 7, .start = 3, .gen = 2 };
	p.e.conn = ino;
	p.e.what = what;
	p.e.dir = dir;
	p.e.offset = offset;
	p.e.captured = n;
	p.e.full = n;
	p.s = (struct ht_sock){ .family = AF_INET, .type = SOCK_STREAM, .sport = 40000, .dport = 443, .ino = ino };
	memcpy(p.bytes, bytes, n);
	return (uint32_t)(sizeof(p.e) + sizeof(p.s)) + n;
}

#define LAB(s, t)                                                                                                        \
	struct seen s = { 0 };                                                                                           \
	struct tlssocks_ops ops_of_##t = { .ctx = &s, .maybe = maybe, .mapped = mapped, .unobserved = unobserved };      \
	struct tlssocks *t = NULL;                                                                                       \
	must(tlssocks_new(&ops_of_##t, &t) == 0)
#define GIVE(t, n) ok_int(tlssocks_event(t, &p.e, n), 0)

static void shake(struct tlssocks *t, uint64_t ino)
{
	GIVE(t, entry(HT_TLS_HELLO, ino, HT_TLS_SENT, 0, client_hello, sizeof(client_hello)));
	GIVE(t, entry(HT_TLS_HELLO, ino, HT_TLS_RECEIVED, 0, server_hello, 5));
	GIVE(t, entry(HT_TLS_HELLO, ino, HT_TLS_RECEIVED, 5, server_hello + 5, sizeof(server_hello) - 5));
}

static void handshake_is_found(void)
{
	LAB(s, t);
	const struct tlssock *k;

	ok(!tlssocks_find(t, 5));
	shake(t, 5);
	k = tlssocks_find(t, 5);
	must(k);
	ok(k->asked && k->answered && !k->server);
	ok_int(k->version, 0x0303);
	ok_int(k->cipher, 0xc02f);
	ok_str(k->name, "a.example");
	GIVE(t, entry(HT_TLS_HELLO, 6, HT_TLS_RECEIVED, 0, client_hello, sizeof(client_hello)));
	k = tlssocks_find(t, 6);
	must(k);
	ok(k->server && !k->answered);
	tlssocks_free(&t);
}

static void what_is_lost_is_not_guessed(void)
{
	LAB(s, t);
	const struct tlssock *k;

	GIVE(t, entry(HT_TLS_HELLO, 5, HT_TLS_SENT, 0, client_hello, sizeof(client_hello)));
	GIVE(t, entry(HT_TLS_HELLO, 5, HT_TLS_RECEIVED, 5, server_hello + 5, sizeof(server_hello) - 5));
	k = tlssocks_find(t, 5);
	must(k);
	ok(k->asked && !k->answered && !k->cipher && !k->version);
	tlssocks_free(&t);
}

static void number_that_comes_again_is_another(void)
{
	LAB(s, t);

	shake(t, 5);
	GIVE(t, entry(HT_TLS_HELLO, 5, HT_TLS_SENT, 0, "\x16\x03\x01\x00\x05\x01\x00\x00\x40\x03", 10));
	ok(!tlssocks_find(t, 5));
	tlssocks_free(&t);
}

static void unseen_is_told_once(void)
{
	LAB(s, t);

	shake(t, 5);
	GIVE(t, entry(HT_TLS_FLOWED, 5, 0, 0, "", 0));
	ok_int(tlssocks_due(t, 1000 + TLSSOCKS_PATIENCE - 1, false), 0);
	ok_int(s.n, 0);
	ok_int(tlssocks_due(t, 1000 + TLSSOCKS_PATIENCE, false), 0);
	ok_int(s.n, 1);
	ok_str(s.name, "a.example");
	ok_int(s.tls.cipher, 0xc02f);
	ok_int(s.last.tgid, 7);
	ok_int(s.last.gen, 2);
	ok_int(s.last.mapped, 7);
	GIVE(t, entry(HT_TLS_FLOWED, 5, 0, 0, "", 0));
	ok_int(tlssocks_due(t, UINT64_MAX, true), 0);
	ok_int(s.n, 1);
	tlssocks_free(&t);
}

static void seen_is_not_told(void)
{
	LAB(s, t);

	tlssocks_seen(t, 5);		/* in either order */
	shake(t, 5);
	GIVE(t, entry(HT_TLS_FLOWED, 5, 0, 0, "", 0));
	shake(t, 6);
	GIVE(t, entry(HT_TLS_FLOWED, 6, 0, 0, "", 0));
	tlssocks_seen(t, 6);
	GIVE(t, entry(HT_TLS_FLOWED, 7, 0, 0, "", 0));		/* no handshake was seen */
	ok_int(tlssocks_due(t, UINT64_MAX, true), 0);
	ok_int(s.n, 0);
	shake(t, 8);
	GIVE(t, entry(HT_TLS_FLOWED, 8, 0, 0, "", 0));
	s.maybe = true;
	ok_int(tlssocks_due(t, UINT64_MAX, true), 0);
	ok_int(s.n, 0);
	tlssocks_free(&t);
}

static void ends_with_its_process(void)
{
	LAB(s, t);

	shake(t, 5);
	GIVE(t, entry(HT_TLS_FLOWED, 5, 0, 0, "", 0));
	tlssocks_gone(t, 9);
	tlssocks_gone(t, 7);
	ok_int(tlssocks_due(t, 1001, false), 0);	/* its entries may still be in the ring */
	ok_int(s.n, 0);
	ok_int(tlssocks_due(t, 1002, false), 0);
	ok_int(s.n, 1);
	tlssocks_free(&t);
}

/* At once, with nothing of the handshake; also on a number that another socket had. */
static void opted_out_is_told(void)
{
	LAB(s, t);
	uint32_t n;

	shake(t, 5);
	tlssocks_seen(t, 5);
	n = entry(HT_TLS_OPTED_OUT, 5, HT_TLS_RECEIVED, 0, "", 0);
	p.e.full = HT_OPTOUT_USER;
	GIVE(t, n);
	ok_int(s.n, 1);
	ok_int(s.last.optout, HT_OPTOUT_USER);
	ok(s.tls.server && !s.tls.answered && !s.name[0]);
	ok_int(s.last.tgid, 7);
	ok_int(tlssocks_due(t, UINT64_MAX, true), 0);
	ok_int(s.n, 1);
	p.e.full = HT_OPTOUT_USER + 1;
	ok_int(tlssocks_event(t, &p.e, n), -EBADMSG);
	p.e.full = HT_OPTOUT_NONE;
	ok_int(tlssocks_event(t, &p.e, n), -EBADMSG);
	ok_int(tlssocks_event(t, &p.e, n - 1), -EBADMSG);
	tlssocks_free(&t);
}

static void bounded_and_hostile(void)
{
	LAB(s, t);
	uint32_t n = entry(HT_TLS_HELLO, 5, HT_TLS_SENT, 0, client_hello, sizeof(client_hello));

	ok_int(tlssocks_event(t, &p.e, n - 1), -EBADMSG);
	ok_int(tlssocks_event(t, &p.e, sizeof(p.e)), -EBADMSG);
	p.e.dir = 2;
	ok_int(tlssocks_event(t, &p.e, n), -EBADMSG);
	entry(HT_TLS_DATA, 5, HT_TLS_SENT, 0, client_hello, sizeof(client_hello));
	ok_int(tlssocks_event(t, &p.e, n), -EBADMSG);
	for (uint64_t ino = 1; ino <= TLSSOCKS_MAX + 100; ino++)	/* none of them goes on */
		GIVE(t, entry(HT_TLS_HELLO, ino, HT_TLS_SENT, 0, client_hello, 60));
	ok(!tlssocks_find(t, 1));
	ok(tlssocks_find(t, TLSSOCKS_MAX - 200));				/* what there was of it, because others came */
	shake(t, 5);
	GIVE(t, entry(HT_TLS_FLOWED, 5, 0, 0, "", 0));
	s.fail_at = 1;
	ok_int(tlssocks_due(t, 0, true), -ENOSPC);
	tlssocks_free(&t);
}

static void libraries_are_told_by_maps(void)
{
	int alive[2], ready[2];
	pid_t cat;
	char c;

	must(!pipe2(alive, O_CLOEXEC) && !pipe2(ready, O_CLOEXEC));
	cat = fork();
	if (!cat) {
		dup2(alive[0], 0);
		execl("/bin/cat", "cat", NULL);
		_exit(127);
	}
	close(ready[1]);
	ok_int(read(ready[0], &c, 1), 0);	/* it is cat now */
	ok_int(tls_mapped((uint32_t)cat), 0);
	close(alive[1]);
	close(alive[0]);
	close(ready[0]);
	must(waitpid(cat, NULL, 0) == cat);
	must(dlopen("libssl.so.3", RTLD_NOW));
	ok_int(tls_mapped((uint32_t)getpid()), 1);
	ok(tls_mapped(0x7ffffff0) < 0);
}

static const struct tap_case cases[] = {
	CASE(handshake_is_found), CASE(what_is_lost_is_not_guessed), CASE(number_that_comes_again_is_another), CASE(unseen_is_told_once),
	CASE(seen_is_not_told), CASE(ends_with_its_process), CASE(opted_out_is_told), CASE(bounded_and_hostile),
	CASE(libraries_are_told_by_maps),
};
TAP_MAIN(cases)

// SPDX-License-Identifier: Apache-2.0
#include "agent/proctab.h"
#include "tests/tap.h"

#include <unistd.h>

#define STR(s) ((struct str){ s, sizeof(s) - 1 })

static struct proctab *t;

static void put(uint32_t pid, uint64_t start, struct str exe)
{
	struct proc p = { .key = { start, pid, 0 }, .audit_session = UINT32_MAX, .exe = exe };

	ok_int(proctab_put(t, &p), 0);
}

static void keys_are_pid_and_tick(void)
{
	ok_int(proctab_new(1 << 20, &t), 0);
	put(5, 20000001, STR("/a"));
	put(5, 70000000, STR("/b"));
	ok(proctab_find(t, 5, 29999999) != NULL);	/* /proc shows the same process by its tick */
	ok(proctab_find(t, 5, 30000000) == NULL);
	ok_int(proctab_find(t, 5, 70000000)->exe.n, 2);
	ok(proctab_find(t, 6, 70000000) == NULL);
	proctab_free(&t);
}

static void replacing_keeps_what_is_not_given(void)
{
	struct proc p = { .key = { 0, 5, 0 }, .exe = STR("/a"), .cwd = STR("/"), .argv = STR("a\0b"), .via = STR("/sudo") };
	const struct proc *f;

	ok_int(proctab_new(1 << 20, &t), 0);
	proctab_put(t, &p);
	p = (struct proc){ .key = { 0, 5, 0 }, .exe = STR("/bb"), .euid = 7 };
	proctab_put(t, &p);
	f = proctab_find(t, 5, 0);
	must(f);
	ok(f->exe.n == 3 && !memcmp(f->exe.p, "/bb", 3));
	ok(f->argv.n == 3 && f->cwd.n == 1 && f->via.n == 5 && f->euid == 7);
	/* from itself: the strings lie in the entry that goes */
	p = *f;
	p.cwd = STR("/x");
	proctab_put(t, &p);
	f = proctab_find(t, 5, 0);
	ok(f->exe.n == 3 && !memcmp(f->exe.p, "/bb", 3) && f->via.n == 5 && !memcmp(f->via.p, "/sudo", 5));
	proctab_free(&t);
}

static void bounded_in_bytes(void)
{
	static char longest[2 * PROCTAB_TEXT_MAX];
	struct proctab_stats s;

	memset(longest, 'x', sizeof(longest));
	ok_int(proctab_new(64 << 10, &t), 0);
	for (uint32_t pid = 1; pid <= 2000; pid++) {
		put(pid, 0, (struct str){ longest, pid % 7 ? 100 : sizeof(longest) });
		proctab_stats(t, &s);
		must(s.bytes <= 64 << 10);
		ok(proctab_find(t, 1, 0) != NULL);	/* used all the time: stays */
	}
	ok(s.evicted > 1000 && s.evicted + s.processes == 2000);
	ok(proctab_find(t, 2, 0) == NULL);
	ok(proctab_find(t, 2000, 0) != NULL);
	proctab_free(&t);
}

static void the_dead_go_first(void)
{
	struct proctab_stats s;

	ok_int(proctab_new(16 << 10, &t), 0);
	put(1, 0, STR("/one"));
	put(2, 0, STR("/two"));
	proctab_gone(t, 2, 0);
	ok(proctab_find(t, 2, 0) != NULL);	/* still known: children may be traced to it */
	proctab_gone(t, 2, 0);
	proctab_gone(t, 3, 0);
	do {
		static uint32_t pid = 100;

		put(pid++, 0, STR("/more"));
		proctab_stats(t, &s);
	} while (!s.evicted);
	ok(proctab_find(t, 2, 0) == NULL);
	ok(proctab_find(t, 1, 0) != NULL);
	proctab_free(&t);
}

static void sessions_keep_their_start(void)
{
	struct proc p = { .key = { 500, 5, 0 }, .audit_session = 3 };

	ok_int(proctab_new(1 << 20, &t), 0);
	ok_int(proctab_session_start(t, 3), 0);
	proctab_put(t, &p);
	p.key.start = 900;
	p.key.pid = 6;
	proctab_put(t, &p);
	ok_int(proctab_session_start(t, 3), 500);
	p.key.start = 100;			/* an older one, found later */
	proctab_put(t, &p);
	ok_int(proctab_session_start(t, 3), 100);
	proctab_free(&t);
}

static void this_process_is_found(void)
{
	struct proctab_stats s;
	bool found = false;

	ok_int(proctab_new(8 << 20, &t), 0);
	ok(proctab_scan(t, NULL, NULL) > 0);
	proctab_stats(t, &s);
	ok(s.processes > 0);
	/* its start time in ticks: field 22 of stat, here by search */
	for (uint64_t tick = 0; !found && tick < 1; tick++) {
		FILE *f = fopen("/proc/self/stat", "r");
		unsigned long long start = 0;
		int pid = 0;

		must(f);
		ok_int(fscanf(f, "%d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &pid, &start), 2);
		fclose(f);
		const struct proc *p = proctab_find(t, (uint32_t)pid, start * 10000000ull);

		must(p);
		ok(p->exe.n && memmem(p->exe.p, p->exe.n, "test_proctab", 12));
		ok(p->parent.pid == (uint32_t)getppid() && p->parent.start);
		ok(p->argv.n > 0);
		found = true;
	}
	proctab_free(&t);
}

static const struct tap_case cases[] = {
	CASE(keys_are_pid_and_tick), CASE(replacing_keeps_what_is_not_given), CASE(bounded_in_bytes), CASE(the_dead_go_first),
	CASE(sessions_keep_their_start), CASE(this_process_is_found),
};
TAP_MAIN(cases)

// SPDX-License-Identifier: Apache-2.0
/* What the kernel is told to drop, by a model of bpf/rules.bpf.h, against the evaluator that knows the whole record. */
#include "agent/kernelrules.h"
#include "tests/tap.h"

#include <fcntl.h>

#include "agent/calls.h"
#include "lib/buf.h"
#include "lib/cleanup.h"

static struct selectors *selectors;
static struct kernelrules *rules;

static void forget(void)
{
	kernelrules_free(&rules);
	selectors_free(&selectors);
}

/* 'quotes' become "quotes". */
static void compile(const char *text, const char *const *own)
{
	_cleanup_buf_ struct buf b = { 0 };
	char why[SELECTORS_WHY_MAX] = "";

	forget();
	for (const char *p = text; *p; p++)
		buf_addc(&b, *p == '\'' ? '"' : (uint8_t)*p);
	must(!selectors_parse((const char *)b.p, b.n, &selectors, why));
	must(!kernelrules_new(selectors, own, &rules));
}

/* ---- the kernel's side ---- */

struct made {			/* a call as the probes see it */
	const char *name;	/* NULL: openat */
	int64_t ret;
	uint64_t flags;		/* of an open */
	uint32_t euid, loginuid;
	bool logged_in;
	const char *path;	/* of its descriptor; NULL: not plain */
	const char *cgroup;	/* NULL: not known */
};

static const struct rule_path *longest(const struct ht_rule_path *key)
{
	const struct rule_path *best = NULL;

	for (unsigned i = 0; i < rules->npaths; i++) {
		const struct rule_path *p = &rules->paths[i];

		if (p->key.bits <= key->bits && !memcmp(p->key.text, key->text, p->key.bits / 8) && (!best || p->key.bits > best->key.bits))
			best = p;
	}
	return best;
}

static uint64_t left_by_path(const char *path)
{
	struct ht_rule_path begin = { .text = { HT_RULE_BEGINS } }, end = { .text = { HT_RULE_ENDS } };
	const struct rule_path *hit[2];
	uint64_t may = rules->path, never = 0;
	size_t n = strlen(path);

	for (size_t i = 0; i < n && i < HT_RULE_TEXT - 1; i++)
		begin.text[1 + i] = (uint8_t)path[i];
	begin.bits = (uint32_t)(8 * (n + 2 < HT_RULE_TEXT ? n + 2 : HT_RULE_TEXT));
	for (size_t i = 0; i < n && i < HT_RULE_END - 1; i++)
		end.text[1 + i] = (uint8_t)path[n - 1 - i];
	end.bits = (uint32_t)(8 * (n + 1 < HT_RULE_END ? n + 1 : HT_RULE_END));
	hit[0] = longest(&begin);
	hit[1] = longest(&end);
	for (int i = 0; i < 2; i++) {
		may |= hit[i] ? hit[i]->value.may : 0;
		never |= hit[i] ? hit[i]->value.never : 0;
	}
	return may & ~never;
}

static uint64_t left_by_id(enum ht_rule_kind kind, uint32_t id)
{
	for (unsigned i = 0; i < rules->nids; i++)
		if (rules->ids[i].key.kind == kind && rules->ids[i].key.id == id)
			return rules->ids[i].may;
	return rules->asked >> kind & 1 ? rules->other[kind] : ~0ull;
}

static bool dropped(const struct made *m)
{
	unsigned call = calls_lookup(m->name ?: "openat");
	const struct ht_rules *r = &rules->v[rules->of[call]];
	bool failed = m->ret < 0;
	uint64_t may = r->may[failed][0] | r->may[failed][1];

	ok(call != 0);
	if (!rules->of[call])
		return false;
	if (r->flags_arg < 6)
		may = r->may[failed][(m->flags & (O_ACCMODE | O_CREAT | O_TRUNC)) != 0];
	may &= left_by_id(HT_RULE_EUID, m->euid) & left_by_id(HT_RULE_LOGINUID, m->logged_in ? m->loginuid : UINT32_MAX);
	if (m->cgroup && rules->asked >> HT_RULE_CGROUP & 1)
		may &= kernelrules_cgroup(rules, (struct str){ m->cgroup, strlen(m->cgroup) });
	if (!may || may & ~r->walked)
		return !may;
	if (!m->path || (r->fd_arg == HT_ARG_RET && failed))
		return false;
	return !(left_by_path(m->path) & may);
}

/* ---- single rules ---- */

#define ONE(more) "[{'FieldSelectors':[{'Field':'eventCategory','Equals':['Data']}" more "]}]"
#define OPEN(...) ((struct made){ __VA_ARGS__ })

static bool drops(struct made m)
{
	return dropped(&m);
}

static void by_path(void)
{
	compile(ONE(",{'Field':'path','StartsWith':['/etc/pass'],'EndsWith':['.pem','/.ssh/id_rsa'],'NotEquals':['/etc/passwd-']}"), NULL);
	ok(!drops(OPEN(.path = "/etc/passwd")));
	ok(!drops(OPEN(.path = "/etc/pass")));
	ok(drops(OPEN(.path = "/etc/pas")));
	ok(drops(OPEN(.path = "/etc/passwd-")));
	ok(!drops(OPEN(.path = "/etc/passwd-x")));
	ok(!drops(OPEN(.path = "/x/a.pem")));
	ok(drops(OPEN(.path = "/x/a.pem2")));
	ok(!drops(OPEN(.path = "/root/.ssh/id_rsa")));
	ok(drops(OPEN(.path = "/root/ssh/id_rsa")));
	ok(!drops(OPEN(.path = NULL)));			/* not plain: the agent decides */
	ok(!drops(OPEN(.ret = -2, .path = "/x")));	/* its path is the program's string */
	ok(!drops((struct made){ .name = "unlink", .path = "/x" }));
	ok(!drops((struct made){ .name = "connect" }));	/* not captured at all: callselect.h */
	forget();
}

#define X31 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X124 X31 X31 X31 X31

/* What is longer than the kernel looks at leaves more, and its negative rules out nothing. */
static void long_paths(void)
{
	compile(ONE(",{'Field':'path','StartsWith':['/" X124 "yz']}"), NULL);
	ok(!drops(OPEN(.path = "/" X124 "yz")));
	ok(!drops(OPEN(.path = "/" X124 "yy")));
	ok(drops(OPEN(.path = "/" X124 "z")));
	compile(ONE(",{'Field':'path','NotStartsWith':['/" X124 "yz']}"), NULL);
	ok(!drops(OPEN(.path = "/" X124 "yy")));
	compile(ONE(",{'Field':'path','NotEquals':['/" X124 "y']}"), NULL);
	ok(!drops(OPEN(.path = "/" X124 "yy")));
	compile(ONE(",{'Field':'path','EndsWith':['z" X31 "']}"), NULL);
	ok(!drops(OPEN(.path = "/z" X31)));
	ok(!drops(OPEN(.path = "/y" X31)));
	compile(ONE(",{'Field':'path','NotEndsWith':['z" X31 "']}"), NULL);
	ok(!drops(OPEN(.path = "/y" X31)));
	forget();
}

/* A longer text leaves what a shorter one does, of any selector; two conditions on path are the agent's. */
static void texts_of_texts(void)
{
	compile("[{'FieldSelectors':[{'Field':'eventCategory','Equals':['Data']},{'Field':'path','StartsWith':['/a']}]},"
		"{'FieldSelectors':[{'Field':'eventCategory','Equals':['Data']},{'Field':'path','StartsWith':['/a/b']},"
		"{'Field':'process.euid','Equals':['1']}]}]", NULL);
	ok(!drops(OPEN(.path = "/a/b/c", .euid = 0)));
	ok(drops(OPEN(.path = "/b", .euid = 1)));
	compile(ONE(",{'Field':'path','StartsWith':['/a']},{'Field':'path','EndsWith':['b']}"), NULL);
	ok(!drops(OPEN(.path = "/a/b")));
	ok(!drops(OPEN(.path = "/c")));
	forget();
}

static void by_who(void)
{
	compile(ONE(",{'Field':'process.euid','Equals':['1000','007']},{'Field':'process.loginuid','NotEquals':['5']}"), NULL);
	ok(!drops(OPEN(.euid = 1000)));
	ok(drops(OPEN(.euid = 7)));
	ok(drops(OPEN(.euid = 0)));
	ok(drops(OPEN(.euid = 1000, .loginuid = 5, .logged_in = true)));
	ok(!drops(OPEN(.euid = 1000, .loginuid = 6, .logged_in = true)));
	ok(drops((struct made){ .name = "unlink", .euid = 0 }));
	compile(ONE(",{'Field':'process.loginuid','Equals':['0','4294967295']}"), NULL);
	ok(!drops(OPEN(.loginuid = 0, .logged_in = true)));
	ok(drops(OPEN(.euid = 0)));	/* there is none */
	compile(ONE(",{'Field':'process.cgroup','StartsWith':['/system.slice/']}"), NULL);
	ok(drops(OPEN(.cgroup = "/user.slice")));
	ok(!drops(OPEN(.cgroup = "/system.slice/a.service")));
	ok(!drops(OPEN(.cgroup = NULL)));
	forget();
}

/* Those of processes and of the prober's families are needed: fork, exec and exit are never dropped. */
static void by_call(void)
{
	compile("[{'FieldSelectors':[{'Field':'eventCategory','Equals':['Management']},{'Field':'process.euid','Equals':['1']}]}]", NULL);
	ok(!drops((struct made){ .name = "execve", .euid = 0 }));
	ok(!drops((struct made){ .name = "clone", .euid = 0 }));
	ok(drops((struct made){ .name = "kill", .euid = 0 }));
	ok(!drops((struct made){ .name = "kill", .euid = 1 }));
	compile(ONE(",{'Field':'readOnly','Equals':['true']},{'Field':'errorCode','Equals':['EACCES']}"), NULL);
	ok(drops(OPEN(.path = "/x")));
	ok(!drops(OPEN(.ret = -13)));
	ok(drops(OPEN(.ret = -13, .flags = O_WRONLY)));
	forget();
}

/* What changes our files, or may be aimed at our processes, comes whatever the selectors say. */
static void aimed_at_us(void)
{
	const char *const own[] = { "/var/lib/hosttrail", NULL };

	compile(ONE(",{'Field':'process.euid','Equals':['1000']},{'Field':'path','StartsWith':['/etc/']}"), own);
	ok(drops(OPEN(.path = "/var/lib/hosttrail/x")));
	ok(!drops(OPEN(.path = "/var/lib/hosttrail/x", .flags = O_WRONLY)));
	ok(drops(OPEN(.path = "/var/lib/other", .flags = O_WRONLY)));
	ok(!drops((struct made){ .name = "unlink", .euid = 0 }));
	ok(!drops((struct made){ .name = "kill", .euid = 0 }));
	forget();
}

static void the_default(void)
{
	_cleanup_buf_ struct buf b = { 0 };

	buf_adds(&b, selectors_default_text());
	buf_addc(&b, 0);
	compile((const char *)b.p, NULL);
	ok(drops(OPEN(.path = "/usr/lib/libc.so.6")));
	ok(drops(OPEN(.path = "/etc/ld.so.cache")));
	ok(!drops(OPEN(.path = "/etc/shadow")));
	ok(!drops(OPEN(.path = "/home/a/.ssh/id_rsa")));
	ok(drops(OPEN(.path = "/usr/share/x.pem")));
	ok(!drops(OPEN(.path = "/srv/x", .flags = O_WRONLY)));
	ok(drops(OPEN(.path = "/dev/null", .flags = O_WRONLY)));
	ok(!drops((struct made){ .name = "mount" }));
	forget();
}

/* ---- the model against the evaluator, by chance ---- */

static unsigned below(unsigned n)
{
	return (unsigned)rand() % n;
}

static void random_text(struct buf *b, unsigned max)
{
	for (unsigned n = 1 + below(max); n; n--)
		buf_addc(b, (uint8_t)"/ab."[below(4)]);
}

static void random_values(struct buf *b, const char *op, bool number)
{
	buf_addf(b, ",\"%s\":[", op);
	for (unsigned n = 1 + below(3); n; n--) {
		buf_addc(b, '"');
		if (number)
			buf_addf(b, "%u", below(3));
		else
			random_text(b, below(5) ? 4 : 160);
		buf_adds(b, n > 1 ? "\"," : "\"");
	}
	buf_addc(b, ']');
}

static void random_condition(struct buf *b, const char *field, const char *const *ops, unsigned nops, bool number)
{
	if (below(2))
		return;
	buf_addf(b, ",{\"Field\":\"%s\"", field);
	random_values(b, ops[below(nops)], number);
	buf_addc(b, '}');
}

static void random_selectors(struct buf *b)
{
	static const char *const ops[] = { "Equals", "NotEquals", "StartsWith", "EndsWith", "NotStartsWith", "NotEndsWith" };

	buf_addc(b, '[');
	for (unsigned n = 1 + below(3); n; n--) {
		buf_adds(b, "{\"FieldSelectors\":[{\"Field\":\"eventCategory\",\"Equals\":[\"Data\"]}");
		random_condition(b, "path", ops, 6, false);
		random_condition(b, "path", ops, below(8) ? 6 : 2, false);
		random_condition(b, "process.euid", ops, 2, true);
		random_condition(b, "process.loginuid", ops, 2, true);
		random_condition(b, "process.cgroup", ops, 6, false);
		if (!below(3))
			buf_addf(b, ",{\"Field\":\"readOnly\",\"Equals\":[\"%s\"]}", below(2) ? "true" : "false");
		if (!below(4))
			buf_addf(b, ",{\"Field\":\"errorCode\",\"%s\":[\"ENOENT\"]}", ops[below(2)]);
		buf_adds(b, n > 1 ? "]}," : "]}");
	}
	buf_addc(b, ']');
}

static void text_number(struct select_view *v, enum select_field f, uint32_t n, char to[16])
{
	snprintf(to, 16, "%u", n);
	select_view_text(v, f, n == UINT32_MAX ? NULL : to);
}

static bool selected(const struct made *m)
{
	struct select_view v;
	char a[16], b[16];

	select_view_init(&v);
	for (unsigned f = 0; f < SELECT__MAX; f++)
		select_view_text(&v, f, NULL);
	select_view_text(&v, SELECT_CATEGORY, "Data");
	select_view_text(&v, SELECT_NAME, "openat");
	select_view_text(&v, SELECT_READ_ONLY, m->flags ? "false" : "true");
	select_view_text(&v, SELECT_ERROR, m->ret < 0 ? "ENOENT" : NULL);
	select_view_text(&v, SELECT_PATH, m->path);
	select_view_text(&v, SELECT_CGROUP, m->cgroup);
	text_number(&v, SELECT_EUID, m->euid, a);
	text_number(&v, SELECT_LOGINUID, m->logged_in ? m->loginuid : UINT32_MAX, b);
	return selectors_match(selectors, &v) == SELECT_YES;
}

static void one_by_chance(unsigned *hits)
{
	_cleanup_buf_ struct buf path = { 0 }, cgroup = { 0 };
	struct made m = { .ret = below(4) ? 3 : -2, .flags = below(2) ? O_WRONLY : 0, .euid = below(4), .loginuid = below(4), .logged_in = below(3) };
	bool no, yes;

	buf_addc(&path, '/');
	random_text(&path, below(4) ? 5 : 170);
	buf_addc(&path, 0);
	buf_addc(&cgroup, '/');
	random_text(&cgroup, 3);
	buf_addc(&cgroup, 0);
	m.path = (const char *)path.p;
	m.cgroup = (const char *)cgroup.p;
	no = dropped(&m);
	yes = selected(&m);
	ok(!(no && yes));
	hits[no ? 0 : yes ? 1 : 2]++;
}

static void never_what_is_selected(void)
{
	unsigned hits[3] = { 0 };

	srand(1);
	for (unsigned i = 0; i < 2000 && !tap_failed; i++) {
		_cleanup_buf_ struct buf b = { 0 };

		random_selectors(&b);
		buf_addc(&b, 0);
		compile((const char *)b.p, NULL);
		for (unsigned k = 0; k < 40 && !tap_failed; k++)
			one_by_chance(hits);
	}
	printf("# dropped %u, selected %u, left to the agent %u\n", hits[0], hits[1], hits[2]);
	ok(hits[0] > hits[2]);
	forget();
}

static const struct tap_case cases[] = {
	CASE(by_path), CASE(long_paths), CASE(texts_of_texts), CASE(by_who), CASE(by_call), CASE(aimed_at_us), CASE(the_default), CASE(never_what_is_selected),
};
TAP_MAIN(cases)

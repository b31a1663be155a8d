// SPDX-License-Identifier: Apache-2.0
#include "agent/cgroupname.h"
#include "agent/identity.h"
#include "tests/tap.h"

#include <errno.h>
#include <sys/stat.h>

#define NONE UINT32_MAX
#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define STR(s) ((struct str){ s, sizeof(s) - 1 })

static struct identity_env env;
static struct identity_text text;
static struct record_identity out;
static unsigned asked_names, asked_exes, asked_logins, asked_pid;

static void ask_name(void *ctx, uint32_t uid)
{
	asked_names++;
	if (uid == 0)
		names_set(env.names, uid, "root");
	else if (uid == 1000)
		names_set(env.names, uid, "alice");
	else if (uid == 1001)
		names_set(env.names, uid, "");	/* no such user */
}

static void ask_exe(void *ctx, const struct exe_ref *ref)
{
	asked_exes++;
}

static void ask_login(void *ctx, uint32_t session, uint32_t pid, uint64_t start)
{
	asked_logins++;
	asked_pid = pid;
}

static void setup(void)
{
	env = (struct identity_env){ .host_id = "4c1f", .wall_offset = 1000000000000ll };
	ok_int(names_new(ask_name, NULL, &env.names), 0);
	ok_int(exes_new(ask_exe, NULL, &env.exes), 0);
	ok_int(logins_new(ask_login, NULL, &env.logins), 0);
	ok_int(proctab_new(1 << 20, &env.procs), 0);
	asked_names = asked_exes = asked_logins = 0;
}

static void teardown(void)
{
	names_free(&env.names);
	exes_free(&env.exes);
	logins_free(&env.logins);
	proctab_free(&env.procs);
}

static void is(struct str got, const char *want)
{
	char copy[8192];

	snprintf(copy, sizeof(copy), "%.*s", (int)got.n, got.p ? got.p : "");
	ok_str(copy, want);
}

/* One row: the numbers of a task, and what they mean. */
struct row {
	uint32_t loginuid, euid, fsuid, userns;
	struct str cgroup, exe;
	bool by_fsuid;
	enum identity_type type;
	const char *arn, *principal, *user, *issuer, *source, *invoked, *via;
};

static const struct row rows[] = {
	{ 0, 0, 0, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_ROOT, "user/root", "4c1f:0", "root", "", "", "", "" },
	{ 1000, 1000, 1000, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_IAM_USER, "user/alice", "4c1f:1000", "alice", "", "", "", "" },
	{ 1000, 0, 0, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_ASSUMED_ROLE, "assumed-role/root/alice", "4c1f:0:alice", "",
	  "root", "alice", "", "" },
	{ 0, 1000, 1000, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_ASSUMED_ROLE, "assumed-role/alice/root", "4c1f:1000:root", "",
	  "alice", "root", "", "" },
	{ 1000, 100000, 100000, 1, STR("/"), STR("/bin/sh"), false, IDENTITY_IAM_USER, "user/alice", "4c1f:1000", "alice", "", "",
	  "", "userns" },
	{ 1000, 1000, 1000, 1, STR("/"), STR("/bin/sh"), false, IDENTITY_IAM_USER, "user/alice", "4c1f:1000", "alice", "", "", "", "" },
	/* a file call acts by fsuid, another one does not */
	{ 1000, 1000, 0, 0, STR("/"), STR("/bin/sh"), true, IDENTITY_ASSUMED_ROLE, "assumed-role/root/alice", "4c1f:0:alice", "",
	  "root", "alice", "", "" },
	{ 1000, 1000, 0, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_IAM_USER, "user/alice", "4c1f:1000", "alice", "", "", "", "" },
	/* a user without a name shows the number */
	{ 1001, 1001, 1001, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_IAM_USER, "user/1001", "4c1f:1001", "1001", "", "", "", "" },
	/* services */
	{ NONE, 33, 33, 0, STR("/system.slice/nginx.service"), STR("/usr/sbin/nginx"), false, IDENTITY_AWS_SERVICE,
	  "service/nginx.service", "4c1f:33", "", "", "", "nginx.service", "" },
	{ NONE, 0, 0, 0, STR("/system.slice/docker-" ID64 ".scope"), STR("/bin/x"), false, IDENTITY_AWS_SERVICE,
	  "service/container/0123456789ab", "4c1f:0", "", "", "", "container/0123456789ab", "" },
	{ NONE, 0, 0, 0, STR("/"), STR("/usr/sbin/crond"), false, IDENTITY_AWS_SERVICE, "service/usr/sbin/crond", "4c1f:0", "", "",
	  "", "/usr/sbin/crond", "" },
	{ NONE, 0, 0, 0, STR("/"), STR(""), false, IDENTITY_AWS_SERVICE, "service/kworker", "4c1f:0", "", "", "", "kworker", "" },
};

static void classify_by_table(void)
{
	setup();
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct ident id = { .exe = r->exe, .cgroup = r->cgroup };

		id.id.h = (struct ht_event){ .tid = 7, .tgid = 7, .start = 5 };
		id.id.leader_start = 5;
		id.id.loginuid = r->loginuid;
		id.id.audit_session = NONE;
		id.id.euid = r->euid;
		id.id.fsuid = r->fsuid;
		id.id.userns_level = r->userns;
		memcpy(id.id.comm, "kworker", 8);
		identity_of(&env, &id, r->by_fsuid, &text, &out);
		ok_int(out.type, r->type);
		is(out.arn_tail, r->arn);
		is(out.principal_id, r->principal);
		is(out.user_name, r->user);
		is(out.issuer_name, r->issuer);
		is(out.source_identity, r->source);
		is(out.invoked_by, r->invoked);
		is(out.via, r->via);
		if (tap_failed)
			printf("# row %u\n", i);
	}
	teardown();
}

static void put(uint32_t pid, uint32_t parent, uint32_t loginuid, struct str exe, struct str via)
{
	struct proc p = { .key = { 5, pid, 0 }, .parent = { 5, parent, 0 }, .loginuid = loginuid, .audit_session = 3, .exe = exe,
			  .via = via };

	ok_int(proctab_put(env.procs, &p), 0);
}

static struct ident task(uint32_t pid, uint32_t loginuid, uint32_t euid)
{
	struct ident id = { .exe = STR("/bin/sh"), .cgroup = STR("/") };

	id.id.h = (struct ht_event){ .tid = pid, .tgid = pid, .start = 5 };
	id.id.leader_start = 5;
	id.id.loginuid = loginuid;
	id.id.audit_session = 3;
	id.id.euid = id.id.fsuid = euid;
	return id;
}

static void via_is_the_nearest_of_the_same_login(void)
{
	struct ident id;

	setup();
	put(10, 1, 0, STR("/usr/sbin/sshd"), STR("/usr/bin/elsewhere"));
	put(11, 10, 1000, STR("/bin/bash"), STR(""));
	put(12, 11, 1000, STR("/usr/bin/sudo"), STR("/usr/bin/sudo"));
	put(13, 12, 1000, STR("/bin/sh"), STR(""));
	id = task(13, 1000, 0);
	identity_of(&env, &id, false, &text, &out);
	is(out.via, "/usr/bin/sudo");
	put(14, 11, 1000, STR("/bin/sh"), STR("/usr/local/bin/become"));	/* executed a set-uid file, then a shell */
	id = task(14, 1000, 0);
	identity_of(&env, &id, false, &text, &out);
	is(out.via, "/usr/local/bin/become");
	put(15, 11, 1000, STR("/usr/bin/su"), STR(""));	/* found in /proc: no mode known */
	id = task(15, 1000, 0);
	identity_of(&env, &id, false, &text, &out);
	is(out.via, "/usr/bin/su");
	id = task(11, 1000, 0);			/* the walk ends where the login does */
	identity_of(&env, &id, false, &text, &out);
	is(out.via, "");
	put(20, 21, 1000, STR("/bin/a"), STR(""));	/* a circle ends too */
	put(21, 20, 1000, STR("/bin/b"), STR(""));
	id = task(20, 1000, 0);
	identity_of(&env, &id, false, &text, &out);
	is(out.via, "");
	teardown();
}

static void login_address_is_asked_once(void)
{
	struct ident id;

	setup();
	put(10, 1, 1000, STR("/usr/sbin/sshd"), STR(""));
	put(11, 10, 1000, STR("/bin/bash"), STR(""));
	id = task(11, 1000, 1000);
	identity_of(&env, &id, false, &text, &out);
	is(out.source_ip, "");
	identity_of(&env, &id, false, &text, &out);
	ok_int(asked_logins, 1);
	ok_int(asked_pid, 10);
	ok(logins_set(env.logins, 3, "203.0.113.7"));
	identity_of(&env, &id, false, &text, &out);
	is(out.source_ip, "203.0.113.7");
	ok_int(out.session_start, 1000);
	teardown();
}

static void minimal_and_unknown(void)
{
	struct ht_event h = { .tid = 9, .tgid = 8, .start = 77 };
	struct ht_idmin m = { .euid = 0, .loginuid = 1000, .audit_session = NONE, .ppid = 1, .comm = "sh" };

	setup();
	identity_minimal(&env, &h, &m, &text, &out);
	ok_int(out.type, IDENTITY_ASSUMED_ROLE);
	ok_int(out.process.flags & 1, 1);
	ok_int(out.process.pid, 8);
	identity_unknown(&env, &h, "why", &text, &out);
	ok_int(out.type, IDENTITY_UNKNOWN);
	is(out.arn_tail, "process/8.77");
	is(out.why_unknown, "why");
	teardown();
}

static void late_names(void)
{
	struct names *n;

	ok_int(names_new(ask_name, NULL, &n), 0);
	env.names = n;
	asked_names = 0;
	ok_int(names_user(n, 500).n, 0);
	ok(names_waiting(n, 500));
	ok_int(names_user(n, 500).n, 0);
	ok_int(asked_names, 1);
	names_ask_again(n);
	ok_int(asked_names, 2);
	ok(names_set(n, 500, "late"));		/* it was used unnamed: news */
	ok(!names_set(n, 500, "late"));
	is(names_user(n, 500), "late");
	for (uint32_t i = 1000000; i < 1000000 + 2 * NAMES_MAX; i++)
		names_user(n, i);
	ok_int(names_user(n, 500).n, 0);	/* bounded: the oldest went */
	names_free(&n);
}

static void executables(void)
{
	struct ht_exe a = { .ino = 5, .size = 10, .ctime_sec = 99, .dev = 3 }, b = a, none = { 0 };
	uint8_t sha[32] = { 0xab };
	const char *path = NULL;
	char id[EXE_ID_LEN];
	struct exes *e;

	asked_exes = 0;
	ok_int(exes_new(ask_exe, NULL, &e), 0);
	ok_int(exes_sha256(e, &a, STR("/bin/a"), 1, 1).n, 0);
	ok_int(exes_sha256(e, &a, STR("/bin/a"), 2, 2).n, 0);
	ok_int(asked_exes, 1);
	ok(!exes_set(e, &a, NULL, &path));	/* its process was gone: the next one is asked for */
	exes_sha256(e, &a, STR("/bin/a"), 3, 3);
	ok_int(asked_exes, 2);
	ok(exes_set(e, &a, sha, &path));
	ok_str(path, "/bin/a");
	ok(!exes_set(e, &a, sha, &path));	/* one record per id */
	ok_int(exes_sha256(e, &a, STR("/bin/a"), 4, 4).n, 64);
	b.ctime_nsec = 1;			/* another content */
	ok(!exe_same(&a, &b));
	ok_int(exes_sha256(e, &b, STR("/bin/a"), 5, 5).n, 0);
	ok_int(exes_sha256(e, &none, STR(""), 6, 6).n, 0);	/* a kernel thread */
	ok_int(asked_exes, 3);
	exe_id_text(&a, id);
	ok_str(id, "3-5-0-63.0-a");
	exes_free(&e);
}

static void cgroups(void)
{
	static const struct {
		struct str path;
		bool container;
		const char *unit;
	} v[] = {
		{ STR("/docker/" ID64), true, "" },
		{ STR("/system.slice/docker-" ID64 ".scope"), true, "" },
		{ STR("/machine.slice/libpod-" ID64 ".scope/container"), true, "" },
		{ STR("/machine.slice/libpod-conmon-" ID64 ".scope"), false, "libpod-conmon-" ID64 ".scope" },
		{ STR("/kubepods.slice/kubepods-pod1.slice/crio-" ID64 ".scope"), true, "" },
		{ STR("/kubepods/besteffort/pod1/" ID64), true, "" },
		{ STR("/system.slice/containerd.service/kubepods-pod1:cri-containerd:" ID64), true, "containerd.service" },
		{ STR("/kubepods.slice/cri-containerd-" ID64 ".scope"), true, "" },
		{ STR("/system.slice/ssh.service"), false, "ssh.service" },
		{ STR("/user.slice/user-1000.slice/session-3.scope"), false, "session-3.scope" },
		{ STR("/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service"), false, "foo.service" },
		{ STR("/init.scope"), false, "init.scope" },
		{ STR("/"), false, "" },
		{ STR(""), false, "" },
		{ STR("///"), false, "" },
	};

	for (unsigned i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct str id = { NULL, 0 }, unit = { NULL, 0 };

		ok_int(cgroup_container(v[i].path, &id), v[i].container);
		if (v[i].container)
			is(id, ID64);
		cgroup_unit(v[i].path, &unit);
		is(unit, v[i].unit);
		if (tap_failed)
			printf("# row %u\n", i);
	}
}

static void peers_in_proc(void)
{
	static const char tcp[] =
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
		"   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0\n"
		"   1: 0100007F:0016 077100CB:D431 01 00000000:00000000 00:00000000 00000000     0        0 222 4 0 20 4 31 10 -1\n";
	static const char tcp6[] =
		"  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
		"   0: 0000000000000000FFFF00000100007F:0016 0000000000000000FFFF0000077100CB:D431 01 00000000:00000000 00:00000000 00000000     0        0 333 4 0 20 4 31 10 -1\n"
		"   1: B80D0120000000000000000001000000:0016 B80D0120000000000000000002000000:D431 01 00000000:00000000 00:00000000 00000000     0        0 444 4 0 20 4 31 10 -1\n";
	char a[LOGIN_ADDRESS_LEN] = "";

	ok_int(login_peer_in(tcp, 222, a), 0);
	ok_str(a, "203.0.113.7");
	ok_int(login_peer_in(tcp, 111, a), -ENOENT);	/* listens */
	ok_int(login_peer_in(tcp, 999, a), -ENOENT);
	ok_int(login_peer_in(tcp6, 333, a), 0);
	ok_str(a, "203.0.113.7");
	ok_int(login_peer_in(tcp6, 444, a), 0);
	ok_str(a, "2001:db8::2");
	ok_int(login_peer_in("", 1, a), -ENOENT);
	ok_int(login_peer_in("x\n y z\n", 1, a), -ENOENT);
}

static const struct tap_case cases[] = {
	CASE(classify_by_table), CASE(via_is_the_nearest_of_the_same_login), CASE(login_address_is_asked_once),
	CASE(minimal_and_unknown), CASE(late_names), CASE(executables), CASE(cgroups), CASE(peers_in_proc),
};
TAP_MAIN(cases)

// SPDX-License-Identifier: Apache-2.0
#include "agent/ancestry.h"
#include "agent/cgroupname.h"
#include "agent/identity.h"
#include "lib/clock.h"
#include "tests/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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
	uint32_t loginuid, euid, fsuid, userns, owner;
	struct str cgroup, exe;
	bool by_fsuid;
	enum identity_type type;
	const char *arn, *principal, *user, *issuer, *source, *invoked, *via;
};

static const struct row rows[] = {
	{ 0, 0, 0, 0, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_ROOT, "user/root", "4c1f:0", "root", "", "", "", "" },
	{ 1000, 1000, 1000, 0, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_IAM_USER, "user/alice", "4c1f:1000", "alice", "", "", "", "" },
	{ 1000, 0, 0, 0, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_ASSUMED_ROLE, "assumed-role/root/alice", "4c1f:0:alice", "",
	  "root", "alice", "", "" },
	{ 0, 1000, 1000, 0, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_ASSUMED_ROLE, "assumed-role/alice/root", "4c1f:1000:root", "",
	  "alice", "root", "", "" },
	{ 1000, 100000, 100000, 1, 1000, STR("/"), STR("/bin/sh"), false, IDENTITY_IAM_USER, "user/alice", "4c1f:1000", "alice", "", "",
	  "", "userns" },
	{ 1000, 1000, 1000, 1, 1000, STR("/"), STR("/bin/sh"), false, IDENTITY_IAM_USER, "user/alice", "4c1f:1000", "alice", "", "",
	  "", "userns" },
	/* a namespace that root made maps whomever root wants: alice through sudo, and root itself */
	{ 1000, 0, 0, 1, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_ASSUMED_ROLE, "assumed-role/root/alice", "4c1f:0:alice", "",
	  "root", "alice", "", "userns" },
	{ 0, 1000, 1000, 1, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_ASSUMED_ROLE, "assumed-role/alice/root", "4c1f:1000:root", "",
	  "alice", "root", "", "userns" },
	{ 0, 0, 0, 1, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_ROOT, "user/root", "4c1f:0", "root", "", "", "", "userns" },
	/* a file call acts by fsuid, another one does not */
	{ 1000, 1000, 0, 0, 0, STR("/"), STR("/bin/sh"), true, IDENTITY_ASSUMED_ROLE, "assumed-role/root/alice", "4c1f:0:alice", "",
	  "root", "alice", "", "" },
	{ 1000, 1000, 0, 0, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_IAM_USER, "user/alice", "4c1f:1000", "alice", "", "", "", "" },
	/* a user without a name shows the number */
	{ 1001, 1001, 1001, 0, 0, STR("/"), STR("/bin/sh"), false, IDENTITY_IAM_USER, "user/1001", "4c1f:1001", "1001", "", "", "", "" },
	/* services */
	{ NONE, 33, 33, 0, 0, STR("/system.slice/nginx.service"), STR("/usr/sbin/nginx"), false, IDENTITY_AWS_SERVICE,
	  "service/nginx.service", "4c1f:33", "", "", "", "nginx.service", "" },
	{ NONE, 0, 0, 0, 0, STR("/system.slice/docker-" ID64 ".scope"), STR("/bin/x"), false, IDENTITY_AWS_SERVICE,
	  "service/container/0123456789ab", "4c1f:0", "", "", "", "container/0123456789ab", "" },
	{ NONE, 0, 0, 0, 0, STR("/"), STR("/usr/sbin/crond"), false, IDENTITY_AWS_SERVICE, "service/usr/sbin/crond", "4c1f:0", "", "",
	  "", "/usr/sbin/crond", "" },
	{ NONE, 0, 0, 0, 0, STR("/"), STR(""), false, IDENTITY_AWS_SERVICE, "service/kworker", "4c1f:0", "", "", "", "kworker", "" },
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
		id.id.userns_owner = r->owner;
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

/* The process asked about was gone: later ones of the session ask again, a few times; where no sshd is, nobody asks. */
static void an_address_that_cannot_be_had(void)
{
	struct ident id;

	setup();
	put(11, 10, 1000, STR("/bin/bash"), STR(""));
	id = task(11, 1000, 1000);
	ok(!identity_waits_login(&env, &id));
	ok_int(asked_logins, 0);
	put(10, 1, 1000, STR("/usr/sbin/sshd"), STR(""));	/* seen later than its child */
	for (unsigned i = 0; i < 5; i++) {
		identity_of(&env, &id, false, &text, &out);
		ok_int(identity_waits_login(&env, &id), i < 3);
		ok(!logins_set(env.logins, 3, ""));
	}
	ok_int(asked_logins, 3);
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
	ok_int(names_user(n, 500, 1).n, 0);
	ok(names_waiting(n, 500));
	ok_int(names_user(n, 500, 1).n, 0);
	ok_int(asked_names, 1);
	names_ask_again(n);
	ok_int(asked_names, 2);
	ok(names_set(n, 500, "late"));		/* it was used unnamed: news */
	ok(!names_set(n, 500, "late"));
	is(names_user(n, 500, 1), "late");
	for (uint32_t i = 1000000; i < 1000000 + 2 * NAMES_MAX; i++)
		names_user(n, i, 1);
	ok_int(names_user(n, 500, 1).n, 0);	/* bounded: the oldest went */
	names_free(&n);
}

/* A number that was given to somebody else: the old name stands until the answer is there, and the answer is news. */
static void a_name_that_changed(void)
{
	uint64_t later = clock_boot() + 2 * NAMES_STALE;
	struct names *n;

	ok_int(names_new(ask_name, NULL, &n), 0);
	env.names = n;
	asked_names = 0;
	names_user(n, 500, 1);
	ok(names_set(n, 500, "bob"));
	is(names_user(n, 500, 1), "bob");
	ok_int(asked_names, 1);
	is(names_user(n, 500, later), "bob");
	is(names_user(n, 500, later), "bob");
	ok_int(asked_names, 2);
	ok(!names_waiting(n, 500));
	ok(names_is(n, 500, "bob"));
	ok(!names_set(n, 500, "bob"));
	ok(!names_is(n, 500, "carol"));
	ok(names_set(n, 500, "carol"));
	is(names_user(n, 500, 1), "carol");
	ok(!names_set(n, 500, ""));		/* the user was removed */
	is(names_user(n, 500, 1), "");
	ok(names_set(n, 500, "dave"));
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

static void listen_on(int family, const char *address, struct sockaddr_storage *ret_a, int fds[3])
{
	socklen_t n = sizeof(*ret_a);

	memset(ret_a, 0, sizeof(*ret_a));
	ret_a->ss_family = family;
	inet_pton(family, address, family == AF_INET ? (void *)&((struct sockaddr_in *)ret_a)->sin_addr
						      : (void *)&((struct sockaddr_in6 *)ret_a)->sin6_addr);
	fds[0] = socket(family, SOCK_STREAM, 0);
	ok_int(bind(fds[0], (void *)ret_a, sizeof(*ret_a)), 0);
	ok_int(listen(fds[0], 1), 0);
	getsockname(fds[0], (void *)ret_a, &n);
	fds[1] = socket(family, SOCK_STREAM, 0);
	ok_int(connect(fds[1], (void *)ret_a, n), 0);
}

/* The far end of what a process holds: not of what it listens on, not of its sockets that have none. */
static void peer_of_a_process(void)
{
	struct sockaddr_storage at;
	char a[LOGIN_ADDRESS_LEN] = "";
	int fds[3], pair[2], status;
	pid_t pid;

	ok_int(login_peer_of(getpid(), a), -ENOENT);
	listen_on(AF_INET, "127.0.0.3", &at, fds);
	ok_int(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid = fork();
	if (!pid)
		pause();
	ok_int(login_peer_of(pid, a), 0);
	ok_str(a, "127.0.0.3");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	ok(login_peer_of(pid, a) < 0);		/* it is gone */
	close(fds[1]);
	ok_int(login_peer_of(getpid(), a), -ENOENT);
	close(fds[0]);
	close(pair[0]);
	close(pair[1]);
}

/* A fork tells who made whom, also when the maker ended before the child was seen. */
static void who_made_whom(void)
{
	const struct proc_key sudo = { 5 * PROCTAB_TICK_NS, 30, 0 }, other = { 5 * PROCTAB_TICK_NS, 31, 0 };
	struct proc p = { .key = { 7 * PROCTAB_TICK_NS, 40, 0 }, .parent = { 1, 1, 0 } };
	const struct proc *found;

	setup();
	ok_int(proctab_put(env.procs, &p), 0);
	ok_int(proctab_parent(env.procs, &p).pid, 1);
	proctab_born(env.procs, 40, 7 * PROCTAB_TICK_NS + 3, &sudo);
	ok_int(proctab_parent(env.procs, &p).pid, 30);
	proctab_born(env.procs, 40, 7 * PROCTAB_TICK_NS - 1, &other);	/* an earlier process of that number */
	ok_int(proctab_parent(env.procs, &p).pid, 1);
	proctab_born(env.procs, 40, 700 * PROCTAB_TICK_NS, &other);	/* a later one */
	ok_int(proctab_parent(env.procs, &p).pid, 1);
	p.parent = (struct proc_key){ 2, 2, 0 };			/* adopted: it keeps its first parent */
	ok_int(proctab_put(env.procs, &p), 0);
	found = proctab_find(env.procs, 40, p.key.start);
	ok_int(found->parent.pid, 1);
	for (uint32_t i = 0; i < 20000; i++)				/* bounded */
		proctab_born(env.procs, 1000 + i, 8, &sudo);
	teardown();
}

static void note(uint32_t pid, uint32_t parent, uint32_t uid, uint32_t euid, struct str exe, uint32_t mode, uint32_t owner)
{
	struct ident id = task(pid, 1000, euid);

	id.exe = exe;
	id.id.uid = uid;
	id.id.ppid = parent;
	id.id.parent_start = 5;
	id.id.exe = (struct ht_exe){ .ino = 9, .mode = S_IFREG | mode, .uid = owner };
	ancestry_note(env.procs, &id);
}

static void via(uint32_t pid, const char *want)
{
	static char out_text[PROCTAB_TEXT_MAX];
	const struct proc_key key = { 5, pid, 0 };

	is(ancestry_via(env.procs, &key, 1000, out_text), want);
}

static void via_is_what_changed_the_user(void)
{
	const struct proc_key daemon = { 5, 62, 0 };
	static char copied[PROCTAB_TEXT_MAX];

	setup();
	note(50, 1, 1000, 1000, STR("/bin/sh"), 0755, 0);
	note(51, 50, 1000, 0, STR("/usr/bin/sudo"), 04755, 0);
	note(51, 50, 0, 0, STR("/bin/sh"), 0755, 0);		/* sudo became it */
	via(51, "/usr/bin/sudo");
	note(52, 51, 0, 0, STR("/bin/mount"), 04755, 0);	/* root already: its bit changes nothing */
	via(52, "/usr/bin/sudo");
	note(53, 51, 0, 0, STR("/usr/bin/su"), 04755, 0);
	note(53, 51, 1001, 1001, STR("/bin/sh"), 0755, 0);
	via(53, "/usr/bin/su");
	note(54, 50, 1000, 1000, STR("/home/x/sudo"), 0755, 1000);	/* anybody may have a file of that name */
	via(54, "");
	note(55, 50, 1000, 1001, STR("/opt/become"), 04755, 1001);
	via(55, "/opt/become");
	note(56, 50, 1000, 1000, STR("/opt/own"), 04755, 1000);		/* one's own set-uid file */
	via(56, "");
	/* sudo, a fork, a fork; everybody in between is gone and forgotten, and init adopted the daemon */
	note(60, 51, 0, 0, STR("/bin/daemon"), 0755, 0);
	note(61, 60, 0, 0, STR("/bin/daemon"), 0755, 0);
	proctab_born(env.procs, 62, 6, &(struct proc_key){ 5, 61, 0 });
	note(62, 1, 0, 0, STR("/bin/daemon"), 0755, 0);
	via(62, "/usr/bin/sudo");
	/* a login ends what was handed down */
	put(62, 61, 1001, STR("/bin/daemon"), STR(""));
	is(ancestry_via(env.procs, &daemon, 1001, copied), "");
	/* who opens the session acts as root for a user, and hands that on to nobody */
	note(70, 1, 0, 0, STR("/usr/sbin/sshd"), 0755, 0);
	via(70, "/usr/sbin/sshd");
	note(71, 70, 0, 0, STR("/bin/exploit"), 0755, 1000);
	via(71, "");
	teardown();
}

static const struct tap_case cases[] = {
	CASE(classify_by_table), CASE(via_is_the_nearest_of_the_same_login), CASE(login_address_is_asked_once),
	CASE(minimal_and_unknown), CASE(late_names), CASE(a_name_that_changed), CASE(executables), CASE(cgroups), CASE(peer_of_a_process),
	CASE(who_made_whom), CASE(via_is_what_changed_the_user), CASE(an_address_that_cannot_be_had),
};
TAP_MAIN(cases)

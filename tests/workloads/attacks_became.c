// SPDX-License-Identifier: Apache-2.0
/* attacks_became DIR: calls that change who their maker is, each in a process of its own. As root. Around each it says "who N CALL RESULT BEFORE AFTER", both
 * as JSON that /proc tells, and then opens DIR/is-N, which is not there.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "attacks.h"

#define OTHER 1000

struct step {
	const char *call;
	long (*make)(void);
	void (*first)(void);	/* before who it is then is asked */
};

static const char *dir;
static unsigned long home;	/* the user namespace at the start: in another one /proc shows other numbers */

static void field(char *to, size_t room, const char *status, const char *name)
{
	const char *at = strstr(status, name);

	snprintf(to, room, "%.*s", at ? (int)strcspn(at + strlen(name), "\n") : 0, at ? at + strlen(name) : "");
}

static void ids(const char *key, const char *status, const char *name, const char *const *keys, char *to, size_t room)
{
	unsigned v[4] = { 0 };
	char text[128];

	field(text, sizeof(text), status, name);
	sscanf(text, "%u %u %u %u", &v[0], &v[1], &v[2], &v[3]);
	snprintf(to, room, "\"%s\":{\"%s\":%u,\"%s\":%u,\"%s\":%u,\"%s\":%u}", key, keys[0], v[0], keys[1], v[1], keys[2], v[2], keys[3], v[3]);
}

static unsigned long namespace(const char *name)
{
	char path[64], to[64] = "";
	unsigned long n = 0;

	snprintf(path, sizeof(path), "/proc/thread-self/ns/%s", name);
	if (readlink(path, to, sizeof(to) - 1) > 0 && strchr(to, '['))
		n = strtoul(strchr(to, '[') + 1, NULL, 10);
	return n;
}

/* Without blanks. */
static void who(char *to, size_t room)
{
	static const char *const uid[] = { "uid", "euid", "suid", "fsuid" }, *const gid[] = { "gid", "egid", "sgid", "fsgid" };
	char status[4096] = "", uids[160], gids[160], groups[512], cap[32], comm[32], of_home[1024] = "";
	int fd = open("/proc/thread-self/status", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, status, sizeof(status) - 1);
	char *g;

	if (n <= 0)
		die("/proc/thread-self/status");
	close(fd);
	ids("uids", status, "\nUid:", uid, uids, sizeof(uids));
	ids("gids", status, "\nGid:", gid, gids, sizeof(gids));
	field(cap, sizeof(cap), status, "\nCapEff:\t");
	field(comm, sizeof(comm), status, "Name:\t");
	field(groups, sizeof(groups), status, "\nGroups:\t");
	for (g = groups; *g; g++)	/* blanks between them, and one behind the last */
		if (*g == ' ')
			*g = g[1] ? ',' : '\0';
	if (namespace("user") == home)
		snprintf(of_home, sizeof(of_home), "%s,%s,\"groups\":[%s],", uids, gids, groups);
	snprintf(to, room, "{%s\"capEffective\":\"0x%llx\",\"command\":\"%s\",\"sessionId\":%d,\"namespaces\":{\"user\":%lu,\"uts\":%lu}}", of_home,
		 strtoull(cap, NULL, 16), comm, (int)getsid(0), namespace("user"), namespace("uts"));
}

static void made(int n, const struct step *s)
{
	char before[1536], after[1536], path[PATH_MAX];
	long r;

	if (s->first)
		s->first();
	who(before, sizeof(before));
	r = s->make();
	if (r < 0)
		r = -errno;
	who(after, sizeof(after));
	printf("who %d %s %ld %s %s\n", n, s->call, r, before, after);
	fflush(stdout);
	snprintf(path, sizeof(path), "%s/is-%d", dir, n);
	open(path, O_RDONLY);
}

/* ---- what comes first ---- */

static int kept = -1;

static void uts(void)
{
	kept = open("/proc/self/ns/uts", O_RDONLY);
	if (kept < 0 || unshare(CLONE_NEWUTS))
		die("unshare");
}

static void other(void)
{
	if (syscall(SYS_setresuid, OTHER, OTHER, OTHER))
		die("setresuid");
}

static void for_a_while(void)
{
	if (syscall(SYS_setresuid, OTHER, OTHER, 0))
		die("setresuid");
}

static void refuse(__u32 answer)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setuid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(*code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(77);
}

static void refused(void)
{
	refuse(SECCOMP_RET_ERRNO | EPERM);
}

static void pretended(void)
{
	refuse(SECCOMP_RET_ERRNO);
}

/* ---- the calls ---- */

static const gid_t group = OTHER;

static long no_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	return syscall(SYS_capset, &head, none);
}

#define MAKE(name, ...)                                 \
	static long make_##name(void)                   \
	{                                               \
		return syscall(SYS_##name, __VA_ARGS__); \
	}
MAKE(setuid, OTHER)
MAKE(setgid, OTHER)
MAKE(setreuid, OTHER, OTHER)
MAKE(setregid, OTHER, OTHER)
MAKE(setresuid, OTHER, OTHER, OTHER)
MAKE(setresgid, OTHER, OTHER, OTHER)
MAKE(setfsuid, OTHER)
MAKE(setfsgid, OTHER)
MAKE(unshare, CLONE_NEWUTS)
MAKE(setns, kept, CLONE_NEWUTS)
MAKE(setsid, 0)
MAKE(prctl, PR_SET_NAME, "another", 0, 0, 0)
#ifdef __i386__
static const __u16 group16 = OTHER;

MAKE(setgroups, 1, &group16)
MAKE(setuid32, OTHER)
MAKE(setgid32, OTHER)
MAKE(setreuid32, OTHER, OTHER)
MAKE(setregid32, OTHER, OTHER)
MAKE(setresuid32, OTHER, OTHER, OTHER)
MAKE(setresgid32, OTHER, OTHER, OTHER)
MAKE(setfsuid32, OTHER)
MAKE(setfsgid32, OTHER)
MAKE(setgroups32, 1, &group)
#else
MAKE(setgroups, 1, &group)
#endif

static long new_user(void)
{
	return syscall(SYS_unshare, CLONE_NEWUSER);
}

static long root_again(void)
{
	return syscall(SYS_setresuid, -1, 0, -1);
}

static long root(void)
{
	return syscall(SYS_setuid, 0);
}

static const struct step steps[] = {
	{ "setuid", make_setuid, NULL },
	{ "setgid", make_setgid, NULL },
	{ "setreuid", make_setreuid, NULL },
	{ "setregid", make_setregid, NULL },
	{ "setresuid", make_setresuid, NULL },
	{ "setresgid", make_setresgid, NULL },
	{ "setfsuid", make_setfsuid, NULL },
	{ "setfsgid", make_setfsgid, NULL },
	{ "setgroups", make_setgroups, NULL },
#ifdef __i386__
	{ "setuid32", make_setuid32, NULL },
	{ "setgid32", make_setgid32, NULL },
	{ "setreuid32", make_setreuid32, NULL },
	{ "setregid32", make_setregid32, NULL },
	{ "setresuid32", make_setresuid32, NULL },
	{ "setresgid32", make_setresgid32, NULL },
	{ "setfsuid32", make_setfsuid32, NULL },
	{ "setfsgid32", make_setfsgid32, NULL },
	{ "setgroups32", make_setgroups32, NULL },
#endif
	{ "capset", no_capabilities, NULL },
	{ "unshare", make_unshare, NULL },
	{ "unshare", new_user, NULL },
	{ "setns", make_setns, uts },
	{ "setsid", make_setsid, NULL },
	{ "prctl", make_prctl, NULL },
	{ "setresuid", root_again, for_a_while },
	{ "setuid", root, other },
	{ "setuid", make_setuid, refused },
	{ "setuid", make_setuid, pretended },
};

/* In a thread, whose credentials are its own. */
static void *in_thread(void *arg)
{
	made((int)(long)arg, &steps[(long)arg]);
	return NULL;
}

int main(int argc, char **argv)
{
	int n = sizeof(steps) / sizeof(*steps), status;
	pthread_t thread;

	if (argc != 2)
		usage("attacks_became DIR");
	dir = argv[1];
	home = namespace("user");
	for (int i = 0; i < n; i++) {
		if (!fork()) {
			if (i & 1 || steps[i].make == new_user) {	/* half of them in processes with one thread, where the kernel asks for that, too */
				made(i, &steps[i]);
			} else if (!pthread_create(&thread, NULL, in_thread, (void *)(long)i)) {
				pthread_join(thread, NULL);
			}
			fflush(stdout);
			_exit(0);
		}
		wait(&status);
		if (status)
			die("child");
	}
	return 0;
}

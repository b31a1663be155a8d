// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <uthash.h>

#include "lib/cleanup.h"
#include "logins.h"

#define ANCESTORS_MAX 64
#define TRIES_MAX 3		/* the process asked about may have ended before */

struct login {
	uint32_t session;
	uint8_t tries;
	bool waiting;
	char address[LOGIN_ADDRESS_LEN];
	UT_hash_handle hh;
};

struct logins {
	struct login *by_session;
	logins_ask_fn ask;
	void *ctx;
};

int logins_new(logins_ask_fn ask, void *ctx, struct logins **ret_l)
{
	struct logins *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->ask = ask;
	l->ctx = ctx;
	*ret_l = l;
	return 0;
}

void logins_free(struct logins **l)
{
	struct login *p, *next;

	if (!*l)
		return;
	HASH_ITER(hh, (*l)->by_session, p, next) {
		HASH_DEL((*l)->by_session, p);
		free(p);
	}
	free(*l);
	*l = NULL;
}

static bool is_sshd(const struct proc *p)
{
	static const char *const names[] = { "/sshd", "/sshd-session", "/dropbear" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		size_t n = strlen(names[i]);

		if (p->exe.n >= n && !memcmp(p->exe.p + p->exe.n - n, names[i], n))
			return true;
	}
	return false;
}

/* The session's sshd: the topmost of the nearest row of sshd processes that carry this audit session. It is the
 * one that authenticated, and it holds the connection; the listener has no session or another one. */
static bool find_sshd(struct proctab *t, uint32_t session, struct proc_key at, struct proc_key *ret_key)
{
	bool found = false;

	for (int i = 0; i < ANCESTORS_MAX; i++) {
		const struct proc *p = proctab_find(t, at.pid, at.start);

		if (!p)
			break;
		if (is_sshd(p) && p->audit_session == session) {
			*ret_key = at;
			found = true;
		} else if (found) {
			break;
		}
		at = proctab_parent(t, p);
	}
	return found;
}

static struct login *find(const struct logins *l, uint32_t session)
{
	struct login *p;

	HASH_FIND(hh, l->by_session, &session, sizeof(session), p);
	return p;
}

static struct login *make(struct logins *l, uint32_t session)
{
	struct login *p, *oldest = l->by_session;

	if (HASH_COUNT(l->by_session) >= LOGINS_MAX) {
		HASH_DEL(l->by_session, oldest);
		free(oldest);
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->session = session;
	HASH_ADD(hh, l->by_session, session, sizeof(p->session), p);
	return p;
}

struct str logins_address(struct logins *l, uint32_t session, struct proctab *t, const struct proc_key *key)
{
	struct login *p;
	struct proc_key sshd;

	if (session == UINT32_MAX)
		return (struct str){ NULL, 0 };
	p = find(l, session);
	if (!p || (!p->address[0] && !p->waiting && p->tries < TRIES_MAX)) {
		if (!find_sshd(t, session, *key, &sshd))
			return (struct str){ NULL, 0 };
		p = p ?: make(l, session);
		if (!p)
			return (struct str){ NULL, 0 };
		p->waiting = true;
		p->tries++;
		l->ask(l->ctx, session, sshd.pid, sshd.start);
	}
	return (struct str){ p->address, strlen(p->address) };
}

bool logins_waiting(const struct logins *l, uint32_t session)
{
	const struct login *p = find(l, session);

	return p && p->waiting;
}

bool logins_set(struct logins *l, uint32_t session, const char *address)
{
	struct login *p = find(l, session);

	if (!p)
		return false;
	p->waiting = false;
	if (!address[0] || !strcmp(p->address, address))
		return false;
	snprintf(p->address, sizeof(p->address), "%s", address);
	return true;
}

/* ---- the connection ----------------------------------------------------------- */

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int text_of(const struct sockaddr_storage *s, char out[LOGIN_ADDRESS_LEN])
{
	const struct sockaddr_in *v4 = (const void *)s;
	const struct sockaddr_in6 *v6 = (const void *)s;

	if (s->ss_family == AF_INET)
		return inet_ntop(AF_INET, &v4->sin_addr, out, LOGIN_ADDRESS_LEN) ? 0 : -errno;
	if (s->ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], out, LOGIN_ADDRESS_LEN) ? 0 : -errno;
	return inet_ntop(AF_INET6, &v6->sin6_addr, out, LOGIN_ADDRESS_LEN) ? 0 : -errno;
}

/* Asked of the socket itself: /proc/net/tcp leaves lines out while connections come and go. */
static int peer_of_socket(int pidfd, int theirs, char ret_address[LOGIN_ADDRESS_LEN])
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
	struct sockaddr_storage s;
	socklen_t n = sizeof(s);

	if (fd < 0 || getpeername(fd, (struct sockaddr *)&s, &n) < 0)
		return -errno;
	return text_of(&s, ret_address);
}

int login_peer_of(uint32_t pid, char ret_address[LOGIN_ADDRESS_LEN])
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	_cleanup_(close_dir) DIR *d = NULL;
	char path[64], link[64];
	struct dirent *e;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	d = opendir(path);
	if (pidfd < 0 || !d)
		return -errno;
	while ((e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);

		if (n < 7 || memcmp(link, "socket:", 7) || sscanf(e->d_name, "%d", &fd) != 1)
			continue;
		if (!peer_of_socket(pidfd, fd, ret_address))
			return 0;
	}
	return -ENOENT;
}

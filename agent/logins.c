// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uthash.h>

#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "logins.h"

#define ANCESTORS_MAX 64
#define SOCKETS_MAX 64
#define TCP_ESTABLISHED_HEX 1

struct login {
	uint32_t session;
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
		at = p->parent;
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
	if (!p) {
		p = make(l, session);
		if (p && find_sshd(t, session, *key, &sshd))
			l->ask(l->ctx, session, sshd.pid, sshd.start);
	}
	if (!p)
		return (struct str){ NULL, 0 };
	return (struct str){ p->address, strlen(p->address) };
}

bool logins_set(struct logins *l, uint32_t session, const char *address)
{
	struct login *p = find(l, session);

	if (!p || !strcmp(p->address, address))
		return false;
	snprintf(p->address, sizeof(p->address), "%s", address);
	return true;
}

/* ---- /proc ------------------------------------------------------------------ */

/* "0100007F" or 32 digits: groups of four bytes in host order. */
static int parse_address(const char *hex, char out[LOGIN_ADDRESS_LEN])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint32_t w[4];
	size_t n = strlen(hex) / 8;

	if ((n != 1 && n != 4) || strlen(hex) % 8)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		if (sscanf(hex + 8 * i, "%8x", &w[i]) != 1)
			return -EBADMSG;
	if (n == 4 && !memcmp(w, mapped, sizeof(mapped)))
		return inet_ntop(AF_INET, &w[3], out, LOGIN_ADDRESS_LEN) ? 0 : -errno;
	return inet_ntop(n == 1 ? AF_INET : AF_INET6, w, out, LOGIN_ADDRESS_LEN) ? 0 : -errno;
}

int login_peer_in(const char *table, uint64_t inode, char ret_address[LOGIN_ADDRESS_LEN])
{
	for (const char *line = strchr(table, '\n'); line; line = strchr(line + 1, '\n')) {
		unsigned state;
		unsigned long long ino;
		char far[33];

		if (sscanf(line, " %*d: %*[0-9A-F]:%*x %32[0-9A-F]:%*x %x %*s %*s %*s %*d %*d %llu", far, &state,
			   &ino) != 3)
			continue;
		if (ino == inode && state == TCP_ESTABLISHED_HEX)
			return parse_address(far, ret_address);
	}
	return -ENOENT;
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Inodes of the sockets that pid holds. */
static unsigned sockets_of(uint32_t pid, uint64_t *inodes, unsigned max)
{
	char path[PATH_MAX], link[64];
	_cleanup_(close_dir) DIR *d = NULL;
	struct dirent *e;
	unsigned n = 0;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	d = opendir(path);
	while (d && n < max && (e = readdir(d))) {
		unsigned long long ino;
		ssize_t len = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);

		if (len <= 0)
			continue;
		link[len] = 0;
		if (sscanf(link, "socket:[%llu]", &ino) == 1)
			inodes[n++] = ino;
	}
	return n;
}

int login_peer_of(uint32_t pid, char ret_address[LOGIN_ADDRESS_LEN])
{
	static const char *const tables[] = { "tcp", "tcp6" };
	uint64_t inodes[SOCKETS_MAX];
	unsigned n = sockets_of(pid, inodes, SOCKETS_MAX);

	for (unsigned t = 0; t < ARRAY_SIZE(tables); t++) {
		_cleanup_buf_ struct buf b = { 0 };
		char path[64];
		int r;

		snprintf(path, sizeof(path), "/proc/%u/net/%s", pid, tables[t]);
		r = fsx_read(path, 16 << 20, &b);
		if (r < 0)
			continue;
		for (unsigned i = 0; i < n; i++)
			if (!login_peer_in(buf_text(&b), inodes[i], ret_address))
				return 0;
	}
	return -ENOENT;
}

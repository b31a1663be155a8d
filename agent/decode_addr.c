// SPDX-License-Identifier: Apache-2.0
/* decode_addr.c - socket addresses: what was asked for (user memory) and what the kernel's socket says. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/netlink.h>
#include <linux/vm_sockets.h>

#include "decode_internal.h"

static const struct address no_address = { .port = -1, .scope = -1, .pid = -1, .groups = -1 };

static void set_ip(struct address *a, int family, const void *ip, uint16_t port)
{
	if (!inet_ntop(family, ip, a->text, sizeof(a->text)))
		return;
	a->address = (struct str){ a->text, strlen(a->text) };
	a->port = port;
}

/* "/path", "@abstract", or nothing for an unnamed socket. What follows an abstract name's length is part of it. */
static void set_unix(struct address *a, const uint8_t *p, uint32_t n)
{
	if (n > ADDRESS_TEXT_MAX)
		n = ADDRESS_TEXT_MAX;
	if (n && p[0])
		n = (uint32_t)strnlen((const char *)p, n);
	if (!n)
		return;
	memcpy(a->text, p, n);
	if (!p[0])
		a->text[0] = '@';
	a->path = (struct str){ a->text, n };
}

static void set_netlink(struct address *a, const uint8_t *p, uint32_t n)
{
	struct sockaddr_nl nl;

	if (n < sizeof(nl))
		return;
	memcpy(&nl, p, sizeof(nl));
	a->pid = nl.nl_pid;
	a->groups = nl.nl_groups;
}

static void set_vsock(struct address *a, const uint8_t *p, uint32_t n)
{
	struct sockaddr_vm vm;

	if (n < sizeof(vm))
		return;
	memcpy(&vm, p, sizeof(vm));
	a->address = (struct str){ a->text, text_u64(vm.svm_cid, a->text) };
	a->port = vm.svm_port;
}

static void set_inet(struct address *a, const uint8_t *p, uint32_t n)
{
	struct sockaddr_in in;

	if (n < sizeof(in))
		return;
	memcpy(&in, p, sizeof(in));
	set_ip(a, AF_INET, &in.sin_addr, ntohs(in.sin_port));
}

static void set_inet6(struct address *a, const uint8_t *p, uint32_t n)
{
	struct sockaddr_in6 in6 = { 0 };

	if (n < 24)	/* the kernel takes it without the scope id */
		return;
	memcpy(&in6, p, n < sizeof(in6) ? n : sizeof(in6));
	set_ip(a, AF_INET6, &in6.sin6_addr, ntohs(in6.sin6_port));
	if (in6.sin6_scope_id)
		a->scope = in6.sin6_scope_id;
}

static void address_of_sockaddr(const uint8_t *p, uint32_t n, struct address *ret_a)
{
	*ret_a = no_address;
	if (n < sizeof(ret_a->family))
		return;
	memcpy(&ret_a->family, p, sizeof(ret_a->family));
	switch (ret_a->family) {
	case AF_UNIX:
		set_unix(ret_a, p + 2, n - 2);
		break;
	case AF_INET:
		set_inet(ret_a, p, n);
		break;
	case AF_INET6:
		set_inet6(ret_a, p, n);
		break;
	case AF_NETLINK:
		set_netlink(ret_a, p, n);
		break;
	case AF_VSOCK:
		set_vsock(ret_a, p, n);
		break;
	default:
		break;	/* the family's name is given, its address stays unread */
	}
}

void address_of_sock(const struct slot *s, bool peer, struct address *ret_a)
{
	struct ht_sock k;

	*ret_a = no_address;
	if (!s || s->flags & HT_FIELD_F_FAULT || s->n < sizeof(k))
		return;
	memcpy(&k, s->p, sizeof(k));
	ret_a->family = k.family;
	if (k.family == AF_INET || k.family == AF_INET6)
		set_ip(ret_a, k.family, peer ? k.daddr : k.saddr, peer ? k.dport : k.sport);
}

/* "::ffff:192.0.2.1" is 192.0.2.1 where a socket of one family talks to the other. */
static struct str plain_ip(struct str s)
{
	if (s.n > 7 && !memcmp(s.p, "::ffff:", 7) && memchr(s.p, '.', s.n))
		return (struct str){ s.p + 7, s.n - 7 };
	return s;
}

static bool is_any(struct str s)
{
	return (s.n == 2 && !memcmp(s.p, "::", 2)) || (s.n == 7 && !memcmp(s.p, "0.0.0.0", 7));
}

static bool address_same(const struct address *a, const struct address *b)
{
	struct str x = plain_ip(a->address), y = plain_ip(b->address);

	if (a->port != b->port)
		return false;
	return is_any(x) || is_any(y) || (x.n == y.n && !memcmp(x.p, y.p, x.n));
}

static void put_number(struct decoder *d, unsigned field, int64_t v)
{
	if (v >= 0)
		batch_int(d->b, field, v);
}

void put_address(struct decoder *d, unsigned first, const struct address *a)
{
	put_name(d, first + ADDR_FAMILY, &flagset_family, a->family);
	if (a->address.p)
		batch_string(d->b, first + ADDR_ADDRESS, a->address.p, a->address.n);
	put_number(d, first + ADDR_PORT, a->port);
	if (a->path.p)
		batch_string(d->b, first + ADDR_PATH, a->path.p, a->path.n);
	put_number(d, first + ADDR_SCOPE, a->scope);
	put_number(d, first + ADDR_PID, a->pid);
	put_number(d, first + ADDR_GROUPS, a->groups);
}

static bool sock_knows(const struct decoder *d, const struct call_arg *a, const struct address *k)
{
	int64_t ret = d->v.c.ret;

	if (!k->address.p)
		return false;
	if (a->kind == ARG_BOUND)
		return view_ok(&d->v);
	return k->port > 0 && (view_ok(&d->v) || ret == -EINPROGRESS || ret == -EALREADY || ret == -EINTR);
}

/* The address is the socket's own peer, not that of a message. */
static bool of_socket(const struct call *row)
{
	return !strcmp(row->name, "connect") || !strcmp(row->name, "getpeername");
}

/* What the kernel was to fill in is nothing before it did. */
static bool is_unfilled(const struct decoder *d)
{
	return d->row->read_only == RO_YES && !view_ok(&d->v);
}

/* The socket was found by its descriptor when the call ended: where others have the table it may be another one. */
void put_exchangeable(struct decoder *d, const char *name)
{
	if (d->v.c.h.flags & HT_EV_F_SHARED_FILES)
		list_add(d->unverified, &d->nunverified, name);
}

/*
 * The kernel's socket tells its peer and the bound address; it wins where both are known. A message's
 * address is in user memory only: the socket's peer would be another one.
 */
static void put_asked(struct decoder *d, const struct call_arg *a, unsigned first)
{
	const struct slot *s = view_slot(&d->v, SLOT_SOCKADDR, a->arg);
	bool readable = s && !(s->flags & HT_FIELD_F_FAULT);
	struct address asked = no_address, known = no_address;

	if (is_unfilled(d))
		return;
	if (s && !readable && d->v.c.args[a->arg])
		list_add(d->unreadable, &d->nunreadable, a->name);
	if (readable)
		address_of_sockaddr(s->p, s->n, &asked);
	address_of_sock(view_slot(&d->v, SLOT_SOCK, 0), a->kind == ARG_PEER, &known);
	if ((a->kind == ARG_BOUND || of_socket(d->row)) && sock_knows(d, a, &known)) {
		put_address(d, first, &known);
		put_exchangeable(d, a->name);
		if (d->row->read_only != RO_YES && asked.family && !address_same(&asked, &known)) {
			put_address(d, first + ADDR_FIELDS, &asked);
			d->changed |= asked.port != 0 && asked.address.p;
		}
		return;
	}
	if (!asked.family && !readable)
		return;
	put_address(d, first, &asked);
	if (d->uring.flags & HT_URING_F_KADDR)
		return;
	d->address_source = SOURCE_USER;
	list_add(d->unverified, &d->nunverified, a->name);
}

void put_socket_arg(struct decoder *d, const struct call_arg *a, unsigned first)
{
	struct address own;

	if (a->kind != ARG_LOCAL) {
		put_asked(d, a, first);
		address_of_sock(view_slot(&d->v, SLOT_SOCK, 0), false, &d->own);
		return;
	}
	address_of_sock(view_slot(&d->v, SLOT_SOCK, a->arg), false, &own);
	if (!own.family)
		return;
	put_address(d, first, &own);
	put_exchangeable(d, a->name);
}

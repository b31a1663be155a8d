// SPDX-License-Identifier: Apache-2.0
#include "tlsattach.h"

#include <bpf/bpf.h>
#include <elf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tls/stacks.h"

#define SEGMENTS_MAX 64
#define UPROBE_MULTI_RETURN 1	/* BPF_F_UPROBE_MULTI_RETURN */
#define LINK_CREATE 28		/* BPF_LINK_CREATE */
#define RETPROBE_FILE "/sys/bus/event_source/devices/uprobe/format/retprobe"
#define TYPE_FILE "/sys/bus/event_source/devices/uprobe/type"

/* bpf(2)'s attributes for this link: newer than the headers. */
struct link_create {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, pad;
};

struct batch_of_sites {		/* of one program and kind */
	uint64_t offset[TLS_SITES_MAX], cookie[TLS_SITES_MAX];
	unsigned n;
	int prog;
	bool multi, ret, session;
};

/* ---- is the plan one that may be attached? */

struct segments {
	Elf64_Phdr v[SEGMENTS_MAX];
	unsigned n;
};

static int read_segments(int fd, struct segments *ret_s)
{
	Elf64_Ehdr e;
	ssize_t n = pread(fd, &e, sizeof(e), 0), size;

	if (n != sizeof(e) || memcmp(e.e_ident, ELFMAG, SELFMAG) || e.e_ident[EI_CLASS] != ELFCLASS64 ||
	    e.e_phentsize != sizeof(Elf64_Phdr) || !e.e_phnum || e.e_phnum > SEGMENTS_MAX || e.e_phoff > INT64_MAX / 2)
		return -EBADMSG;
	size = (ssize_t)(e.e_phnum * sizeof(Elf64_Phdr));
	if (pread(fd, ret_s->v, (size_t)size, (off_t)e.e_phoff) != size)
		return -EBADMSG;
	ret_s->n = e.e_phnum;
	return 0;
}

static bool executable(const struct segments *s, uint64_t offset)
{
	for (unsigned i = 0; i < s->n; i++) {
		const Elf64_Phdr *p = &s->v[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && offset >= p->p_offset && offset - p->p_offset < p->p_filesz)
			return true;
	}
	return false;
}

static bool site_good(const struct segments *s, const struct tls_site *x)
{
	if (!x->func || x->func >= tls_nfuncs || x->kind < TLS_SITE_ENTRY || x->kind > TLS_SITE_RET_INSN)
		return false;
	if (x->kind == TLS_SITE_RETURN && tls_funcs[x->func].k.abi != HT_TLS_ABI_C)
		return false;
	return executable(s, x->offset);
}

/* ---- what goes where */

static bool returns(const struct tls_site *sites, unsigned n, unsigned func)
{
	for (unsigned i = 0; i < n; i++)
		if (sites[i].func == func && sites[i].kind != TLS_SITE_ENTRY)
			return true;
	return false;
}

/* Objects that end, and what tells a descriptor or HTTP/2's fields, are done with at the entry. */
static bool wants_return(unsigned func)
{
	enum ht_tls_op op = tls_funcs[func].k.op;

	return op == HT_TLS_WRITE || op == HT_TLS_READ || op == HT_TLS_SENDFILE || op == HT_TLS_HANDSHAKE || op == HT_TLS_UNCORK;
}

/* HT_TLS_COOKIE_PLAIN and what belongs to it; 0: its row has to be asked. */
static uint64_t plain(const struct ht_tls_func *k)
{
	uint64_t c = HT_TLS_COOKIE_PLAIN | (uint64_t)k->done << HT_TLS_COOKIE_DONE;

	if (k->abi != HT_TLS_ABI_C || (k->op != HT_TLS_READ && k->op != HT_TLS_WRITE) || k->obj != 1 || k->buf != 2 || k->len != 3 ||
	    k->ok != (k->done ? HT_TLS_OK_ONE : HT_TLS_OK_COUNT) || k->flags & ~HT_TLS_F_LONG)
		return 0;
	return c | (k->op == HT_TLS_WRITE ? HT_TLS_COOKIE_WRITE : 0) | (k->flags & HT_TLS_F_LONG ? HT_TLS_COOKIE_LONG : 0);
}

static void add_site(struct batch_of_sites *b, const struct tls_site *sites, unsigned n, const struct tls_site *x)
{
	uint64_t cookie = x->func | (x->offset & 0xfff) << HT_TLS_COOKIE_PLACE;

	if (x->kind == TLS_SITE_ENTRY && wants_return(x->func) && !returns(sites, n, x->func))
		cookie |= HT_TLS_COOKIE_NO_RETURN;
	else
		cookie |= plain(&tls_funcs[x->func].k);
	b->offset[b->n] = x->offset;
	b->cookie[b->n++] = cookie;
}

static bool has_site(const struct tls_site *sites, unsigned n, const struct tls_site *x, unsigned kind)
{
	for (unsigned i = 0; i < n; i++)
		if (sites[i].func == x->func && sites[i].offset == x->offset && sites[i].kind == kind)
			return true;
	return false;
}

/* All kinds go to one program. A function that is entered and left by one place has one site. */
static void add_session(struct batch_of_sites *b, const struct tls_site *sites, unsigned n, const struct tls_site *x)
{
	unsigned at = b->n;

	if (x->kind == TLS_SITE_RETURN && has_site(sites, n, x, TLS_SITE_ENTRY))
		return;
	add_site(b, sites, n, x);
	if (x->kind == TLS_SITE_RETURN)
		b->cookie[at] |= HT_TLS_COOKIE_RETURN;
	else if (x->kind == TLS_SITE_RET_INSN)
		b->cookie[at] |= HT_TLS_COOKIE_RET_INSN;
	else if (has_site(sites, n, x, TLS_SITE_RETURN))
		b->cookie[at] |= HT_TLS_COOKIE_PAIR;
}

/* ---- links */

static int attach_multi(const struct batch_of_sites *b, const char *path)
{
	struct link_create a = {
		.prog_fd = (uint32_t)b->prog, .attach_type = b->session ? UPROBE_SESSION : UPROBE_MULTI, .path = (uintptr_t)path, .offsets = (uintptr_t)b->offset,
		.cookies = (uintptr_t)b->cookie, .cnt = b->n, .multi_flags = b->ret ? UPROBE_MULTI_RETURN : 0,
	};
	int fd = (int)syscall(SYS_bpf, LINK_CREATE, &a, sizeof(a));

	return fd < 0 ? -errno : fd;
}

static int number_in(const char *path, const char *format)
{
	FILE *f = fopen(path, "re");
	int v = -1;

	if (!f)
		return -1;
	if (fscanf(f, format, &v) != 1)
		v = -1;
	fclose(f);
	return v;
}

static int attach_one(const struct batch_of_sites *b, unsigned i, const char *path)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = b->cookie[i]);
	struct perf_event_attr a = { .size = sizeof(a), .config1 = (uintptr_t)path, .config2 = b->offset[i] };
	int type = number_in(TYPE_FILE, "%d"), bit = b->ret ? number_in(RETPROBE_FILE, "config:%d") : 0, fd;
	_cleanup_close_ int event = -1;

	if (type < 0 || bit < 0)
		return -EOPNOTSUPP;
	a.type = (uint32_t)type;
	if (b->ret)
		a.config |= 1ull << bit;
	event = (int)syscall(SYS_perf_event_open, &a, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0)
		return -errno;
	fd = bpf_link_create(b->prog, event, BPF_PERF_EVENT, &opts);	/* it holds the event */
	return fd < 0 ? -errno : fd;
}

static int keep(struct tls_links *l, int fd)
{
	int *v;

	if (fd < 0)
		return fd;
	v = realloc(l->fd, (l->n + 1) * sizeof(*v));
	if (!v) {
		close(fd);
		return -ENOMEM;
	}
	l->fd = v;
	l->fd[l->n++] = fd;
	return 0;
}

static int attach_batch(const struct batch_of_sites *b, const char *path, struct tls_links *l)
{
	int r = 0;

	if (b->n && b->multi)
		return keep(l, attach_multi(b, path));
	for (unsigned i = 0; i < b->n && !r; i++)
		r = keep(l, attach_one(b, i, path));
	return r;
}

void tls_detach(struct tls_links *l)
{
	for (unsigned i = 0; i < l->n; i++)
		close(l->fd[i]);
	free(l->fd);
	*l = (struct tls_links){ 0 };
}

static void sort_sites(const struct probes_tls_progs *progs, const struct tls_site *sites, unsigned n, struct batch_of_sites b[3])
{
	bool session = progs->session >= 0;

	b[0] = (struct batch_of_sites){ .prog = session ? progs->session : progs->entry, .multi = session || progs->multi, .session = session };
	b[1] = (struct batch_of_sites){ .prog = progs->ret, .multi = progs->multi, .ret = true };
	b[2] = (struct batch_of_sites){ .prog = progs->ret, .multi = progs->multi };
	for (unsigned i = 0; i < n; i++)
		if (session)
			add_session(&b[0], sites, n, &sites[i]);
		else
			add_site(&b[sites[i].kind - TLS_SITE_ENTRY], sites, n, &sites[i]);
}

int tls_attach(const struct probes *p, int fd, const struct tls_site *sites, unsigned n, struct tls_links *ret_l)
{
	_cleanup_free_ struct batch_of_sites *b = calloc(3, sizeof(*b));
	_cleanup_(tls_detach) struct tls_links l = { 0 };
	struct probes_tls_progs progs;
	struct segments segments;
	char path[64];
	int r;

	if (!b)
		return -ENOMEM;
	if (!probes_tls(p, &progs))
		return -EOPNOTSUPP;
	if (n > TLS_SITES_MAX)
		return -EINVAL;
	r = read_segments(fd, &segments);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < n; i++)
		if (!site_good(&segments, &sites[i]))
			return -EINVAL;
	sort_sites(&progs, sites, n, b);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (unsigned i = 0; i < 3 && !r; i++)	/* returns last: what has none is done with at its entry */
		r = attach_batch(&b[i], path, &l);
	if (!r) {
		*ret_l = l;
		l = (struct tls_links){ 0 };
	}
	return r;
}

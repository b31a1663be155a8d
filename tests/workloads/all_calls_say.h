/* SPDX-License-Identifier: Apache-2.0 */
/* What all_calls says of a call beside its result, for every_row.py to compare with the record: the argument's source text (so
 * that names of flags and values are the system headers', spelled by the preprocessor), their values, and what the process
 * itself knew then about its descriptors and its directory. As JSON, behind NAME PID RESULT. */
#ifndef HOSTTRAIL_ALL_CALLS_SAY_H
#define HOSTTRAIL_ALL_CALLS_SAY_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include "work.h"

#define FDS_MAX 1024	/* an argument below is looked up as a descriptor */

struct end {			/* of a socket */
	char address[INET6_ADDRSTRLEN];
	int family, port;
};

struct object {			/* that a descriptor refers to */
	char link[PATH_MAX];
	uint64_t inode, mount;
	uint32_t major, minor;
	struct end own, peer;
};

struct said {
	int64_t result;
	const char *text;		/* of the arguments, separated by commas: static */
	long arg[6];
	struct object fd[6], returned, directory;	/* the current one, after the call */
	struct object program;		/* /proc/self/exe */
	struct end own_after, peer_after;	/* of the socket in the first argument */
	char cwd[PATH_MAX];
	int32_t words[2];		/* where `buffer` begins, after the call */
};

static struct said *said;	/* seen by the parent */

/* By another call than the one that is tried: the last record of that name is to be the tried one. */
static void look_link(long nr, int fd, struct object *o)
{
	char name[32];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = nr == SYS_readlink ? readlinkat(AT_FDCWD, name, o->link, sizeof(o->link) - 1) :
				 readlink(name, o->link, sizeof(o->link) - 1);
	o->link[n < 0 ? 0 : n] = 0;
}

static void look_end(int fd, int (*ask)(int, struct sockaddr *, socklen_t *), struct end *e)
{
	struct sockaddr_storage a = { 0 };
	struct sockaddr_in *in = (void *)&a;
	socklen_t n = sizeof(a);

	if (ask(fd, (void *)&a, &n))
		return;
	e->family = a.ss_family;
	if (a.ss_family != AF_INET)
		return;
	inet_ntop(AF_INET, &in->sin_addr, e->address, sizeof(e->address));
	e->port = ntohs(in->sin_port);
}

static void look_numbers(int fd, const char *name, struct object *o)
{
	struct statx x;

	if (statx(fd, name, AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &x))
		return;
	o->inode = x.stx_ino;
	o->mount = x.stx_mnt_id;
	o->major = x.stx_dev_major;
	o->minor = x.stx_dev_minor;
}

static void look(long nr, int fd, struct object *o)
{
	look_link(nr, fd, o);
	if (!o->link[0])
		return;
	look_numbers(fd, "", o);
	if (strncmp(o->link, "socket:", 7))
		return;
	look_end(fd, getsockname, &o->own);
	look_end(fd, getpeername, &o->peer);
}

static void say_before(long nr, const char *text, const long arg[6])
{
	memset(said, 0, sizeof(*said));
	said->text = text;
	memcpy(said->arg, arg, sizeof(said->arg));
	if (!getcwd(said->cwd, sizeof(said->cwd)))
		said->cwd[0] = 0;
	if (nr == SYS_execve || nr == SYS_execveat) {
		if (readlink("/proc/self/exe", said->program.link, sizeof(said->program.link) - 1) > 0)
			look_numbers(AT_FDCWD, "/proc/self/exe", &said->program);
	}
	for (unsigned i = 0; i < 6; i++)
		if (arg[i] >= 0 && arg[i] < FDS_MAX)
			look(nr, (int)arg[i], &said->fd[i]);
}

static void say_after(long nr, long result, const void *buffer)
{
	memcpy(said->words, buffer, sizeof(said->words));
	if (nr == SYS_chdir && getcwd(said->directory.link, sizeof(said->directory.link)))
		look_numbers(AT_FDCWD, ".", &said->directory);
	if (result > 0 && result < FDS_MAX)
		look(nr, (int)result, &said->returned);
	if (strncmp(said->fd[0].link, "socket:", 7) || nr == SYS_getsockname || nr == SYS_getpeername)
		return;
	look_end((int)said->arg[0], getsockname, &said->own_after);
	look_end((int)said->arg[0], getpeername, &said->peer_after);
}

/* ---- by the parent ---- */

static void print_text(const char *s)
{
	putchar('"');
	for (; *s; s++)
		if (*s == '"' || *s == '\\' || (unsigned char)*s < ' ')
			printf("\\u%04x", *s);
		else
			putchar(*s);
	putchar('"');
}

static void print_end(const char *name, const struct end *e)
{
	printf(", \"%s\": {\"family\": %d, \"address\": \"%s\", \"port\": %d}", name, e->family, e->address, e->port);
}

static void print_object(const struct object *o)
{
	if (!o->link[0]) {
		printf("null");
		return;
	}
	printf("{\"link\": ");
	print_text(o->link);
	printf(", \"inode\": %" PRIu64 ", \"mount\": %" PRIu64 ", \"device\": \"%u:%u\"", o->inode, o->mount, o->major, o->minor);
	if (o->own.family) {
		print_end("own", &o->own);
		print_end("peer", &o->peer);
	}
	printf("}");
}

static void say_line(const char *name, int pid, bool returned, bool good)
{
	printf("%s %d ", name, pid);
	if (returned)
		printf("%" PRId64, said->result);
	else
		printf("never");
	printf(" {\"bits\": %zu, \"good\": %s, \"text\": ", 8 * sizeof(long), good ? "true" : "false");
	print_text(said->text ? said->text : "");
	printf(", \"cwd\": ");
	print_text(said->cwd);
	printf(", \"args\": [");
	for (unsigned i = 0; i < 6; i++)
		printf("%s%ld", i ? ", " : "", said->arg[i]);
	printf("], \"fds\": [");
	for (unsigned i = 0; i < 6; i++) {
		printf(i ? ", " : "");
		print_object(&said->fd[i]);
	}
	printf("], \"returned\": ");
	print_object(&said->returned);
	printf(", \"directory\": ");
	print_object(&said->directory);
	printf(", \"program\": ");
	print_object(&said->program);
	print_end("own_after", &said->own_after);
	print_end("peer_after", &said->peer_after);
	printf(", \"words\": [%d, %d]}\n", said->words[0], said->words[1]);
}

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * socketcall32: TCP and UDP over loopback through i386's socketcall(2), System V objects through ipc(2), then calls of
 * both that fail. Prints "port N", and "key N" for the objects' key.
 */
#include <arpa/inet.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include "work.h"

#ifndef __i386__	/* the other builds of this file are never run */
#define SYS_socketcall -1
#define SYS_ipc -1
#endif

enum { SOCKET = 1, BIND, CONNECT, LISTEN, ACCEPT, GETSOCKNAME, SEND = 9, RECV, SENDTO, SENDMSG = 16, ACCEPT4 = 18 };
enum { SEMGET = 2, SEMCTL, MSGSND = 11, MSGRCV, MSGGET, MSGCTL, SHMAT = 21, SHMDT, SHMGET, SHMCTL };

static long net(int which, long a, long b, long c, long d, long e, long f)
{
	unsigned long args[6] = { a, b, c, d, e, f };

	return syscall(SYS_socketcall, which, args);
}

static long sysv(int which, long first, long second, long third, const void *p, long fifth)
{
	return syscall(SYS_ipc, which, first, second, third, p, fifth);
}

static long serve(struct sockaddr_in *a)
{
	socklen_t n = sizeof(*a);
	long fd = net(SOCKET, AF_INET, SOCK_STREAM, 0, 0, 0, 0);

	if (fd < 0 || net(BIND, fd, (long)a, n, 0, 0, 0) || net(LISTEN, fd, 5, 0, 0, 0, 0) ||
	    net(GETSOCKNAME, fd, (long)a, (long)&n, 0, 0, 0))
		die("server");
	return fd;
}

static void stream(long server, const struct sockaddr_in *a)
{
	long client = net(SOCKET, AF_INET, SOCK_STREAM, 0, 0, 0, 0), served;
	char byte = 'x';

	if (net(CONNECT, client, (long)a, sizeof(*a), 0, 0, 0))
		die("connect");
	served = net(ACCEPT4, server, 0, 0, SOCK_CLOEXEC, 0, 0);
	if (net(SEND, client, (long)&byte, 1, 0, 0, 0) != 1 || net(RECV, served, (long)&byte, 1, 0, 0, 0) != 1)
		die("send");
}

static void datagrams(const struct sockaddr_in *a)
{
	long udp = net(SOCKET, AF_INET, SOCK_DGRAM, 0, 0, 0, 0), other = net(SOCKET, AF_INET, SOCK_DGRAM, 0, 0, 0, 0);
	char byte = 'x';
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_name = (void *)a, .msg_namelen = sizeof(*a), .msg_iov = &v, .msg_iovlen = 1 };

	for (int i = 0; i < 2; i++)	/* the second to the same address is no new peer */
		if (net(SENDTO, udp, (long)&byte, 1, 0, (long)a, sizeof(*a)) != 1)
			die("sendto");
	if (net(SENDMSG, other, (long)&m, 0, 0, 0, 0) != 1)
		die("sendmsg");
}

static void objects(long key)
{
	struct { long type; char text[4]; } m = { 7, "abc" };
	long msg = sysv(MSGGET, key, IPC_CREAT | 0600, 0, NULL, 0), shm = sysv(SHMGET, key, 4096, IPC_CREAT | 0600, NULL, 0);
	long sem = sysv(SEMGET, key, 2, IPC_CREAT | 0600, NULL, 0), at = 0, none = 0;

	if (msg < 0 || shm < 0 || sem < 0)
		die("objects");
	if (sysv(MSGSND, msg, 4, 0, &m, 0) || sysv(MSGRCV | 1 << 16, msg, 4, 0, &m, 7) != 4 || sysv(SHMAT, shm, 0, (long)&at, NULL, 0) ||
	    sysv(SHMDT, 0, 0, 0, (void *)at, 0))
		die("use");
	if (sysv(MSGCTL, msg, IPC_RMID, 0, NULL, 0) || sysv(SHMCTL, shm, IPC_RMID, 0, NULL, 0) || sysv(SEMCTL, sem, 0, IPC_RMID, &none, 0))
		die("remove");
}

int main(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	long key = 0x48540000 | (getpid() & 0xffff);
	void *gone = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	stream(serve(&a), &a);
	datagrams(&a);
	objects(key);
	net(CONNECT, -1, (long)&a, sizeof(a), 0, 0, 0);		/* EBADF */
	syscall(SYS_socketcall, CONNECT, gone);			/* EFAULT: its arguments cannot be read */
	syscall(SYS_socketcall, RECV, gone);
	syscall(SYS_socketcall, 99, gone);			/* EINVAL: no such call */
	sysv(SHMGET, key, 4096, 0, NULL, 0);			/* ENOENT */
	sysv(99, 0, 0, 0, NULL, 0);				/* ENOSYS */
	printf("port %d\nkey %ld\n", ntohs(a.sin_port), key);
	return 0;
}

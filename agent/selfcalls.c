// SPDX-License-Identifier: Apache-2.0
#include "selfcalls.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "msg.h"

#define NO_CLOCK 9999
#define NO_FLAGS (~0u)

static long call_process(void)
{
	char *const none[] = { (char *)"", NULL };

	return syscall(SYS_execve, "", none, none + 1);
}

static long call_file(void)
{
	return syscall(SYS_unlinkat, AT_FDCWD, "", 0);
}

static long call_network(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return syscall(SYS_connect, -1, &a, sizeof(a));
}

static long call_credential(void)
{
	return syscall(SYS_setresuid, -1, -1, -1);	/* "leave all three as they are" */
}

static long call_mount(void)
{
	return syscall(SYS_umount2, "", 0);
}

static long call_namespace(void)
{
	return syscall(SYS_setns, -1, 0);
}

static long call_module(void)
{
	return syscall(SYS_delete_module, "", O_NONBLOCK);
}

static long call_bpf(void)
{
	return syscall(SYS_bpf, -1, NULL, 0);
}

static long call_memory(void)
{
	return syscall(SYS_memfd_create, "", NO_FLAGS);
}

static long call_ipc(void)
{
	return syscall(SYS_shmctl, -1, -1, NULL);
}

static long call_signal(void)
{
	return syscall(SYS_kill, getpid(), 0);		/* "may I?", and nothing is sent */
}

static long call_time(void)
{
	return syscall(SYS_clock_settime, NO_CLOCK, NULL);
}

static long call_device(void)
{
#ifdef SYS_ioperm
	return syscall(SYS_ioperm, -1l, -1l, 0);
#else
	return syscall(SYS_vhangup);
#endif
}

static long call_key(void)
{
	return syscall(SYS_keyctl, -1, 0, 0, 0, 0);
}

static long call_system(void)
{
	return syscall(SYS_sethostname, "", -1);
}

static long call_iouring(void)
{
	return syscall(SYS_io_uring_setup, 0, NULL);
}

const struct selfcall selfcalls[] = {
	{ "signal", "kill", call_signal },
	{ "process", "execve", call_process },
	{ "file", "unlinkat", call_file },
	{ "network", "connect", call_network },
	{ "credential", "setresuid", call_credential },
	{ "mount", "umount2", call_mount },
	{ "namespace", "setns", call_namespace },
	{ "module", "delete_module", call_module },
	{ "bpf", "bpf", call_bpf },
	{ "memory", "memfd_create", call_memory },
	{ "ipc", "shmctl", call_ipc },
	{ "time", "clock_settime", call_time },
#ifdef SYS_ioperm
	{ "device", "ioperm", call_device },
#else
	{ "device", "vhangup", call_device },
#endif
	{ "key", "keyctl", call_key },
	{ "system", "sethostname", call_system },
	{ "iouring", "io_uring_setup", call_iouring },
	{ NULL, NULL, NULL },
};
_Static_assert(ARRAY_SIZE(selfcalls) <= SELFCALLS_MAX, "a bit each");

const unsigned selfcall_canary;

unsigned selfcalls_count(void)
{
	return ARRAY_SIZE(selfcalls) - 1;
}

static int answer(int sock, uint32_t calls)
{
	struct msg_probe a = { .calls = calls };

	return msg_send(sock, MSG_PROBED, &a, sizeof(a), -1);
}

int prober_run(int sock)
{
	static struct msg m;
	int r = answer(sock, 0);

	while (!r) {
		r = msg_recv(sock, &m);
		if (r <= 0)
			return r < 0;
		if (m.type != MSG_PROBE || m.fd >= 0)
			return 1;
		for (unsigned i = 0; i < selfcalls_count(); i++)
			if (m.body.probe.calls >> i & 1)
				selfcalls[i].make();
		r = answer(sock, m.body.probe.calls);
	}
	return 1;
}

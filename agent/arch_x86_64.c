// SPDX-License-Identifier: Apache-2.0
/* arch_x86_64.c - the three ABIs of an x86-64 kernel: numbers and names, and what i386's multiplexers stand for. */
#include <stddef.h>

#include "calls_internal.h"
#include "lib/cleanup.h"

#define NATIVE (1 << HT_ABI_NATIVE)
#define COMPAT (1 << HT_ABI_COMPAT)

static const struct arch_number numbers[] = {
#define COMMON(nr, name) { nr, NATIVE | 1 << HT_ABI_X32, #name },
#define N64(nr, name) { nr, NATIVE, #name },
#define X32(nr, name) { nr, 1 << HT_ABI_X32, #name },
#include "numbers_x86_64.def"
#undef COMMON
#undef N64
#undef X32
#define I386(nr, name) { nr, COMPAT, #name },
#include "numbers_i386.def"
#undef I386
};

const struct arch_number *arch_numbers(unsigned *ret_n)
{
	*ret_n = ARRAY_SIZE(numbers);
	return numbers;
}

const char *arch_abi_name(enum ht_abi abi)
{
	static const char *const names[HT_ABI__MAX] = { [HT_ABI_COMPAT] = "i386", [HT_ABI_X32] = "x32" };

	return names[abi];
}

const char *arch_tls_missing(void)
{
	return NULL;
}

const char *arch_socketcall_name(uint32_t number)
{
	static const char *const names[] = {
		NULL, "socket", "bind", "connect", "listen", "accept", "getsockname", "getpeername", "socketpair", "sendto", "recvfrom",
		"sendto", "recvfrom", "shutdown", "setsockopt", "getsockopt", "sendmsg", "recvmsg", "accept4", "recvmmsg", "sendmmsg",
	};

	return number < ARRAY_SIZE(names) ? names[number] : NULL;
}

const char *arch_ipc_name(uint32_t number)
{
	static const char *const names[] = {
		[1] = "semop",	 [2] = "semget",  [3] = "semctl", [4] = "semtimedop", [11] = "msgsnd", [12] = "msgrcv",
		[13] = "msgget", [14] = "msgctl", [21] = "shmat", [22] = "shmdt",     [23] = "shmget", [24] = "shmctl",
	};

	return number < ARRAY_SIZE(names) ? names[number] : NULL;
}

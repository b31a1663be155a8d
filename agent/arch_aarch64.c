// SPDX-License-Identifier: Apache-2.0
/* arch_aarch64.c - the ABIs of an arm64 kernel: numbers and names. */
#include <stddef.h>

#include "calls_internal.h"
#include "lib/cleanup.h"

static const struct arch_number numbers[] = {
#define ARM64(nr, name) { nr, 1 << HT_ABI_NATIVE, #name },
#include "numbers_arm64.def"
#undef ARM64
#define ARM(nr, name) { nr, 1 << HT_ABI_COMPAT, #name },
#include "numbers_arm.def"
#undef ARM
};

const struct arch_number *arch_numbers(unsigned *ret_n)
{
	*ret_n = ARRAY_SIZE(numbers);
	return numbers;
}

const char *arch_abi_name(enum ht_abi abi)
{
	return abi == HT_ABI_COMPAT ? "arm" : NULL;
}

const char *arch_tls_missing(void)
{
	return "not for arm64 yet (the places of probes are planned for x86-64): no API calls inside TLS are recorded, nor TlsUnobserved";
}

/* EABI has no socketcall, and its ipc is the calls behind it. */
const char *arch_socketcall_name(uint32_t number)
{
	return NULL;
}

const char *arch_ipc_name(uint32_t number)
{
	return NULL;
}

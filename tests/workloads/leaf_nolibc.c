// SPDX-License-Identifier: Apache-2.0
/* leaf_nolibc: the least that can be executed: ends at once, without a libc. What it costs to start is the kernel's work alone. */
#include <sys/syscall.h>

void _start(void)
{
#if defined(__x86_64__)
	__asm__ volatile("syscall" : : "a"((long)SYS_exit_group), "D"(0L) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long nr __asm__("x8") = SYS_exit_group, status __asm__("x0") = 0;

	__asm__ volatile("svc 0" : : "r"(nr), "r"(status) : "memory");
#else
#error "no leaf for this architecture"
#endif
	__builtin_unreachable();
}

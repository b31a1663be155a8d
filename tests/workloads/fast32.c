// SPDX-License-Identifier: Apache-2.0
/* fast32 DIR: a 32-bit program unlinks DIR/0 by the vDSO's way into the kernel (sysenter, or syscall, as the processor has it), and DIR/1 by int 0x80. */
#include <fcntl.h>
#include <sys/auxv.h>

#include "work.h"

static unsigned long entry;

static int by_vdso(const char *name)
{
	int r;

	__asm__ volatile("push %%ebp\n mov $7, %%ebp\n call *%3\n pop %%ebp" : "=a"(r) : "a"(SYS_unlink), "b"(name), "S"(entry), "c"(0), "d"(0) : "memory");
	return r;
}

int main(int argc, char **argv)
{
	char name[2][4096];

	if (argc != 2)
		usage("fast32 DIR");
	entry = getauxval(AT_SYSINFO);
	if (!entry)
		return 77;
	for (int i = 0; i < 2; i++) {
		snprintf(name[i], sizeof(name[i]), "%s/%d", argv[1], i);
		close(open(name[i], O_CREAT | O_WRONLY, 0600));
	}
	if (by_vdso(name[0]) || !access(name[0], F_OK))
		die(name[0]);
	__asm__ volatile("int $0x80" : : "a"(SYS_unlink), "b"(name[1]) : "memory");
	printf("by i386 %s\nby i386 %s\n", name[0], name[1]);
	return 0;
}

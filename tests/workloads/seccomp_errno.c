// SPDX-License-Identifier: Apache-2.0
/* seccomp_errno PATH PROGRAM: renames PATH (so that an older enter is remembered), then has a filter refuse mkdir (EACCES),
 * unlink (ENOTBLK) and execveat (EUCLEAN), makes those calls, and at last executes PROGRAM. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include "work.h"

#define REFUSE(nr, err)                                         \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1),        \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (err))

static void install(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		REFUSE(SYS_mkdir, EACCES),
		REFUSE(SYS_unlink, ENOTBLK),
		REFUSE(SYS_execveat, EUCLEAN),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		die("seccomp");
}

int main(int argc, char **argv)
{
	char other[4096];
	char *args[] = { argv[2], "refused", NULL }, *last[] = { argv[2], NULL }, *env[] = { NULL };

	if (argc != 3)
		usage("seccomp_errno PATH PROGRAM");
	snprintf(other, sizeof(other), "%s.renamed", argv[1]);
	syscall(SYS_rename, argv[1], other);
	install();
	if (syscall(SYS_mkdir, argv[1], 0700) != -1 || errno != EACCES)
		return 1;
	if (syscall(SYS_unlink, argv[1]) != -1 || errno != ENOTBLK)
		return 2;
	if (syscall(SYS_execveat, AT_FDCWD, argv[2], args, env, 0) != -1 || errno != EUCLEAN)
		return 3;
	execve(argv[2], last, env);
	die(argv[2]);
}

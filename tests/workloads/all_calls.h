/* SPDX-License-Identifier: Apache-2.0 */
/* TRY(kernel name, a call that succeeds, one that fails). Read twice by all_calls.c, hence no include guard.
 * In the folder lie: f (a file), d (an empty folder), l (a symlink to f); g does not exist. */

/* processes */
TRY(execve, CALL(execve, self, leaf, none), CALL(execve, "./g", leaf, none))
TRY(execveat, CALL(execveat, AT_FDCWD, self, leaf, none, 0), CALL(execveat, open("d", O_RDONLY), "g", leaf, none, 0))
TRY(fork, forked(CALL(fork)), IMPOSSIBLE("fork: root is not held to a limit"))
TRY(vfork, vforked(), IMPOSSIBLE("vfork: root is not held to a limit"))
TRY(clone, forked(CALL(clone, SIGCHLD)), CALL(clone, CLONE_THREAD | SIGCHLD))
TRY(clone3, forked(CALL(clone3, (&(struct clone_args){ .exit_signal = SIGCHLD }), sizeof(struct clone_args))),
    CALL(clone3, (&(struct clone_args){ .flags = CLONE_THREAD }), sizeof(struct clone_args)))
TRY(exit, CALL(exit, 3), IMPOSSIBLE("exit: cannot fail"))
TRY(exit_group, CALL(exit_group, 4), IMPOSSIBLE("exit_group: cannot fail"))

/* opens, and what changes folders and files */
TRY(open, CALL(open, "f", O_RDONLY), CALL(open, "g", O_RDONLY))
TRY(openat, CALL(openat, AT_FDCWD, "l", O_RDWR | O_CLOEXEC), CALL(openat, open("d", O_RDONLY), "g/h", O_WRONLY | O_CREAT, 0600))
TRY(openat2, CALL(openat2, AT_FDCWD, "f", (&(struct open_how){ .flags = O_RDONLY }), sizeof(struct open_how)),
    CALL(openat2, AT_FDCWD, "l", (&(struct open_how){ .resolve = RESOLVE_NO_SYMLINKS }), sizeof(struct open_how)))
TRY(creat, CALL(creat, "g", 0640), CALL(creat, "d", 0640))
TRY(unlink, CALL(unlink, "f"), CALL(unlink, "g"))
TRY(unlinkat, CALL(unlinkat, AT_FDCWD, "d", AT_REMOVEDIR), CALL(unlinkat, open("d", O_RDONLY), "g", 0))
TRY(rename, CALL(rename, "f", "g"), CALL(rename, "g", "f"))
TRY(renameat, CALL(renameat, AT_FDCWD, "f", AT_FDCWD, "g"), CALL(renameat, AT_FDCWD, "g", AT_FDCWD, "f"))
TRY(renameat2, CALL(renameat2, AT_FDCWD, "f", AT_FDCWD, "g", RENAME_NOREPLACE),
    CALL(renameat2, AT_FDCWD, "f", AT_FDCWD, "d", RENAME_NOREPLACE))
TRY(mkdir, CALL(mkdir, "g", 0711), CALL(mkdir, "f", 0711))
TRY(mkdirat, CALL(mkdirat, AT_FDCWD, "g", 0711), CALL(mkdirat, AT_FDCWD, "f/g", 0711))
TRY(rmdir, CALL(rmdir, "d"), CALL(rmdir, "f"))
TRY(link, CALL(link, "f", "g"), CALL(link, "f", "d"))
TRY(linkat, CALL(linkat, AT_FDCWD, "l", AT_FDCWD, "g", AT_SYMLINK_FOLLOW), CALL(linkat, AT_FDCWD, "g", AT_FDCWD, "h", 0))
TRY(symlink, CALL(symlink, "/nowhere", "g"), CALL(symlink, "/nowhere", "f"))
TRY(symlinkat, CALL(symlinkat, "f", AT_FDCWD, "g"), CALL(symlinkat, "f", 99, "g"))
TRY(chmod, CALL(chmod, "f", 0600), CALL(chmod, "g", 0600))
TRY(fchmod, CALL(fchmod, file(O_RDONLY), 0601), CALL(fchmod, 99, 0601))
TRY(fchmodat, CALL(fchmodat, AT_FDCWD, "l", 0602), CALL(fchmodat, AT_FDCWD, "g", 0602))
TRY(fchmodat2, CALL(fchmodat2, AT_FDCWD, "f", 0603, 0), CALL(fchmodat2, AT_FDCWD, "g", 0603, AT_SYMLINK_NOFOLLOW))
TRY(chown, CALL(chown, "f", 1, 2), CALL(chown, "g", 1, 2))
TRY(fchown, CALL(fchown, file(O_RDONLY), 3, -1), CALL(fchown, 99, 3, -1))
TRY(lchown, CALL(lchown, "l", 0, 0), CALL(lchown, "g", 0, 0))
TRY(fchownat, CALL(fchownat, AT_FDCWD, "f", 0, 0, 0), CALL(fchownat, AT_FDCWD, "g", 0, 0, 0))
TRY(truncate, CALL(truncate, "f", 100), CALL(truncate, "d", 100))
TRY(ftruncate, CALL(ftruncate, file(O_RDWR), 7), CALL(ftruncate, file(O_RDONLY), 7))
TRY(mknod, CALL(mknod, "g", S_IFIFO | 0600, 0), CALL(mknod, "f", S_IFIFO | 0600, 0))
TRY(mknodat, CALL(mknodat, AT_FDCWD, "g", S_IFCHR | 0600, makedev(1, 3)), CALL(mknodat, AT_FDCWD, "f", S_IFREG | 0600, 0))
TRY(setxattr, CALL(setxattr, "f", "trusted.lab", "v", 1, XATTR_CREATE), CALL(setxattr, "g", "user.lab", "v", 1, 0))
TRY(lsetxattr, CALL(lsetxattr, "f", "trusted.lab", "v", 1, XATTR_CREATE), CALL(lsetxattr, "g", "user.lab", "v", 1, 0))
TRY(fsetxattr, CALL(fsetxattr, file(O_RDWR), "trusted.lab", "v", 1, 0), CALL(fsetxattr, 99, "user.lab", "v", 1, 0))
TRY(removexattr, (setxattr("f", "trusted.lab", "v", 1, 0), CALL(removexattr, "f", "trusted.lab")), CALL(removexattr, "g", "trusted.lab"))
TRY(lremovexattr, (setxattr("f", "trusted.lab", "v", 1, 0), CALL(lremovexattr, "f", "trusted.lab")), CALL(lremovexattr, "g", "trusted.lab"))
TRY(fremovexattr, (setxattr("f", "trusted.lab", "v", 1, 0), CALL(fremovexattr, file(O_RDWR), "trusted.lab")), CALL(fremovexattr, 99, "trusted.lab"))
TRY(utimensat, CALL(utimensat, AT_FDCWD, "f", some_times, 0), CALL(utimensat, AT_FDCWD, "g", some_times, 0))
TRY(futimesat, CALL(futimesat, AT_FDCWD, "f", some_vals), CALL(futimesat, AT_FDCWD, "g", some_vals))
TRY(utimes, CALL(utimes, "f", some_vals), CALL(utimes, "f", bad_vals))
TRY(utime, CALL(utime, "f", (&(struct utimbuf){ 1000, 2000 })), CALL(utime, "g", NULL))

/* network */
TRY(socket, CALL(socket, AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), CALL(socket, 99, SOCK_STREAM, 0))
TRY(bind, CALL(bind, tcp(), local(0), sizeof(struct sockaddr_in)), CALL(bind, 99, local(1), sizeof(struct sockaddr_in)))
TRY(listen, CALL(listen, tcp(), 3), CALL(listen, file(O_RDONLY), 3))
TRY(connect, CALL(connect, (listening(), tcp()), local(ntohs(local(0)->sin_port)), sizeof(struct sockaddr_in)),
    CALL(connect, socket(AF_UNIX, SOCK_STREAM, 0), (&(struct sockaddr_un){ AF_UNIX, "g" }), sizeof(struct sockaddr_un)))
TRY(accept, CALL(accept, waiting(), 0, 0), CALL(accept, tcp(), 0, 0))
TRY(accept4, CALL(accept4, waiting(), 0, 0, SOCK_CLOEXEC), CALL(accept4, 99, 0, 0, 0))
TRY(sendto, (udp_peer(), CALL(sendto, socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, local(9), sizeof(struct sockaddr_in))),
    CALL(sendto, 99, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL, local(9), sizeof(struct sockaddr_in)))
TRY(sendmsg, sendmsg_to(socket(AF_INET, SOCK_DGRAM, 0), local(9), sizeof(struct sockaddr_in)),
    sendmsg_to(socket(AF_INET, SOCK_DGRAM, 0), local(9), 3))

/* credentials */
TRY(setuid, CALL(setuid, 1001), (setuid(1001), CALL(setuid, 0)))
TRY(setgid, CALL(setgid, 1001), (setuid(1001), CALL(setgid, 7)))
TRY(setreuid, CALL(setreuid, 1001, -1), (setuid(1001), CALL(setreuid, 0, 0)))
TRY(setregid, CALL(setregid, -1, 1001), (setuid(1001), CALL(setregid, 7, 7)))
TRY(setresuid, CALL(setresuid, -1, 1001, -1), (setuid(1001), CALL(setresuid, 0, 0, 0)))
TRY(setresgid, CALL(setresgid, 5, 6, 7), (setuid(1001), CALL(setresgid, 7, 7, 7)))
TRY(setfsuid, CALL(setfsuid, 1001), IMPOSSIBLE("setfsuid: reports no errors"))
TRY(setfsgid, CALL(setfsgid, 1001), IMPOSSIBLE("setfsgid: reports no errors"))
TRY(setgroups, CALL(setgroups, 2, ((gid_t[]){ 5, 6 })), (setuid(1001), CALL(setgroups, 1, ((gid_t[]){ 5 }))))
TRY(capset, capset_same(_LINUX_CAPABILITY_VERSION_3), capset_same(1))
TRY(prctl, CALL(prctl, PR_SET_NO_NEW_PRIVS, 1), CALL(prctl, PR_SET_DUMPABLE, 7))
TRY(setsid, CALL(setsid), (setsid(), CALL(setsid)))

/* mounts and namespaces */
TRY(mount, (own_namespaces(), CALL(mount, "none", "d", "tmpfs", MS_NOEXEC, "size=64k")), CALL(mount, "none", "g", "tmpfs", MS_RDONLY | MS_NOSUID | MS_RELATIME, 0))
TRY(umount2, (mounted(), CALL(umount2, "d", MNT_DETACH)), CALL(umount2, "g", MNT_FORCE | UMOUNT_NOFOLLOW))
TRY(move_mount, (own_namespaces(), CALL(move_mount, syscall(SYS_open_tree, AT_FDCWD, "d", 1), "", AT_FDCWD, "d", MOVE_MOUNT_F_EMPTY_PATH)),
    CALL(move_mount, AT_FDCWD, "g", AT_FDCWD, "d", 0))
TRY(pivot_root, pivot(), CALL(pivot_root, "g", "g"))
TRY(chroot, CALL(chroot, "d"), CALL(chroot, "f"))
TRY(unshare, CALL(unshare, CLONE_NEWUTS), CALL(unshare, 0x1))
TRY(setns, CALL(setns, open("/proc/self/ns/uts", O_RDONLY), CLONE_NEWUTS), CALL(setns, file(O_RDONLY), CLONE_NEWNET))

/* other processes */
TRY(ptrace, CALL(ptrace, PTRACE_TRACEME), CALL(ptrace, PTRACE_ATTACH, 1 << 30))
TRY(process_vm_writev, vm_write(getpid()), vm_write(1 << 30))
TRY(kill, CALL(kill, getpid(), SIGCHLD), CALL(kill, 1 << 30, SIGTERM))
TRY(tkill, CALL(tkill, getpid(), SIGCHLD), CALL(tkill, 1 << 30, SIGTERM))
TRY(tgkill, CALL(tgkill, getpid(), getpid(), SIGCHLD), CALL(tgkill, getpid(), 1 << 30, SIGTERM))
TRY(pidfd_send_signal, CALL(pidfd_send_signal, syscall(SYS_pidfd_open, a_child(), 0), SIGTERM, 0, 0), CALL(pidfd_send_signal, 99, SIGTERM, 0, 2))

/* memory, bpf, modules, system */
TRY(memfd_create, CALL(memfd_create, "lab", MFD_CLOEXEC), CALL(memfd_create, "lab", 0x8000000))
TRY(bpf, bpf_map(BPF_MAP_TYPE_ARRAY), bpf_map(9999))
TRY(perf_event_open, CALL(perf_event_open, (&(struct perf_event_attr){ .type = PERF_TYPE_SOFTWARE, .size = sizeof(struct perf_event_attr), .config = 9 }), 0, -1, -1, PERF_FLAG_FD_CLOEXEC),
    CALL(perf_event_open, (&(struct perf_event_attr){ .type = 999, .size = sizeof(struct perf_event_attr) }), 0, -1, -1, 0))
TRY(init_module, IMPOSSIBLE("init_module: no module to load"), CALL(init_module, "x", 1, "y=2"))
TRY(finit_module, IMPOSSIBLE("finit_module: no module to load"), CALL(finit_module, 99, "x=1", MODULE_INIT_IGNORE_VERMAGIC))
TRY(delete_module, IMPOSSIBLE("delete_module: no module to remove"), CALL(delete_module, "no_such_module", O_NONBLOCK))
TRY(kexec_load, IMPOSSIBLE("kexec_load: no kernel to load"), CALL(kexec_load, 0x1000, 99, 0, KEXEC_ON_CRASH))
TRY(kexec_file_load, IMPOSSIBLE("kexec_file_load: no kernel to load"), CALL(kexec_file_load, 99, 98, 3, "ro", KEXEC_FILE_NO_INITRAMFS))
TRY(reboot, IMPOSSIBLE("reboot: would end the machine"), CALL(reboot, 1, 2, LINUX_REBOOT_CMD_HALT))
TRY(sethostname, (own_namespaces(), CALL(sethostname, "lab", 3)), CALL(sethostname, "lab", -1))
TRY(setdomainname, (own_namespaces(), CALL(setdomainname, "lab", 3)), CALL(setdomainname, "lab", -1))
TRY(settimeofday, CALL(settimeofday, 0, 0), CALL(settimeofday, &bad_vals[0], 0))
TRY(clock_settime, IMPOSSIBLE("clock_settime: would set the machine's clock"), CALL(clock_settime, CLOCK_REALTIME, &bad_time))
TRY(adjtimex, CALL(adjtimex, (&(struct timex){ .modes = 0 })), CALL(adjtimex, (&(struct timex){ .modes = ADJ_TICK, .tick = 1 })))
TRY(clock_adjtime, CALL(clock_adjtime, CLOCK_REALTIME, (&(struct timex){ .modes = 0 })), CALL(clock_adjtime, 99, (&(struct timex){ .modes = 0 })))
TRY(add_key, CALL(add_key, "user", "lab:key", "v", 1, KEY_SPEC_PROCESS_KEYRING), CALL(add_key, "no_such_type", "lab", "v", 1, KEY_SPEC_PROCESS_KEYRING))
TRY(keyctl, CALL(keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1), CALL(keyctl, KEYCTL_REVOKE, 1))
TRY(swapon, IMPOSSIBLE("swapon: would change the machine's memory"), CALL(swapon, "g", SWAP_FLAG_DISCARD))
TRY(swapoff, IMPOSSIBLE("swapoff: no swap"), CALL(swapoff, "g"))
TRY(quotactl, IMPOSSIBLE("quotactl: no filesystem with quotas"), CALL(quotactl, QCMD(Q_GETQUOTA, USRQUOTA), "g", 5, 0))
TRY(io_uring_setup, CALL(io_uring_setup, 2, (&(struct io_uring_params){ })), CALL(io_uring_setup, 0, (&(struct io_uring_params){ })))
TRY(userfaultfd, CALL(userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY), CALL(userfaultfd, 0x10))
TRY(seccomp, CALL(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, (&(uint32_t){ SECCOMP_RET_KILL_PROCESS })), CALL(seccomp, 99, SECCOMP_FILTER_FLAG_LOG, 0))
TRY(landlock_create_ruleset, CALL(landlock_create_ruleset, (&(struct landlock_ruleset_attr){ LANDLOCK_ACCESS_FS_EXECUTE }), 8, 0),
    CALL(landlock_create_ruleset, 0, 1, LANDLOCK_CREATE_RULESET_VERSION))
TRY(landlock_add_rule, add_rule(), CALL(landlock_add_rule, 99, LANDLOCK_RULE_PATH_BENEATH, (&(struct landlock_path_beneath_attr){ }), 0))
TRY(landlock_restrict_self, (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), CALL(landlock_restrict_self, syscall(SYS_landlock_create_ruleset, (&(struct landlock_ruleset_attr){ 1 }), 8, 0), 0)),
    CALL(landlock_restrict_self, 99, 1))

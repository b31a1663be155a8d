/* SPDX-License-Identifier: Apache-2.0 */
/* More of all_calls.h: fcntl and ioctl by command, whose argument is something else with each. Read twice, hence no include guard. */

#define FCNTL(command, good, bad) TRY_AS(fcntl_##command, fcntl, good, bad)
FCNTL(dupfd, CALL(fcntl, file(O_RDONLY), F_DUPFD, 40), CALL(fcntl, 99, F_DUPFD, 41))
FCNTL(dupfd_cloexec, CALL(fcntl, file(O_RDONLY), F_DUPFD_CLOEXEC, 42), CALL(fcntl, file(O_RDONLY), F_DUPFD_CLOEXEC, -1))
FCNTL(setfd, CALL(fcntl, file(O_RDONLY), F_SETFD, FD_CLOEXEC), CALL(fcntl, 99, F_SETFD, 0))
FCNTL(setfl, CALL(fcntl, file(O_RDWR), F_SETFL, O_RDWR | O_APPEND | O_NONBLOCK), CALL(fcntl, 99, F_SETFL, O_NOATIME))
FCNTL(setlk, CALL(fcntl, file(O_RDWR), F_SETLK, (&(struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -3, .l_len = 3 })),
      CALL(fcntl, file(O_RDONLY), F_SETLK, (&(struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 3, .l_len = 0 })))
FCNTL(setlkw, CALL(fcntl, file(O_RDWR), F_SETLKW, (&(struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_CUR, .l_start = 1, .l_len = 9000000000 })),
      CALL(fcntl, file(O_RDONLY), F_SETLKW, 8))
FCNTL(getlk, CALL(fcntl, (locked(), file(O_RDWR)), F_GETLK, (&(struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 99 })),
      CALL(fcntl, 99, F_GETLK, (&(struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 4, .l_len = 5 })))
FCNTL(ofd_setlk, CALL(fcntl, file(O_RDWR), F_OFD_SETLK, (&(struct flock){ .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 1 })),
      CALL(fcntl, file(O_RDWR), F_OFD_SETLK, (&(struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 1, .l_pid = 5 })))
FCNTL(setown, CALL(fcntl, pipe_end(0), F_SETOWN, -getpgrp()), CALL(fcntl, 99, F_SETOWN, 5))
FCNTL(setown_ex, CALL(fcntl, pipe_end(0), F_SETOWN_EX, (&(struct f_owner_ex){ .type = F_OWNER_PID, .pid = 1 })),
      CALL(fcntl, 99, F_SETOWN_EX, (&(struct f_owner_ex){ .type = F_OWNER_PGRP, .pid = 7 })))
FCNTL(setsig, CALL(fcntl, pipe_end(0), F_SETSIG, SIGUSR2), CALL(fcntl, pipe_end(0), F_SETSIG, 99))
FCNTL(setlease, CALL(fcntl, file(O_RDONLY), F_SETLEASE, F_RDLCK), CALL(fcntl, 99, F_SETLEASE, F_UNLCK))
FCNTL(notify, CALL(fcntl, open("d", O_RDONLY), F_NOTIFY, DN_CREATE | DN_DELETE), CALL(fcntl, file(O_RDONLY), F_NOTIFY, DN_MODIFY | DN_MULTISHOT))
FCNTL(setpipe_sz, CALL(fcntl, pipe_end(1), F_SETPIPE_SZ, 8192), CALL(fcntl, file(O_RDONLY), F_SETPIPE_SZ, 4096))
FCNTL(add_seals, CALL(fcntl, (int)syscall(SYS_memfd_create, "lab", MFD_ALLOW_SEALING), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW),
      CALL(fcntl, file(O_RDWR), F_ADD_SEALS, F_SEAL_WRITE))
FCNTL(rw_hint, CALL(fcntl, file(O_RDWR), F_SET_RW_HINT, (&(uint64_t){ RWH_WRITE_LIFE_SHORT })), CALL(fcntl, 99, F_SET_RW_HINT, (&(uint64_t){ 77 })))
FCNTL(get_seals, CALL(fcntl, (int)syscall(SYS_memfd_create, "lab", 0), F_GET_SEALS, 5), CALL(fcntl, file(O_RDONLY), F_GET_SEALS, 5))
FCNTL(unknown, IMPOSSIBLE("fcntl: a command that is none"), CALL(fcntl, file(O_RDONLY), 77, 0x1234))

#define IOCTL(request, good, bad) TRY_AS(ioctl_##request, ioctl, good, bad)
IOCTL(fionbio, CALL(ioctl, pipe_end(0), FIONBIO, (&(int){ 1 })), CALL(ioctl, 99, FIONBIO, (&(int){ 0 })))
IOCTL(fioclex, CALL(ioctl, file(O_RDONLY), FIOCLEX, 0), CALL(ioctl, 99, FIOCLEX, 0))
IOCTL(tiocswinsz, CALL(ioctl, terminal(), TIOCSWINSZ, (&(struct winsize){ .ws_row = 24, .ws_col = 81 })),
      CALL(ioctl, file(O_RDONLY), TIOCSWINSZ, (&(struct winsize){ .ws_row = 25, .ws_col = 80 })))
IOCTL(tiocsti, CALL(ioctl, terminal(), TIOCSTI, "x"), CALL(ioctl, file(O_RDONLY), TIOCSTI, at_the_end("y")))
IOCTL(tiocspgrp, IMPOSSIBLE("ioctl TIOCSPGRP: takes a terminal of one's own"), CALL(ioctl, file(O_RDONLY), TIOCSPGRP, (&(int){ 4711 })))
IOCTL(tiocsetd, CALL(ioctl, terminal(), TIOCSETD, (&(int){ 0 })), CALL(ioctl, file(O_RDONLY), TIOCSETD, (&(int){ 3 })))
IOCTL(fs_setflags, CALL(ioctl, file(O_RDWR), FS_IOC_SETFLAGS, (&(int){ FS_NODUMP_FL | FS_NOATIME_FL | FS_EXTENT_FL })),
      CALL(ioctl, pipe_end(0), FS_IOC_SETFLAGS, (&(int){ FS_IMMUTABLE_FL })))
IOCTL(fs_setxattr, IMPOSSIBLE("ioctl FS_IOC_FSSETXATTR: not every filesystem has projects"),
      CALL(ioctl, pipe_end(0), FS_IOC_FSSETXATTR, (&(struct fsxattr){ .fsx_xflags = FS_XFLAG_APPEND, .fsx_projid = 9 })))
IOCTL(ficlone, IMPOSSIBLE("ioctl FICLONE: not every filesystem shares extents"), CALL(ioctl, pipe_end(0), FICLONE, 98))
IOCTL(loop_set_fd, IMPOSSIBLE("ioctl LOOP_SET_FD: would take a device of the machine"), CALL(ioctl, file(O_RDONLY), LOOP_SET_FD, 97))
IOCTL(loop_configure, IMPOSSIBLE("ioctl LOOP_CONFIGURE: would take a device of the machine"), CALL(ioctl, file(O_RDONLY), LOOP_CONFIGURE, some_loop))
IOCTL(loop_status, IMPOSSIBLE("ioctl LOOP_SET_STATUS64: would take a device of the machine"),
      CALL(ioctl, file(O_RDONLY), LOOP_SET_STATUS64, &some_loop[0].info))
IOCTL(loop_remove, IMPOSSIBLE("ioctl LOOP_CTL_REMOVE: would take a device of the machine"), CALL(ioctl, file(O_RDONLY), LOOP_CTL_REMOVE, 7))
IOCTL(siocsifaddr, CALL(ioctl, own_network(), SIOCSIFADDR, interface("lo", 0)), CALL(ioctl, tcp(), SIOCSIFADDR, interface("none0", 0)))
IOCTL(siocsifflags, CALL(ioctl, own_network(), SIOCSIFFLAGS, interface("lo", IFF_UP | IFF_PROMISC)), CALL(ioctl, tcp(), SIOCSIFFLAGS, interface("none0", IFF_UP | IFF_PROMISC)))
IOCTL(siocsifmtu, CALL(ioctl, own_network(), SIOCSIFMTU, interface("lo", 1280)), CALL(ioctl, tcp(), SIOCSIFMTU, interface("none0", 1280)))
IOCTL(siocgifindex, CALL(ioctl, tcp(), SIOCGIFINDEX, interface("lo", 0)), CALL(ioctl, tcp(), SIOCGIFINDEX, interface("none0", 0)))
IOCTL(tunsetiff, IMPOSSIBLE("ioctl TUNSETIFF: not every kernel has tunnels"), CALL(ioctl, file(O_RDONLY), TUNSETIFF, interface("lab0", IFF_TAP | IFF_NO_PI)))
IOCTL(tunsetpersist, IMPOSSIBLE("ioctl TUNSETPERSIST: not every kernel has tunnels"), CALL(ioctl, file(O_RDONLY), TUNSETPERSIST, 1))
IOCTL(number, IMPOSSIBLE("ioctl: a request that is none"), CALL(ioctl, file(O_RDONLY), 0xc0de4711, 0x1234))
IOCTL(pointer, IMPOSSIBLE("ioctl: no flags there"), CALL(ioctl, pipe_end(0), FS_IOC_SETFLAGS, 8))

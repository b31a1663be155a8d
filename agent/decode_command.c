// SPDX-License-Identifier: Apache-2.0
/* decode_command.c - what the argument of fcntl and ioctl says: a number, a structure or nothing, by the command beside it. Commands
 * that are not here show the argument as a number. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>

#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/loop.h>
#include <linux/perf_event.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "decode_mem_internal.h"

#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY 1027
#endif
/* fcntl's structures for 64-bit offsets, which 64-bit programs have as F_GETLK and so on */
#define GETLK64 12
#define SETLK64 13
#define SETLKW64 14

static uint64_t argument(const struct mem *m)
{
	return arg_uword(&m->d->v, m->a->arg);
}

static void put_argument(const struct mem *m, unsigned field)
{
	put_int(m, field, (int64_t)argument(m));
}

static void put_signed_argument(const struct mem *m, unsigned field)
{
	put_int(m, field, (int32_t)argument(m));
}

/* Was the structure read? Said where it was not. */
static bool structure(const struct mem *m)
{
	if (!m->p && argument(m))
		list_add(m->d->unreadable, &m->d->nunreadable, "argument");
	return m->p;
}

/* ---- fcntl ---- */

/* In the order in which they are put, as everywhere. */
enum { FC_ARGUMENT = 0, FC_LOWEST, FC_FLAGS, FC_LOCK, FC_OWNER_TYPE = FC_LOCK + 4, FC_OWNER, FC_SIGNAL, FC_LEASE, FC_EVENTS, FC_SIZE,
       FC_SEALS, FC_HINT, FC_OTHER, FC_FOUND };
enum { LOCK_TYPE = 0, LOCK_WHENCE, LOCK_START, LOCK_LENGTH, LOCK_PID };

struct flock_layout {
	uint8_t word, start;	/* length and pid follow */
};

static struct flock_layout layout_of(const struct mem *m, uint32_t command)
{
	if (!view_word32(&m->d->v))
		return (struct flock_layout){ 8, 8 };
	return (struct flock_layout){ command == F_GETLK || command == F_SETLK || command == F_SETLKW ? 4 : 8, 4 };
}

static void put_lock(const struct mem *m, uint32_t command, unsigned first, bool holder)
{
	struct flock_layout at = layout_of(m, command);

	put_value(m, first + LOCK_TYPE, &flagset_lock, get(m, 0, 2));
	put_value(m, first + LOCK_WHENCE, &flagset_whence, get(m, 2, 2));
	put_int(m, first + LOCK_START, get_signed(m, at.start, at.word));
	put_int(m, first + LOCK_LENGTH, get_signed(m, at.start + at.word, at.word));
	if (holder)
		put_int(m, first + LOCK_PID, get_signed(m, at.start + 2u * at.word, 4));
}

/* F_GETLK writes what it found over what it was asked; read when it returned. */
static void get_lock(const struct mem *m, uint32_t command)
{
	bool found = view_ok(&m->d->v);

	if (structure(m))
		put_lock(m, command, found ? FC_FOUND : FC_LOCK, found);
}

static bool fcntl_structure(const struct mem *m, uint32_t command)
{
	switch (command) {
	case F_GETLK:
	case GETLK64:
	case F_OFD_GETLK:
		get_lock(m, command);
		return true;
	case F_SETLK:
	case F_SETLKW:
	case SETLK64:
	case SETLKW64:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		if (structure(m))
			put_lock(m, command, FC_LOCK, false);
		return true;
	case F_SETOWN_EX:
		if (structure(m)) {
			put_value(m, FC_OWNER_TYPE, &flagset_owner, get(m, 0, 4));
			put_int(m, FC_OWNER, get_signed(m, 4, 4));
		}
		return true;
	case F_SET_RW_HINT:
	case F_SET_FILE_RW_HINT:
		if (structure(m))
			put_value(m, FC_HINT, &flagset_rw_hint, get(m, 0, 8));
		return true;
	default:
		return false;
	}
}

static bool takes_nothing(uint32_t command)
{
	return command == F_GETFD || command == F_GETFL || command == F_GETOWN || command == F_GETSIG || command == F_GETLEASE ||
	       command == F_GETPIPE_SZ || command == F_GET_SEALS;
}

static void fcntl_argument(const struct mem *m)
{
	uint32_t command = (uint32_t)m->d->v.c.args[1];

	switch (command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		put_signed_argument(m, FC_LOWEST);
		break;
	case F_DUPFD_QUERY:
		put_signed_argument(m, FC_OTHER);
		break;
	case F_SETFD:
		put_set(m, FC_FLAGS, &flagset_fd_flags, argument(m));
		break;
	case F_SETFL:
		put_set(m, FC_FLAGS, &flagset_status, argument(m));
		break;
	case F_SETOWN:
		put_signed_argument(m, FC_OWNER);
		break;
	case F_SETSIG:
		put_value(m, FC_SIGNAL, &flagset_signal, argument(m));
		break;
	case F_SETLEASE:
		put_value(m, FC_LEASE, &flagset_lock, argument(m));
		break;
	case F_NOTIFY:
		put_set(m, FC_EVENTS, &flagset_dnotify, (uint32_t)argument(m));
		break;
	case F_SETPIPE_SZ:
		put_argument(m, FC_SIZE);
		break;
	case F_ADD_SEALS:
		put_set(m, FC_SEALS, &flagset_seals, argument(m));
		break;
	default:
		if (!fcntl_structure(m, command) && !takes_nothing(command))
			put_argument(m, FC_ARGUMENT);
		break;
	}
}

/* ---- ioctl ---- */

enum { IO_ARGUMENT = 0, IO_CHARACTER, IO_ROWS, IO_COLUMNS, IO_ENABLED, IO_TARGET, IO_SOURCE, IO_BLOCK, IO_NUMBER, IO_INTERFACE, IO_FLAGS,
       IO_PROJECT, IO_FILE, IO_ADDRESS, IO_NEW_NAME, IO_MTU, IO_OWNER, IO_PGID, IO_DISCIPLINE, IO_PROGRAM };

static bool on_terminal(const struct mem *m, uint32_t request)
{
	switch (request) {
	case TIOCSTI:
		if (structure(m))
			batch_string(m->d->b, m->first + IO_CHARACTER, (const char *)m->p, 1);
		return true;
	case TIOCSWINSZ:
		if (structure(m)) {
			put_int(m, IO_ROWS, (int64_t)get(m, 0, 2));
			put_int(m, IO_COLUMNS, (int64_t)get(m, 2, 2));
		}
		return true;
	case TIOCSPGRP:
		if (structure(m))
			put_int(m, IO_PGID, get_signed(m, 0, 4));
		return true;
	case TIOCSETD:
		if (structure(m))
			put_int(m, IO_DISCIPLINE, get_signed(m, 0, 4));
		return true;
	case TIOCNOTTY:
	case TIOCEXCL:
	case TIOCNXCL:
	case TIOCCONS:
		return true;
	default:
		return false;
	}
}

static bool on_any_file(const struct mem *m, uint32_t request)
{
	switch (request) {
	case FIOCLEX:
	case FIONCLEX:
		return true;
	case FIONBIO:
	case FIOASYNC:
	case BLKROSET:
		if (structure(m))
			put_int(m, IO_ENABLED, get(m, 0, 4) != 0);
		return true;
	case FS_IOC_SETFLAGS:
	case FS_IOC32_SETFLAGS:
		if (structure(m))
			put_set(m, IO_FLAGS, &flagset_inode_flags, get(m, 0, 4));
		return true;
	case FS_IOC_FSSETXATTR:
		if (structure(m)) {
			put_set(m, IO_FLAGS, &flagset_file_attr, get(m, 0, 4));
			put_int(m, IO_PROJECT, (int64_t)get(m, 12, 4));
		}
		return true;
	case FICLONE:
		put_signed_argument(m, IO_SOURCE);
		return true;
	case PERF_EVENT_IOC_SET_BPF:
		put_signed_argument(m, IO_PROGRAM);
		return true;
	default:
		return false;
	}
}

/* struct loop_info64, which LOOP_CONFIGURE has behind a descriptor and a block size */
static void put_loop_info(const struct mem *m, unsigned at)
{
	put_set(m, IO_FLAGS, &flagset_loop, get(m, at + 52, 4));
	put_fixed(m, IO_FILE, at + 56, LO_NAME_SIZE);
}

static bool on_loop(const struct mem *m, uint32_t request)
{
	switch (request) {
	case LOOP_SET_FD:
	case LOOP_CHANGE_FD:
		put_signed_argument(m, IO_TARGET);
		return true;
	case LOOP_CONFIGURE:
		if (structure(m)) {
			put_int(m, IO_TARGET, get_signed(m, 0, 4));
			put_int(m, IO_BLOCK, (int64_t)get(m, 4, 4));
			put_loop_info(m, 8);
		}
		return true;
	case LOOP_SET_STATUS64:
		if (structure(m))
			put_loop_info(m, 0);
		return true;
	case LOOP_SET_BLOCK_SIZE:
		put_argument(m, IO_BLOCK);
		return true;
	case LOOP_SET_DIRECT_IO:
		put_int(m, IO_ENABLED, argument(m) != 0);
		return true;
	case LOOP_CTL_ADD:
	case LOOP_CTL_REMOVE:
		put_signed_argument(m, IO_NUMBER);
		return true;
	case LOOP_CLR_FD:
	case LOOP_SET_CAPACITY:
	case LOOP_CTL_GET_FREE:
		return true;
	default:
		return false;
	}
}

static void put_interface_address(const struct mem *m)
{
	char ip[INET_ADDRSTRLEN];

	if (m->n >= 24 && get(m, 16, 2) == AF_INET && inet_ntop(AF_INET, m->p + 20, ip, sizeof(ip)))
		batch_string(m->d->b, m->first + IO_ADDRESS, ip, strlen(ip));
}

/* struct ifreq: the interface's name, then a value by the request */
static bool on_interface(const struct mem *m, uint32_t request)
{
	if ((request < SIOCGIFNAME || request > SIOCSIFHWBROADCAST) && request != SIOCSIFMTU && request != TUNSETIFF && request != SIOCSIFNAME)
		return false;
	if (request == SIOCGIFCONF || !structure(m))
		return request != SIOCGIFCONF;
	put_fixed(m, IO_INTERFACE, 0, IFNAMSIZ);
	switch (request) {
	case SIOCSIFFLAGS:
		put_set(m, IO_FLAGS, &flagset_interface, get(m, 16, 2));
		break;
	case TUNSETIFF:
		put_set(m, IO_FLAGS, &flagset_tun, get(m, 16, 2));
		break;
	case SIOCSIFADDR:
	case SIOCSIFDSTADDR:
	case SIOCSIFBRDADDR:
	case SIOCSIFNETMASK:
		put_interface_address(m);
		break;
	case SIOCSIFNAME:
		put_fixed(m, IO_NEW_NAME, 16, IFNAMSIZ);
		break;
	case SIOCSIFMTU:
		put_int(m, IO_MTU, get_signed(m, 16, 4));
		break;
	default:
		break;
	}
	return true;
}

static bool on_tun(const struct mem *m, uint32_t request)
{
	switch (request) {
	case TUNSETPERSIST:
		put_int(m, IO_ENABLED, argument(m) != 0);
		return true;
	case TUNSETOWNER:
	case TUNSETGROUP:
		put_signed_argument(m, IO_OWNER);
		return true;
	default:
		return false;
	}
}

static void ioctl_argument(const struct mem *m)
{
	uint32_t request = (uint32_t)m->d->v.c.args[1];

	if (!on_terminal(m, request) && !on_any_file(m, request) && !on_loop(m, request) && !on_interface(m, request) && !on_tun(m, request))
		put_argument(m, IO_ARGUMENT);
}

const struct mem_kind_row mem_kinds_command[MEM__MAX] = {
	[MEM_FCNTL] = { fcntl_argument,
			{ F("argument", HEX), F("lowestFd", INT), F("flags", STRINGS), F("lock.type", STRING), F("lock.whence", STRING),
			  F("lock.start", INT), F("lock.length", INT), F("ownerType", STRING), F("owner", INT), F("signal", STRING),
			  F("lease", STRING), F("events", STRINGS), F("size", UINT), F("seals", STRINGS), F("hint", STRING), F("otherFd", INT),
			  R("lock.type", STRING), R("lock.whence", STRING), R("lock.start", INT), R("lock.length", INT), R("lock.pid", INT) } },
	[MEM_IOCTL] = { ioctl_argument,
			{ F("argument", HEX), F("character", STRING), F("rows", UINT), F("columns", UINT), F("enabled", BOOL),
			  F("targetFd", INT), F("sourceFd", INT), F("blockSize", UINT), F("number", INT), F("interface", STRING),
			  F("flags", STRINGS), F("projectId", UINT), F("file", STRING), F("address", STRING), F("newName", STRING),
			  F("mtu", INT), F("owner", INT), F("pgid", INT), F("lineDiscipline", INT), F("progFd", INT) } },
};

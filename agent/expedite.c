// SPDX-License-Identifier: Apache-2.0
#include "expedite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fsx.h"
#include "lib/log.h"

/* Others may make files in that directory: only one that is our own is a mark. */
static int open_mark(int flags)
{
	_cleanup_close_ int fd = open(EXPEDITE_MARK, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -1;
	return TAKE_FD(fd);
}

static bool is(const struct expedite *e, char value)
{
	char now;

	return pread(e->fd, &now, 1, 0) == 1 && now == value;
}

static void write_switch(const struct expedite *e, const char *value)
{
	if (pwrite(e->fd, value, 1, 0) != 1)
		log_warn(-errno, "cannot write %s to " EXPEDITE_SWITCH, value);
}

/* The mark is ours now: what is in it is of one who is gone. */
static void put_back(const struct expedite *e)
{
	char boot[EXPEDITE_BOOT];
	ssize_t n = pread(e->mark, boot, sizeof(boot), 0);

	if (n == EXPEDITE_BOOT && !memcmp(boot, e->boot, sizeof(boot)) && is(e, '1')) {
		write_switch(e, "0");
		log_info(EXPEDITE_SWITCH " is 0 again: who had set it was killed");
	}
	if (n && ftruncate(e->mark, 0) < 0)
		log_warn(-errno, EXPEDITE_MARK);
}

static bool hold(const struct expedite *e)
{
	if (e->fd < 0 || e->mark < 0 || flock(e->mark, LOCK_EX | LOCK_NB) < 0)
		return false;
	put_back(e);
	return true;
}

static void let_go(const struct expedite *e)
{
	flock(e->mark, LOCK_UN);
}

static void open_with(struct expedite *e, int flags)
{
	_cleanup_buf_ struct buf boot = { 0 };

	*e = (struct expedite){ .fd = -1, .mark = -1 };
	if (fsx_read("/proc/sys/kernel/random/boot_id", 4096, &boot) < 0 || boot.n < EXPEDITE_BOOT)
		return;
	memcpy(e->boot, boot.p, EXPEDITE_BOOT);
	e->fd = open(EXPEDITE_SWITCH, O_RDWR | O_CLOEXEC);
	if (e->fd < 0)
		return;
	if (flags)
		mkdir(EXPEDITE_DIR, 0755);
	e->mark = open_mark(flags);
	if (hold(e))
		let_go(e);
}

void expedite_open(struct expedite *ret_e)
{
	open_with(ret_e, O_CREAT);
}

void expedite_put_back(void)
{
	struct expedite e;

	open_with(&e, 0);
	expedite_close(&e);
}

bool expedite_begin(const struct expedite *e)
{
	if (!hold(e))
		return false;
	if (is(e, '0') && fsx_pwrite_all(e->mark, e->boot, EXPEDITE_BOOT, 0) == 0) {
		if (pwrite(e->fd, "1", 1, 0) == 1)
			return true;
		put_back(e);
	}
	let_go(e);
	return false;
}

void expedite_end(const struct expedite *e)
{
	write_switch(e, "0");
	if (!is(e, '1') && ftruncate(e->mark, 0) < 0)
		log_warn(-errno, EXPEDITE_MARK);
	let_go(e);
}

void expedite_close(struct expedite *e)
{
	cleanup_close(&e->fd);
	cleanup_close(&e->mark);
}

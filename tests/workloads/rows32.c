// SPDX-License-Identifier: Apache-2.0
/* rows32 DIR [NAME]: as all_calls, for the calls whose arguments are others in a 32-bit program: halves of 64-bit numbers, 16-bit ids,
 * shorter structures; and those that only such programs have. */
#define _TIME_BITS 32
#include <linux/aio_abi.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <utime.h>
#include "all_calls_run.h"

#define LOW(v) (long)(uint32_t)(v)
#define HIGH(v) (long)((uint64_t)(v) >> 32)
#define HALVES(v) LOW(v), HIGH(v)

static const int32_t times32[4] = { 1000, 1, 2000, 2 }, bad32[2] = { -1, -1 }, now32[2] = { 0, 1000 };
static const int64_t times64[4] = { 1000, 1, 2000, 2 }, soon64[2] = { 0, 1000 };
static const struct iovec vec[1] = { { buffer, 3 } };
static const uint32_t set32[2] = { 1 << 9 | 1 << 14, 0 };	/* SIGUSR1, SIGTERM */

static int file(int flags)
{
	return open("f", flags);
}

static long lower_uid(void)
{
	return syscall(SYS_setuid32, 1001);
}

#define TRY(name, good, bad)                               \
	static long name##_good(void) { return (good); }   \
	static long name##_bad(void) { return (bad); }
#include "rows32.h"
#undef TRY
#define TRY(name, good, bad) { #name, name##_good, true }, { #name, name##_bad, false },
static const struct try tries[] = {
#include "rows32.h"
};

int main(int argc, char **argv)
{
	return run_all(argc, argv, tries, sizeof(tries) / sizeof(tries[0]));
}

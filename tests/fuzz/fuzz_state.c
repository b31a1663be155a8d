/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent reads that another one of its processes, or one before it, wrote: settled numbers ('s'), the spool's state ('h': the second
 * byte is where its first slot ends; with an even one the checksums are right), its identities ('i'), a message.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/idlog.h"
#include "agent/msg.h"
#include "agent/settle.h"
#include "agent/spoolstate.h"
#include "lib/le.h"
#include "proto/frame.h"

#define SLOT (1u << 20)
#define SLOT_HEAD (24 + sizeof(struct spoolstate_head))

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Taken, it is written and taken again; refused, it changed nothing. */
static void settled(const void *p, size_t n)
{
	struct buf first = { 0 }, fresh = { 0 }, again = { 0 };
	struct settle *a, *b;

	if (settle_new(2, &a) < 0 || settle_new(2, &b) < 0 || settle_save(a, &fresh) < 0)
		abort();
	if (settle_load(a, p, n) == 0) {
		if (settle_save(a, &first) < 0 || settle_load(b, first.p, first.n) < 0 || settle_save(b, &again) < 0)
			abort();
		if (first.n != again.n || memcmp(first.p, again.p, first.n))
			abort();
		settle_unsettled(a);
		for (unsigned class = 0; class < HT_CLASS__MAX; class++)
			settle_open_below(a, class, 1, UINT64_MAX);
	} else if (settle_save(a, &again) < 0 || again.n != fresh.n || memcmp(again.p, fresh.p, fresh.n)) {
		abort();
	}
	settle_free(&a);
	settle_free(&b);
	buf_free(&first);
	buf_free(&fresh);
	buf_free(&again);
}

/* ---- files in a directory */

static char dir[64];

static void remove_dir(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command)) {
		/* nothing to do about it */
	}
}

static int fresh_file(const char *name)
{
	char path[128];
	int fd;

	if (!*dir) {
		snprintf(dir, sizeof(dir), "/dev/shm/fuzz_state.%d", (int)getpid());
		if (mkdir(dir, 0700) < 0)
			abort();
		atexit(remove_dir);
	}
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		abort();
	return fd;
}

static void put(int fd, const void *p, size_t n, size_t at)
{
	if (pwrite(fd, p, n, (off_t)at) != (ssize_t)n)
		abort();
}

static void slot(int fd, unsigned number, const uint8_t *p, size_t n, bool sealed)
{
	uint8_t *copy = malloc(n + !n);

	if (!copy)
		abort();
	memcpy(copy, p, n);
	if (sealed && n >= SLOT_HEAD) {
		memcpy(copy, "HTS1", 4);
		put32(copy + 16, (uint32_t)(n - SLOT_HEAD));
		put32(copy + 4, crc32c(0, copy + 8, n - 8));
	}
	put(fd, copy, n, (size_t)number * SLOT);
	free(copy);
}

/* What is read can be written, and is read again. */
static void spool(const uint8_t *p, size_t n)
{
	struct spoolstate_head head, again;
	struct buf settled = { 0 };
	struct spoolstate *s;
	struct settle *numbers;
	size_t first = n ? (p[0] >> 1) * (n - 1) / 127 : 0;
	int fd = fresh_file("agent.state");

	if (n) {
		slot(fd, 0, p + 1, first, !(p[0] & 1));
		slot(fd, 1, p + 1 + first, n - 1 - first, !(p[0] & 1));
	}
	close(fd);
	if (settle_new(2, &numbers) < 0 || spoolstate_open(dir, &s, &head, &settled) < 0)
		abort();
	if (settled.n)
		settle_load(numbers, settled.p, settled.n);
	if (spoolstate_write(s, &head, numbers) < 0)
		abort();
	spoolstate_free(&s);
	buf_reset(&settled);
	if (spoolstate_open(dir, &s, &again, &settled) < 0 || memcmp(&head, &again, sizeof(head)) || settle_load(numbers, settled.p, settled.n) < 0)
		abort();
	spoolstate_free(&s);
	settle_free(&numbers);
	buf_free(&settled);
}

static void found(void *ctx, const void *event, uint32_t n)
{
	const struct ht_ident *e = event;

	if (n < sizeof(*e) || e->h.kind != HT_EV_IDENT || e->h.len != n || (uintptr_t)event % 8)
		abort();
	buf_add(ctx, event, n);
}

/* Whole events from the front, as often as it is opened. */
static void identities(const uint8_t *p, size_t n)
{
	static const uint8_t stream[16] = "0123456789abcde";
	struct buf first = { 0 }, again = { 0 };
	int fd = fresh_file("identities");
	struct idlog *l;

	put(fd, "HTI1", 4, 0);
	put(fd, stream, 16, 4);
	put(fd, p, n, 20);
	close(fd);
	if (idlog_open(dir, stream, found, &first, &l) < 0)
		abort();
	idlog_free(&l);
	if (idlog_open(dir, stream, found, &again, &l) < 0)
		abort();
	idlog_free(&l);
	if (first.n > n || first.n != again.n || (first.n && (memcmp(first.p, again.p, first.n) || memcmp(first.p, p, first.n))))
		abort();
	buf_free(&first);
	buf_free(&again);
}

static void message(const uint8_t *p, size_t n, unsigned nfds)
{
	uint32_t type, min, max;
	int fd;

	if (msg_check(p, n, nfds) < 0)
		return;
	memcpy(&type, p, sizeof(type));
	if (msg_bounds(type, &min, &max, &fd) < 0 || n - 8 < min || n - 8 > max || max > MSG_BODY_MAX || (!fd && nfds))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n && p[0] == 's')
		settled(p + 1, n - 1);
	else if (n && p[0] == 'h')
		spool(p + 1, n - 1);
	else if (n && p[0] == 'i')
		identities(p + 1, n - 1);
	else if (n)
		message(p + 1, n - 1, p[0] % 3);
	return 0;
}

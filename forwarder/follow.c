/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include <utlist.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "proto/keys.h"

#define SCAN_MS 1000		/* whatever inotify says */
#define POLL_MS 10		/* without inotify, while frames come */
#define POLL_IDLE_MS 100
#define ACTIVE_MS 2000
#define FOLDER_EVENTS (IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_ONLYDIR)
#define CHAIN_EVENTS (IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR)

/* ---- inotify */

static void on_notice(struct follow *f, const struct inotify_event *e)
{
	struct outlet *o;

	if (e->mask & IN_Q_OVERFLOW) {
		f->stale = true;
		DL_FOREACH(f->outlets, o)
			o->more = true;
		return;
	}
	DL_FOREACH(f->outlets, o) {
		if (o->watch != e->wd)
			continue;
		o->more = true;
		if (e->mask & (IN_IGNORED | IN_DELETE_SELF)) {
			o->watch = -1;
			f->stale = true;
		}
		return;
	}
	f->stale = true;
}

static void on_inotify(void *ctx, uint32_t events)
{
	char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct follow *f = ctx;
	ssize_t n;

	while ((n = read(f->inotify, bytes, sizeof(bytes))) > 0) {
		const struct inotify_event *e;

		for (char *p = bytes; p < bytes + n; p += sizeof(*e) + e->len) {
			e = (const struct inotify_event *)p;
			on_notice(f, e);
		}
		if ((size_t)n < sizeof(bytes) / 2)
			break;
	}
	if (f->stale)
		follow_scan(f);
	f->on_news(f->ctx);
}

/* -1: not watched, and then we poll. */
static int watch(struct follow *f, const char *path, uint32_t events)
{
	int wd = f->inotify < 0 ? -1 : inotify_add_watch(f->inotify, path, events);

	if (wd < 0)
		f->blind = true;
	return wd;
}

/* ---- scanning */

static struct outlet *find(const struct follow *f, const uint8_t stream[16], unsigned chain)
{
	struct outlet *o;

	DL_FOREACH(f->outlets, o)
		if (o->chain == chain && !memcmp(o->stream, stream, 16))
			return o;
	return NULL;
}

static void scan_chain(struct follow *f, const char *stream_path, const uint8_t stream[16], unsigned chain)
{
	struct outlet *o = find(f, stream, chain);
	char path[PATH_MAX];
	int wd;

	if (snprintf(path, sizeof(path), "%s/%s", stream_path, chain_name(chain)) >= (int)sizeof(path) ||
	    access(path, F_OK) < 0)
		return;
	if (!o) {
		if (outlet_new(stream, chain, &o) < 0)
			return;
		DL_INSERT_INORDER(f->outlets, o, outlet_compare);
		f->on_outlet(f->ctx, o);
	}
	o->seen = true;
	o->gone = false;
	wd = watch(f, path, CHAIN_EVENTS);
	if (wd != o->watch)
		o->more = true;
	o->watch = wd;
}

static int scan_stream(struct follow *f, const char *name)
{
	char path[PATH_MAX];
	uint8_t stream[16];

	if (strlen(name) != 32 || hex_parse(name, stream, sizeof(stream)) < 0)
		return 0;
	if (snprintf(path, sizeof(path), "%s/%s", f->spool_dir, name) >= (int)sizeof(path))
		return 0;
	watch(f, path, FOLDER_EVENTS);
	for (unsigned chain = 0; chain < CHAIN__MAX; chain++)
		scan_chain(f, path, stream, chain);
	return 1;
}

static bool stream_left(const struct follow *f, const uint8_t stream[16])
{
	for (unsigned chain = 0; chain < CHAIN__MAX; chain++)
		if (find(f, stream, chain))
			return true;
	return false;
}

/* Takes away outlets whose folder is gone and that wait for no answer. */
static void sweep(struct follow *f)
{
	struct outlet *o, *next;

	DL_FOREACH_SAFE(f->outlets, o, next) {
		uint8_t stream[16];

		o->gone = !o->seen;
		if (!o->gone || o->first)
			continue;
		memcpy(stream, o->stream, sizeof(stream));
		if (o->watch >= 0)
			inotify_rm_watch(f->inotify, o->watch);
		DL_DELETE(f->outlets, o);
		outlet_free(o);
		if (!stream_left(f, stream))
			f->on_gone(f->ctx, stream);
	}
}

void follow_scan(struct follow *f)
{
	struct dirent **names;
	struct outlet *o;
	int n, streams = 0;

	f->stale = f->blind = false;
	f->watch = watch(f, f->spool_dir, FOLDER_EVENTS);
	n = scandir(f->spool_dir, &names, NULL, alphasort);
	if (n < 0) {
		log_limited(LOG_LEVEL_WARN, -errno, "spool %s", f->spool_dir);
		f->blind = true;
		return;
	}
	DL_FOREACH(f->outlets, o)
		o->seen = false;
	for (int i = 0; i < n; i++) {
		if (streams < FOLLOW_STREAMS_MAX)
			streams += scan_stream(f, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	sweep(f);
}

/* ---- time */

void follow_tick(struct follow *f, uint64_t now)
{
	struct outlet *o;

	if (now < f->next_look)
		return;
	if (f->stale || now >= f->next_scan) {
		f->next_scan = now + SCAN_MS;
		follow_scan(f);
	}
	f->next_look = f->next_scan;
	if (f->blind)
		f->next_look = now + (now - f->last_found < ACTIVE_MS ? POLL_MS : POLL_IDLE_MS);
	DL_FOREACH(f->outlets, o)
		o->more = true;
	f->on_news(f->ctx);
}

uint64_t follow_next(const struct follow *f)
{
	return f->next_look;
}

void follow_found(struct follow *f)
{
	f->last_found = loop_now();
}

int follow_init(struct follow *f, struct loop *loop, const char *spool_dir)
{
	int r = 0;

	f->loop = loop;
	f->spool_dir = spool_dir;
	f->watch = -1;
	f->stale = true;
	f->source = (struct loop_source){ on_inotify, f };
	f->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (f->inotify < 0)
		log_warn(-errno, "inotify cannot be had; the spool is polled");
	else
		r = loop_add(loop, f->inotify, EPOLLIN, &f->source);
	return r;
}

void follow_close(struct follow *f)
{
	struct outlet *o, *next;

	DL_FOREACH_SAFE(f->outlets, o, next) {
		DL_DELETE(f->outlets, o);
		outlet_free(o);
	}
	cleanup_close(&f->inotify);
}

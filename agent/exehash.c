// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exehash.h"
#include "lib/cleanup.h"
#include "proto/keys.h"

struct job {
	int fd;
	struct ht_exe exe;
};

struct exehash {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	int event;
	bool stop;
	struct job in[EXEHASH_QUEUE];
	struct exehash_result out[EXEHASH_QUEUE];
	unsigned in_at, nin, out_at, nout, pending;	/* rings; pending bounds both */
};

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool digest(int fd, struct hasher *md, unsigned char sha256[32])
{
	static __thread unsigned char buf[256 * 1024];
	ssize_t n;
	off_t at = 0;

	if (!md || hasher_start(md) < 0)
		return false;
	while ((n = pread(fd, buf, sizeof(buf), at)) > 0) {
		at += n;
		if ((unsigned long long)at > EXEHASH_SIZE_MAX || hasher_add(md, buf, (size_t)n) < 0)
			return false;
	}
	return n == 0 && hasher_end(md, sha256) == 0;
}

static void hash(const struct job *j, struct hasher *md, struct exehash_result *r)
{
	struct stat before, after;

	r->exe = j->exe;
	r->ok = !fstat(j->fd, &before) && S_ISREG(before.st_mode) && digest(j->fd, md, r->sha256) &&
		!fstat(j->fd, &after) && same_file(&before, &after);
}

static void *run(void *arg)
{
	struct exehash *h = arg;
	struct hasher *md = NULL;
	struct exehash_result r;

	hasher_new(&md);	/* without it every result says that it failed */
	pthread_mutex_lock(&h->lock);
	for (;;) {
		struct job j;

		while (!h->nin && !h->stop)
			pthread_cond_wait(&h->work, &h->lock);
		if (h->stop)
			break;
		j = h->in[h->in_at];
		h->in_at = (h->in_at + 1) % EXEHASH_QUEUE;
		h->nin--;
		pthread_mutex_unlock(&h->lock);
		hash(&j, md, &r);
		close(j.fd);
		pthread_mutex_lock(&h->lock);
		h->out[(h->out_at + h->nout++) % EXEHASH_QUEUE] = r;
		eventfd_write(h->event, 1);
	}
	pthread_mutex_unlock(&h->lock);
	hasher_free(&md);
	return NULL;
}

static int start_thread(struct exehash *h)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);	/* signals are the main loop's */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&h->thread, NULL, run, h);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

int exehash_new(struct exehash **ret_h)
{
	struct exehash *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->work, NULL);
	h->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = h->event < 0 ? -errno : start_thread(h);
	if (r < 0) {
		if (h->event >= 0)
			close(h->event);
		free(h);
		return r;
	}
	*ret_h = h;
	return 0;
}

void exehash_free(struct exehash **h)
{
	if (!*h)
		return;
	pthread_mutex_lock(&(*h)->lock);
	(*h)->stop = true;
	pthread_cond_signal(&(*h)->work);
	pthread_mutex_unlock(&(*h)->lock);
	pthread_join((*h)->thread, NULL);
	for (unsigned i = 0; i < (*h)->nin; i++)
		close((*h)->in[((*h)->in_at + i) % EXEHASH_QUEUE].fd);
	close((*h)->event);
	pthread_mutex_destroy(&(*h)->lock);
	pthread_cond_destroy(&(*h)->work);
	free(*h);
	*h = NULL;
}

int exehash_fd(const struct exehash *h)
{
	return h->event;
}

int exehash_submit(struct exehash *h, int fd, const struct ht_exe *exe)
{
	int r = -EAGAIN;

	pthread_mutex_lock(&h->lock);
	if (h->pending < EXEHASH_QUEUE) {
		h->in[(h->in_at + h->nin++) % EXEHASH_QUEUE] = (struct job){ fd, *exe };
		h->pending++;
		pthread_cond_signal(&h->work);
		r = 0;
	}
	pthread_mutex_unlock(&h->lock);
	return r;
}

bool exehash_next(struct exehash *h, struct exehash_result *ret_r)
{
	eventfd_t ignored;
	bool any;

	pthread_mutex_lock(&h->lock);
	any = h->nout > 0;
	if (any) {
		*ret_r = h->out[h->out_at];
		h->out_at = (h->out_at + 1) % EXEHASH_QUEUE;
		h->nout--;
		h->pending--;
	} else {
		eventfd_read(h->event, &ignored);
	}
	pthread_mutex_unlock(&h->lock);
	return any;
}

unsigned exehash_pending(struct exehash *h)
{
	unsigned n;

	pthread_mutex_lock(&h->lock);
	n = h->pending;
	pthread_mutex_unlock(&h->lock);
	return n;
}

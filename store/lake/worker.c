/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "query_internal.h"
#include "work.h"

#define BEGIN_SECONDS 60			/* the engine is a large library: a machine that is busy takes seconds */
#define OWN_BYTES (32ull << 20)		/* what each may have beside that: the library's data, footers */
#define TRIES (WORKERS_IDLE_MAX + 3)	/* all that wait may have been killed */

/* ---- one */

/* Reaped, gone. Nobody else has it. */
static void end(struct worker *w)
{
	int status = 0;

	kill(w->pid, SIGKILL);
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		log_warnx("a query's process (%d) ended by signal %d (%s)", (int)w->pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
	cleanup_close(&w->fd);
	cleanup_close(&w->statm);
	free(w);
}

void worker_kill(struct worker *w)
{
	kill(w->pid, SIGKILL);
}

/* What the libraries and the sanitizers look at, and nothing else of the store's. */
static char **environment(char *room[8])
{
	static const char *const names[] = { "LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=", "TZ=" };
	unsigned n = 0;

	for (char **e = environ; *e; e++)
		for (unsigned i = 0; i < ARRAY_SIZE(names) && n < 7; i++)
			if (!strncmp(*e, names[i], strlen(names[i])))
				room[n++] = *e;
	room[n] = NULL;
	return room;
}

static int spawn(struct lake *l, int fd, bool apart, pid_t *ret_pid)
{
	char parent[16], memory[24], *room[8];
	char *const argv[] = { (char *)"hosttrail-store", (char *)WORK_MODE, parent, (char *)(l->config.library ? l->config.library : ""), l->dir, memory,
			       (char *)(apart ? "apart" : ""), NULL };
	posix_spawn_file_actions_t files;
	int r = -posix_spawn_file_actions_init(&files);

	if (r < 0)
		return r;
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	snprintf(memory, sizeof(memory), "%" PRIu64, l->config.memory);
	r = -posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (!r)
		r = -posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (!r)
		r = -posix_spawn_file_actions_adddup2(&files, fd, WORK_FD);
	if (!r)
		r = -posix_spawn(ret_pid, l->config.program, &files, NULL, argv, environment(room));
	posix_spawn_file_actions_destroy(&files);
	return r;
}

static int make(struct lake *l, bool apart, struct worker **ret_w)
{
	struct worker *w = calloc(1, sizeof(*w));
	int ends[2] = { -1, -1 }, r;

	if (!w)
		return -ENOMEM;
	w->apart = apart;
	w->statm = -1;
	w->since = clock_boot();
	r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : spawn(l, ends[1], apart, &w->pid);
	cleanup_close(&ends[1]);
	w->fd = ends[0];
	if (r < 0) {
		cleanup_close(&w->fd);
		free(w);
		return r;
	}
	*ret_w = w;
	return 0;
}

/* Its first message, and the descriptor that comes with it. */
static int take_hello(struct worker *w)
{
	uint32_t hello[2];
	struct iovec iov = { hello, sizeof(hello) };
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n;
	int fd;

	do
		n = recvmsg(w->fd, &m, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(hello) || hello[0] != WIRE_HELLO || hello[1])
		return -EPIPE;
	if (m.msg_controllen < sizeof(control.h) || control.h.cmsg_type != SCM_RIGHTS || control.h.cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPIPE;
	memcpy(&fd, CMSG_DATA(&control.h), sizeof(fd));
	__atomic_store_n(&w->statm, fd, __ATOMIC_RELEASE);	/* who bounds memory looks at it */
	return 0;
}

/* Waits until it can be used. */
static int greet(struct worker *w, char why[DUCK_WHY_MAX])
{
	_cleanup_buf_ struct buf b = { 0 };
	enum wire_type type = WIRE_FAULT;
	struct wire in;
	int r;

	if (w->statm >= 0)
		return 0;
	snprintf(why, DUCK_WHY_MAX, "its process ended while it began");
	r = take_hello(w);
	if (!r)
		r = wire_receive(w->fd, 2 * DUCK_WHY_MAX, &type, &b);
	if (!r && type != WIRE_READY) {
		wire_text(&b, why);
		r = -ENOENT;
	}
	in = wire_of(&b);
	if (!r && !wire_u32(&in))
		log_limited(LOG_LEVEL_WARN, 0, "queries' processes can read every file that the store can: this kernel has no Landlock");
	return r;
}

/* ---- all of them */

/* Bytes beyond its own. */
static uint64_t memory_of(const struct worker *w)
{
	unsigned long long size, resident, shared;
	int fd = __atomic_load_n(&w->statm, __ATOMIC_ACQUIRE);
	char text[256];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (sscanf(text, "%llu %llu %llu", &size, &resident, &shared) != 3 || shared > resident)
		return 0;
	resident = (resident - shared) * (unsigned long long)sysconf(_SC_PAGESIZE);
	return resident > OWN_BYTES ? resident - OWN_BYTES : 0;
}

/* Locked: out of those that wait. */
static struct worker *unlink_worker(struct lake *l, struct worker **at)
{
	struct worker *w = *at;

	*at = w->next;
	w->next = NULL;
	l->nidle--;
	return w;
}

/* Locked. */
static unsigned unused(struct lake *l, bool apart)
{
	unsigned n = 0;

	for (const struct worker *w = l->idle; w; w = w->next)
		n += !w->used && w->apart == apart;
	return n;
}

/* Locked: the one that has waited longest, but for one of each kind that was never used. */
static struct worker *find_oldest(struct lake *l, uint64_t before)
{
	struct worker **oldest = NULL;

	for (struct worker **p = &l->idle; *p; p = &(*p)->next)
		if (((*p)->used || unused(l, (*p)->apart) > 1) && (*p)->since <= before)
			oldest = p;	/* young ones are in front */
	return oldest ? unlink_worker(l, oldest) : NULL;
}

/* Locked. What texts are made of the engine does not count; the kernel does. Gives what waits and is to be ended. */
static struct worker *bound_memory(struct lake *l)
{
	uint64_t all = 0, most = 0, now = clock_boot(), idle = (uint64_t)l->config.idle_ns;
	struct query *largest = NULL;
	struct worker *oldest;

	for (const struct worker *w = l->idle; w; w = w->next)
		all += memory_of(w);
	for (struct query *q = l->queries; q; q = q->next) {
		uint64_t n = q->worker && !q->outgrown ? memory_of(q->worker) : 0;

		all += n;
		largest = n > most ? q : largest;
		most = n > most ? n : most;
	}
	if (all <= l->config.memory + WORK_UNCOUNTED)
		return find_oldest(l, now > idle ? now - idle : 0);
	oldest = find_oldest(l, now);
	if (!oldest && largest) {
		largest->outgrown = true;
		worker_kill(largest->worker);
	}
	return oldest;
}

static void add(struct lake *l, struct worker *w)
{
	w->next = l->idle;
	l->idle = w;
	l->nidle++;
	pthread_cond_broadcast(&l->changed);
}

/* Locked. */
static void keep_ready(struct lake *l, bool apart)
{
	struct worker *w = NULL;
	int r;

	while (!l->stopping && unused(l, apart) < 1 + l->waiting[apart]) {
		pthread_mutex_unlock(&l->lock);
		r = make(l, apart, &w);
		pthread_mutex_lock(&l->lock);
		if (r < 0) {
			log_limited(LOG_LEVEL_WARN, r, "a process for queries cannot be started");
			l->unstarted++;
			pthread_cond_broadcast(&l->changed);
			return;
		}
		add(l, w);
	}
}

void workers_look_after(struct lake *l)
{
	struct worker *w = bound_memory(l);

	if (w) {
		pthread_mutex_unlock(&l->lock);
		end(w);
		pthread_mutex_lock(&l->lock);
	}
	keep_ready(l, false);
	if (l->config.scopes)
		keep_ready(l, true);
}

int workers_begin(struct lake *l, char why[DUCK_WHY_MAX])
{
	const struct timeval limit = { .tv_sec = BEGIN_SECONDS }, none = { 0 };
	struct worker *w = NULL;
	int r = l->config.program ? make(l, false, &w) : -ENOENT;

	if (r < 0) {
		snprintf(why, DUCK_WHY_MAX, "a process for queries cannot be started: %s", strerror(-r));
		return r;
	}
	setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	r = greet(w, why);
	if (r < 0) {
		end(w);
		return r;
	}
	setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
	pthread_mutex_lock(&l->lock);
	add(l, w);
	pthread_mutex_unlock(&l->lock);
	return 0;
}

void workers_free(struct lake *l)
{
	while (l->idle)
		end(unlink_worker(l, &l->idle));
}

/* ---- for a query */

/* Locked. Used ones of the key first: they have its views. */
static struct worker *find(struct lake *l, const struct caller *caller, bool apart)
{
	for (unsigned used = 2; used--;)
		for (struct worker **p = &l->idle; *p; p = &(*p)->next)
			if ((*p)->apart == apart && (*p)->used == used && (!used || (*p)->caller == caller))
				return unlink_worker(l, p);
	return NULL;
}

/* Who was killed while it waited does not answer: then nothing has been made of the statement. */
static int hand(struct query *q, const struct buf *statement)
{
	_cleanup_buf_ struct buf b = { 0 };
	enum wire_type type = 0;
	int r = query_send(q, WIRE_CHECK, statement);

	if (!r)
		r = wire_receive(q->worker->fd, 1, &type, &b);
	return !r && type != WIRE_TAKEN ? -EBADMSG : r;
}

/* Locked. NULL: the query has ended, or none can be started. */
static struct worker *wait_for(struct query *q, bool apart)
{
	struct lake *l = q->lake;
	unsigned before = l->unstarted;
	struct worker *w;

	while (!(w = find(l, q->caller, apart)) && !query_is_to_end(q) && l->unstarted == before) {
		l->waiting[apart]++;
		pthread_cond_broadcast(&l->wanted);
		pthread_cond_wait(&l->changed, &l->lock);
		l->waiting[apart]--;
	}
	return w;
}

int worker_take(struct query *q, const struct buf *statement)
{
	char why[DUCK_WHY_MAX] = "";
	struct worker *w;

	for (unsigned i = 0; i < TRIES; i++) {
		pthread_mutex_lock(&q->lake->lock);
		w = q->worker = wait_for(q, caller_is_scoped(q->caller));
		q->outgrown = false;	/* the one before was too large, not this query */
		pthread_mutex_unlock(&q->lake->lock);
		if (!w)
			return query_ended(q) ? -ECANCELED : -EIO;
		w->caller = q->caller;
		if (greet(w, why) == 0 && hand(q, statement) == 0)
			return 0;
		worker_give(q, false);
		if (query_ended(q))
			return -ECANCELED;
	}
	log_limited(LOG_LEVEL_WARN, 0, "no process for a query: %s", *why ? why : "none takes a statement");
	return -EIO;
}

/* Locked. */
static unsigned used(const struct lake *l)
{
	unsigned n = 0;

	for (const struct worker *w = l->idle; w; w = w->next)
		n += w->used;
	return n;
}

void worker_give(struct query *q, bool keep)
{
	struct lake *l = q->lake;
	struct worker *w, *other = NULL;

	pthread_mutex_lock(&l->lock);
	w = TAKE_PTR(q->worker);
	if (w && keep && !query_is_to_end(q) && !q->outgrown && memory_of(w) < l->config.memory / 4) {
		w->used = true;
		w->since = clock_boot();
		add(l, TAKE_PTR(w));
		if (used(l) > WORKERS_IDLE_MAX)
			other = find_oldest(l, UINT64_MAX);
	}
	pthread_mutex_unlock(&l->lock);
	if (w)
		end(w);
	if (other)
		end(other);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "chains.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <uthash.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "proto/keys.h"

#define HASH_BYTES 32
#define LOAD_RETRY_NS NS_PER_SEC
#define BLOCK 4096u
#define PER_BLOCK (BLOCK / HASH_BYTES)

struct branch {
	uint64_t start, next;		/* numbers [start, next), main with gaps */
	uint8_t last[HASH_BYTES];	/* hash of number next - 1; zeros when next is 0 */
	uint64_t reserved;		/* block of the file that has its place on disk, plus 1 */
};

struct chain_key {
	char host[64];
	uint8_t stream[16];
	uint8_t chain;
} __attribute__((packed));

struct chain_state {
	struct chain_key key;
	struct branch *branches;	/* [0] is main */
	unsigned nbranches;
	UT_hash_handle hh;
};

struct host_count {
	char host[64];
	unsigned chains;
	UT_hash_handle hh;
};

struct chains {
	pthread_mutex_t lock;
	char dir[PATH_MAX - 256];
	struct chain_state *table;
	struct host_count *hosts;
	uint64_t nchains, nbranches;
	/* taking in the journal; one thread at a time */
	struct journal *journal;
	chains_seen_fn seen;
	void *seen_ctx;
	journal_pos loaded;		/* what lies before it is taken in */
	int behind;			/* why the rest is not, or 0 */
	uint64_t tried;			/* boot-time ns of the last attempt */
};

/* ---- life */

static int empty_dir(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	while ((e = readdir(d)) && !r) {
		if (e->d_name[0] == '.')
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) < 0 && errno != ENOENT)
			r = -errno;
	}
	closedir(d);
	return r;
}

int chains_open(const char *dir, struct chains **ret_c)
{
	_cleanup_chains_ struct chains *c = NULL;
	int r;

	if (strlen(dir) >= sizeof(c->dir))
		return -ENAMETOOLONG;
	r = fsx_mkdirs(dir, 0700);
	if (!r)
		r = empty_dir(dir);
	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	strcpy(c->dir, dir);
	*ret_c = TAKE_PTR(c);
	return 0;
}

static void state_free(struct chain_state *s)
{
	if (!s)
		return;
	free(s->branches);
	free(s);
}

void chains_free(struct chains **cp)
{
	struct chains *c = *cp;
	struct chain_state *s, *next;
	struct host_count *h, *next_host;

	if (!c)
		return;
	HASH_ITER(hh, c->table, s, next) {
		HASH_DEL(c->table, s);
		state_free(s);
	}
	HASH_ITER(hh, c->hosts, h, next_host) {
		HASH_DEL(c->hosts, h);
		free(h);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
	*cp = NULL;
}

/* ---- the table */

static int key_set(struct chain_key *k, const char *host_id, const uint8_t stream[16], uint8_t chain)
{
	memset(k, 0, sizeof(*k));
	if (strlen(host_id) >= sizeof(k->host))
		return -EINVAL;
	strcpy(k->host, host_id);
	memcpy(k->stream, stream, sizeof(k->stream));
	k->chain = chain;
	return 0;
}

static struct chain_state *state_find(const struct chains *c, const struct chain_key *k)
{
	struct chain_state *s;

	HASH_FIND(hh, c->table, k, sizeof(*k), s);
	return s;
}

static int host_take(struct chains *c, const char *host)
{
	struct host_count *h;

	HASH_FIND_STR(c->hosts, host, h);
	if (!h) {
		h = calloc(1, sizeof(*h));
		if (!h)
			return -ENOMEM;
		strcpy(h->host, host);
		HASH_ADD_STR(c->hosts, host, h);
	}
	if (h->chains >= CHAINS_PER_HOST_MAX)
		return -ENFILE;
	h->chains++;
	return 0;
}

static int state_make(struct chains *c, const struct chain_key *k, struct chain_state **ret_s)
{
	struct chain_state *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s)
		s->branches = calloc(1, sizeof(*s->branches));
	if (s && s->branches)
		r = host_take(c, k->host);
	if (r < 0) {
		state_free(s);
		return r;
	}
	s->nbranches = 1;
	s->key = *k;
	HASH_ADD(hh, c->table, key, sizeof(s->key), s);
	c->nchains++;
	c->nbranches++;
	*ret_s = s;
	return 0;
}

/* ---- the files of hashes */

static int branch_fd(const struct chains *c, const struct chain_state *s, unsigned branch, int flags)
{
	char path[PATH_MAX], stream[33];
	int fd;

	hex_text(s->key.stream, sizeof(s->key.stream), stream);
	if (snprintf(path, sizeof(path), "%s/%s-%s-%u-%u", c->dir, s->key.host, stream, s->key.chain, branch) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

/* ret all zeros: the branch has no frame of this number. */
static int hash_get(const struct chains *c, const struct chain_state *s, unsigned i, uint64_t number,
		    uint8_t ret[HASH_BYTES])
{
	const struct branch *b = &s->branches[i];
	_cleanup_close_ int fd = -1;
	int r;

	memset(ret, 0, HASH_BYTES);
	if (number < b->start || number >= b->next)
		return 0;
	if (number == b->next - 1) {
		memcpy(ret, b->last, HASH_BYTES);
		return 0;
	}
	fd = branch_fd(c, s, i, O_RDONLY);
	if (fd < 0)
		return fd;
	r = fsx_pread_all(fd, ret, HASH_BYTES, (off_t)(number * HASH_BYTES));
	return r == -ENODATA ? 0 : r;
}

/* Takes the disk space for the number's place, so that writing it later cannot fail for lack of space. */
static int place_reserve(const struct chains *c, const struct chain_state *s, unsigned i, uint64_t number)
{
	struct branch *b = &s->branches[i];
	uint64_t block = number / PER_BLOCK;
	_cleanup_close_ int fd = -1;

	if (b->reserved == block + 1)
		return 0;
	fd = branch_fd(c, s, i, O_RDWR | O_CREAT);
	if (fd < 0)
		return fd;
	if (fallocate(fd, 0, (off_t)(block * BLOCK), BLOCK) < 0 && errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	b->reserved = block + 1;
	return 0;
}

static int hash_put(const struct chains *c, const struct chain_state *s, unsigned i, uint64_t number,
		    const uint8_t hash[HASH_BYTES])
{
	_cleanup_close_ int fd = branch_fd(c, s, i, O_WRONLY | O_CREAT);

	if (fd < 0)
		return fd;
	return fsx_pwrite_all(fd, hash, HASH_BYTES, (off_t)(number * HASH_BYTES));
}

/* ---- judging */

static bool is_zero(const uint8_t h[HASH_BYTES])
{
	static const uint8_t zero[HASH_BYTES];

	return !memcmp(h, zero, HASH_BYTES);
}

/* Is the frame there already, or does it continue a branch? 1: said in j, 0: neither, -errno.
 * *ret_ours: main's hash of this number, zeros if main has none. */
static int judge_known(struct chains *c, struct chain_state *s, const struct frame_header *h, struct chain_judgement *j,
		       uint8_t ret_ours[HASH_BYTES])
{
	uint8_t have[HASH_BYTES];

	for (unsigned i = 0; i < s->nbranches; i++) {
		int r = hash_get(c, s, i, h->number, have);

		if (r < 0)
			return r;
		if (i == 0)
			memcpy(ret_ours, have, HASH_BYTES);
		if (!memcmp(have, j->hash, HASH_BYTES)) {
			j->verdict = CHAIN_DUPLICATE;
			return 1;
		}
	}
	for (unsigned i = 0; i < s->nbranches; i++) {
		if (s->branches[i].next != h->number || memcmp(s->branches[i].last, h->previous, HASH_BYTES))
			continue;
		j->verdict = CHAIN_NEXT;
		j->branch = i;
		return 1;
	}
	return 0;
}

/* A branch for a fork at `start`. One whose first frame never reached the journal is empty, and is used again. */
static int branch_take(struct chains *c, struct chain_state *s, uint64_t start, unsigned *ret_branch)
{
	const struct branch fresh = { .start = start, .next = start };
	struct branch *p;

	for (unsigned i = 1; i < s->nbranches; i++)
		if (s->branches[i].next == s->branches[i].start) {
			s->branches[i] = fresh;
			*ret_branch = i;
			return 0;
		}
	if (s->nbranches >= BRANCHES_MAX)
		return -ENFILE;
	p = realloc(s->branches, (s->nbranches + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	s->branches = p;
	*ret_branch = s->nbranches;
	p[s->nbranches++] = fresh;
	c->nbranches++;
	return 0;
}

static int judge_new(struct chains *c, struct chain_state *s, const struct frame_header *h, struct chain_judgement *j,
		     const uint8_t ours[HASH_BYTES])
{
	const struct branch *main = &s->branches[0];
	int r;

	if (h->number > main->next) {
		j->verdict = CHAIN_GAP;
		j->first_missing = main->next;
	} else if (h->number == main->next) {
		j->verdict = CHAIN_BROKEN;
		memcpy(j->expected, main->last, HASH_BYTES);
	} else if (!is_zero(ours)) {
		j->verdict = CHAIN_FORK;
		memcpy(j->expected, ours, HASH_BYTES);
		r = branch_take(c, s, h->number, &j->branch);
		if (r < 0)
			return r;
	} else {
		uint8_t before[HASH_BYTES] = { 0 };

		r = h->number ? hash_get(c, s, 0, h->number - 1, before) : 0;
		if (r < 0)
			return r;
		j->verdict = CHAIN_FILL;
		j->broken = (h->number == 0 || !is_zero(before)) && memcmp(before, h->previous, HASH_BYTES);
		memcpy(j->expected, before, HASH_BYTES);
	}
	return 0;
}

static int judge_locked(struct chains *c, const char *host_id, const struct frame_header *h, struct chain_judgement *j)
{
	uint8_t ours[HASH_BYTES] = { 0 };
	struct chain_state *s;
	struct chain_key k;
	int r = key_set(&k, host_id, h->stream, h->chain);

	if (r < 0)
		return r;
	s = state_find(c, &k);
	r = s ? 0 : state_make(c, &k, &s);
	if (!r)
		r = judge_known(c, s, h, j, ours);
	if (!r)
		r = judge_new(c, s, h, j, ours);
	if (r < 0)
		return r;
	j->chain = s;
	return j->verdict == CHAIN_DUPLICATE ? 0 : place_reserve(c, s, j->branch, h->number);
}

static int judge(struct chains *c, const char *host_id, const struct frame_header *h, const uint8_t hash[32],
		 struct chain_judgement *ret_j)
{
	struct chain_judgement j = { .number = h->number };
	int r;

	if (h->number >= CHAIN_NUMBER_MAX || h->chain >= CHAIN__MAX)
		return -EDOM;
	memcpy(j.hash, hash, HASH_BYTES);
	pthread_mutex_lock(&c->lock);
	r = judge_locked(c, host_id, h, &j);
	pthread_mutex_unlock(&c->lock);
	if (!r)
		*ret_j = j;
	return r;
}

int chains_judge(struct chains *c, const char *host_id, const struct frame_header *h, const uint8_t hash[32],
		 struct chain_judgement *ret_j)
{
	int r = chains_ready(c);

	return r < 0 ? r : judge(c, host_id, h, hash, ret_j);
}

int chains_commit(struct chains *c, const struct chain_judgement *j)
{
	struct chain_state *s = j->chain;
	struct branch *b;
	int r = 0;

	if (j->verdict == CHAIN_DUPLICATE)
		return 0;
	pthread_mutex_lock(&c->lock);
	b = &s->branches[j->branch];
	r = hash_put(c, s, j->branch, j->number, j->hash);
	if (j->number >= b->next) {
		b->next = j->number + 1;
		memcpy(b->last, j->hash, HASH_BYTES);
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* ---- taking in the journal */

static int load_entry(void *ctx, const struct journal_entry *e)
{
	struct chains *c = ctx;
	struct chain_judgement j;
	uint8_t hash[HASH_BYTES];
	int r = 0;

	if (!(e->flags & JOURNAL_OWN)) {
		frame_hash(e->frame, e->header, hash);
		r = judge(c, e->origin.host_id, e->header, hash, &j);
		if (!r)
			r = chains_commit(c, &j);
		if (!r && c->seen)
			c->seen(c->seen_ctx, e, &j);
	}
	if (!r)
		c->loaded = e->next;
	return r;
}

static int load(struct chains *c)
{
	c->tried = clock_boot();
	c->behind = journal_scan(c->journal, c->loaded, false, load_entry, c, NULL);
	return c->behind;
}

int chains_base(struct chains *c, const char *host_id, const uint8_t stream[16], unsigned chain, uint64_t next, const uint8_t last[32])
{
	struct chain_state *s;
	struct chain_key k;
	int r = chain < CHAIN__MAX && next < CHAIN_NUMBER_MAX ? key_set(&k, host_id, stream, (uint8_t)chain) : -EDOM;

	if (r < 0)
		return r;
	pthread_mutex_lock(&c->lock);
	s = state_find(c, &k);
	r = s ? 0 : state_make(c, &k, &s);
	if (!r && next > s->branches[0].next) {
		s->branches[0].next = next;
		memcpy(s->branches[0].last, last, HASH_BYTES);
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

int chains_load(struct chains *c, struct journal *j, chains_seen_fn seen, void *ctx)
{
	c->journal = j;
	c->seen = seen;
	c->seen_ctx = ctx;
	return load(c);
}

int chains_ready(struct chains *c)
{
	if (c->behind && clock_boot() - c->tried >= LOAD_RETRY_NS)
		load(c);
	return c->behind;
}

/* ---- the rest */

void chains_heads(struct chains *c, const char *host_id, const uint8_t stream[16], struct chain_head ret_heads[CHAIN__MAX])
{
	memset(ret_heads, 0, CHAIN__MAX * sizeof(*ret_heads));
	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < CHAIN__MAX; i++) {
		struct chain_key k;
		const struct chain_state *s = key_set(&k, host_id, stream, (uint8_t)i) < 0 ? NULL : state_find(c, &k);

		if (!s || !s->branches[0].next)
			continue;
		ret_heads[i].known = true;
		ret_heads[i].next = s->branches[0].next;
		memcpy(ret_heads[i].last, s->branches[0].last, HASH_BYTES);
	}
	pthread_mutex_unlock(&c->lock);
}

void chains_count(struct chains *c, uint64_t *ret_chains, uint64_t *ret_branches)
{
	pthread_mutex_lock(&c->lock);
	*ret_chains = c->nchains;
	*ret_branches = c->nbranches;
	pthread_mutex_unlock(&c->lock);
}

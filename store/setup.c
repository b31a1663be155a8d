/* SPDX-License-Identifier: Apache-2.0 */
#include "setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api.h"
#include "audit.h"
#include "auth.h"
#include "chains.h"
#include "clickhouse/cluster.h"
#include "delivery/deliver.h"
#include "hostcerts.h"
#include "ingest.h"
#include "lake/lake.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "lib/log.h"
#include "proto/keys.h"
#include "retention/removed.h"
#include "retention/remover.h"
#include "retention/retention.h"
#include "retention/settings.h"
#include "secrets.h"
#include "tailer.h"
#include "witness.h"

#define DAMAGES_MAX 64
#define LAKE_RETRY_NS (5 * NS_PER_SEC)

struct setup {
	const struct store_config *config;
	struct store st;
	struct chains *chains;
	struct keep keep;
	struct buckets *buckets, *groups, *hooks;	/* until delivery has them */
	int lock;
	bool running, ports_written;
	journal_pos faults_upto;	/* frames before it gave nothing to say that is not said */
	bool unsaid_start;		/* StoreStarted waits for space */
	uint64_t lake_tried;		/* boot-time ns */
	char hostcerts[4096];
	char recovered[256];		/* what opening the journal found */
	pthread_mutex_t damage_lock;
	journal_pos damages[DAMAGES_MAX];	/* said already */
	unsigned ndamages;
};

static void in_dir(const struct setup *s, const char *name, char ret[4096])
{
	snprintf(ret, 4096, "%s/%s", s->config->data_dir, name);
}

/* Each damage is said once, however often it is scanned. */
static bool is_new_damage(struct setup *s, journal_pos pos)
{
	bool fresh = true;

	pthread_mutex_lock(&s->damage_lock);
	for (unsigned i = 0; i < s->ndamages; i++)
		fresh &= s->damages[i] != pos;
	if (s->ndamages == DAMAGES_MAX)
		fresh = false;
	else if (fresh)
		s->damages[s->ndamages++] = pos;
	pthread_mutex_unlock(&s->damage_lock);
	return fresh;
}

static void on_damage(void *ctx, journal_pos pos, uint64_t n, const char *why, const char *aside)
{
	struct setup *s = ctx;

	if (!is_new_damage(s, pos))
		return;
	log_warnx("journal %010u.jnl at %u, %llu bytes: %s%s%s", (unsigned)(pos >> 32), (unsigned)pos, (unsigned long long)n, why,
		  aside ? "; a copy is kept in " : "", aside ? aside : "");
	if (s->st.journal && s->st.witness)
		witness_journal_damaged(s->st.witness, pos, n, why, aside);
	else
		snprintf(s->recovered, sizeof(s->recovered), "%u:%u, %llu bytes: %s", (unsigned)(pos >> 32), (unsigned)pos,
			 (unsigned long long)n, why);
}

static void on_bad_block(void *ctx, const char *path, const char *why)
{
	log_warnx("index block %s: %s; its records are indexed again", path, why);
}

static void on_progress(void *ctx)
{
	struct setup *s = ctx;
	struct api *a = __atomic_load_n(&s->st.api, __ATOMIC_ACQUIRE);

	if (a)
		api_notify(a);
}

/* ---- ingest's events */

static void on_chain_broken(void *ctx, const struct ingest_fault *f)
{
	tailer_fault(((struct setup *)ctx)->st.tailer, FAULT_CHAIN_BROKEN, f);
}

static void on_gap(void *ctx, const struct ingest_fault *f)
{
	tailer_fault(((struct setup *)ctx)->st.tailer, FAULT_GAP, f);
}

static void on_filled(void *ctx, const struct ingest_fault *f)
{
	tailer_fault(((struct setup *)ctx)->st.tailer, FAULT_FILLED, f);
}

static void on_host_mismatch(void *ctx, const struct ingest_fault *f)
{
	tailer_fault(((struct setup *)ctx)->st.tailer, FAULT_HOST_MISMATCH, f);
}

static void on_clock(void *ctx, const struct journal_origin *origin, int64_t ahead_ns)
{
	tailer_clock(((struct setup *)ctx)->st.tailer, origin, ahead_ns);
}

static bool on_hold(void *ctx)
{
	struct setup *s = ctx;

	return tailer_hold(s->st.tailer) || lake_hold(__atomic_load_n(&s->st.lake, __ATOMIC_ACQUIRE));
}

static const struct ingest_events ingest_events = {
	.on_chain_broken = on_chain_broken, .on_gap = on_gap, .on_filled = on_filled, .on_host_mismatch = on_host_mismatch,
	.on_clock = on_clock, .hold = on_hold,
};

/* ---- parts, in the order in which they start */

/* A full disk must not keep those from their answers who only ask. */
static bool is_full(int r)
{
	return r == -ENOSPC || r == -EDQUOT;
}

int setup_secrets(const struct store_config *c, struct setup **ret_s)
{
	const struct witness_config w = { c->data_dir, c->sign_key, c->host_id, c->region, c->account };
	struct setup *s = calloc(1, sizeof(*s));
	char why[256];
	int r;

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->damage_lock, NULL);
	s->config = c;
	s->lock = -1;
	r = secrets_check(c);
	if (r < 0) {
		setup_stop(&s, NULL);
		return r;
	}
	r = auth_load(c->credentials, c->region, (double)c->api_rate, &s->st.auth, why);
	if (!r && (r = auth_label(s->st.auth, &c->host_labels)) < 0)
		snprintf(why, sizeof(why), "out of memory");
	if (r < 0)
		log_errx("%s", why);
	if (!r) {
		r = buckets_load(&c->buckets, &s->buckets, why);
		if (!r)
			r = groups_load(&c->log_groups, &s->groups, why);
		if (!r)
			r = hooks_load(&c->webhooks, &s->hooks, why);
		if (r < 0)
			log_errx("%s", why);
	}
	/* what is made in data_dir is made later, by the user whom it is to belong to */
	if (!r && c->sign_key && c->host_id) {
		r = witness_open(&w, &s->st.witness);
		if (r < 0)
			log_err(r, "cannot read the signing key %s or the host id in %s", c->sign_key, c->host_id);
	}
	if (r < 0) {
		setup_stop(&s, NULL);
		return r;
	}
	*ret_s = s;
	return 0;
}

static int start_dir(struct setup *s)
{
	char path[4096];
	int r = fsx_mkdirs(s->config->data_dir, 0750);

	in_dir(s, "lock", path);
	if (!r) {
		s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
		if (s->lock < 0 || flock(s->lock, LOCK_EX | LOCK_NB) < 0)
			r = -errno;
	}
	if (r == -EWOULDBLOCK)
		log_errx("another store works in %s", s->config->data_dir);
	else if (r < 0)
		log_err(r, "cannot use %s", s->config->data_dir);
	return r;
}

static int start_token_key(struct setup *s)
{
	_cleanup_buf_ struct buf b = { 0 };
	char path[4096];
	int r;

	in_dir(s, "token.key", path);
	r = fsx_read(path, sizeof(s->st.token_key), &b);
	if (!r && b.n == sizeof(s->st.token_key)) {
		memcpy(s->st.token_key, b.p, b.n);
		return 0;
	}
	r = random_bytes(s->st.token_key, sizeof(s->st.token_key));
	if (!r)
		r = fsx_replace(path, s->st.token_key, sizeof(s->st.token_key), 0600);
	if (r < 0)
		log_err(r, "cannot make %s", path);
	return r;
}

static int start_journal(struct setup *s)
{
	const struct store_config *c = s->config;
	const struct witness_config w = { c->data_dir, c->sign_key, c->host_id, c->region, c->account };
	char path[4096];
	int r;

	in_dir(s, "journal", path);
	r = journal_open(path, 0, on_damage, s, &s->st.journal);
	if (r < 0) {
		log_err(r, "cannot open the journal in %s", path);
		return r;
	}
	if (!s->st.witness)
		r = witness_open(&w, &s->st.witness);
	if (r < 0)
		log_err(r, "cannot make the store's own key and host id in %s", c->data_dir);
	if (!r) {
		keep_journal(&s->keep, s->st.journal, NULL);
		witness_attach(s->st.witness, &s->keep);
	}
	return r;
}

/* What a kill took from the tailer's queue is said now. */
static void on_seen(void *ctx, const struct journal_entry *e, const struct chain_judgement *j)
{
	struct setup *s = ctx;
	struct ingest_fault f = { .origin = &e->origin, .header = e->header, .hash = j->hash, .pos = e->pos };

	if (e->pos >= s->faults_upto)
		ingest_say(&ingest_events, s, j, &f);
}

/* Chains whose frames are removed go on from the last one. */
static int on_removed(void *ctx, uint32_t segment, const char *text, size_t n)
{
	_cleanup_removed_ struct removed_segment *x = NULL;
	struct setup *s = ctx;
	int r = removed_read(segment, text, n, &x);

	if (r == -EBADMSG) {
		log_warnx("the note of journal %010u.jnl is damaged: chains that ended in it begin anew", segment);
		return 0;
	}
	for (struct removed_head *h = !r ? x->heads : NULL; h && !r; h = h->hh.next)
		if (!h->own)
			r = chains_base(s->chains, h->key.host_id, h->key.stream, h->key.chain, h->number + 1, h->hash);
	return r == -EDOM ? 0 : r;
}

static int start_chains(struct setup *s)
{
	char path[4096];
	int r;

	s->faults_upto = tailer_faults_upto(s->st.tailer);
	in_dir(s, "chains", path);
	r = chains_open(path, &s->chains);
	s->keep.chains = s->chains;
	if (!r)
		r = journal_removed(s->st.journal, 0, on_removed, s);
	if (!r)
		r = chains_load(s->chains, s->st.journal, on_seen, s);
	if (!is_full(r)) {
		if (r < 0)
			log_err(r, "cannot read the chains back from the journal");
		return r;
	}
	log_warn(r, "cannot read the chains back yet: frames are put off until there is space");
	return 0;
}

static int say_started(struct setup *s)
{
	int r = witness_started(s->st.witness, s->recovered);

	s->unsaid_start = is_full(r);
	return s->unsaid_start ? 0 : r;
}

static int start_index(struct setup *s)
{
	char path[4096];
	int r;

	in_dir(s, "index", path);
	r = index_open(path, journal_end(s->st.journal), 0, on_bad_block, s, &s->st.index);
	if (!r)
		r = decoded_cache_new(s->config->decoded_bytes, &s->st.decoded);
	if (!r)
		r = tailer_new(&s->st, s->config->data_dir, on_progress, s, &s->st.tailer);
	if (!r)
		r = say_started(s);
	if (r < 0)
		log_err(r, "cannot open the index in %s", path);
	return r;
}

static int start_retention(struct setup *s)
{
	char why[RETENTION_WHY_MAX];
	int r = retention_open(s->config->data_dir, &s->st.retention, why);

	if (r < 0) {
		log_errx("%s", why);
		return r;
	}
	r = retention_begin(s->st.retention, s->st.journal, s->st.decoded);
	if (!r)
		r = retention_check_settings(s->st.retention, s->buckets);
	if (r < 0 && r != -EPERM)
		log_err(r, "cannot tell what is locked and held in %s", s->config->data_dir);
	else if (!r)
		retention_tick(s->st.retention);
	return r;
}

static int start_tailer(struct setup *s)
{
	int r = tailer_start(s->st.tailer);

	if (r < 0)
		log_err(r, "cannot start indexing");
	return r;
}

static int start_delivery(struct setup *s)
{
	const struct store_config *c = s->config;
	const struct delivery_config d = { .dir = c->data_dir, .interval_ms = c->delivery_interval, .digest_ms = c->digest_period,
					   .key_ms = c->digest_key_life, .size = c->delivery_size,
					   .ship = s->st.cluster ? cluster_ship : NULL, .ship_ctx = s->st.cluster };
	bool always = buckets_at(s->hooks, 0) != NULL;
	int r = delivery_new(&s->st, &d, TAKE_PTR(s->buckets), TAKE_PTR(s->groups), TAKE_PTR(s->hooks), &s->st.delivery);

	if (!r)
		r = s->st.cluster ? cluster_deliver(s->st.cluster, s->st.delivery, c->delivery_interval, always) : delivery_start(s->st.delivery);
	if (r < 0)
		log_err(r, "cannot open the trails in %s", c->data_dir);
	return r;
}

static int start_lake(struct setup *s)
{
	const struct store_config *c = s->config;
	const struct lake_config lake = {
		.dir = c->data_dir, .library = c->duckdb, .seal_records = (uint64_t)c->lake_seal_records,
		.seal_ns = c->lake_seal_ms * (int64_t)NS_PER_MS, .memory = c->lake_memory,
		.program = "/proc/self/exe",
		.query_ns = c->lake_query_ms * (int64_t)NS_PER_MS,
		.query_rows = (uint64_t)c->lake_query_rows, .rebuild = c->rebuild_lake,
		.results = c->lake_results,
		.idle_ns = 300 * (int64_t)NS_PER_SEC,
		.scopes = auth_has_scopes(s->st.auth),
	};
	struct lake *l = NULL;
	int r = lake_open(&s->st, &lake, &l);

	if (!r)
		r = lake_start(l);
	if (r < 0) {
		log_limited(LOG_LEVEL_WARN, r, "cannot open the lake in %s yet; lookups and ingest work without", c->data_dir);
		lake_free(&l);
	}
	__atomic_store_n(&s->st.lake, l, __ATOMIC_RELEASE);
	s->lake_tried = clock_boot();
	return 0;
}

static void keep_certificate(void *ctx, const struct pki_binding *peer, const void *der, size_t n)
{
	struct setup *s = ctx;
	int r = hostcerts_keep(s->hostcerts, peer, der, n);

	if (r < 0)
		log_limited(LOG_LEVEL_WARN, r, "cannot keep the certificate of host %s", peer->host_id);
}

static int start_remover(struct setup *s)
{
	struct remover *m = NULL;
	int r = remover_start(&s->st, &m);

	if (r < 0)
		log_err(r, "cannot start removing what is past");
	__atomic_store_n(&s->st.remover, m, __ATOMIC_RELEASE);
	return r;
}

static void on_mismatch(void *ctx, const struct ingest_fault *f)
{
	const struct witness_subject about = { f->origin, f->header->stream, f->header->chain, f->header->number };

	witness_host_mismatch(((struct setup *)ctx)->st.witness, &about, f->why, NULL);
}

/* What only the cluster can tell is said when it is asked, by the thread that writes. */
static const struct ingest_events cluster_events = { .on_host_mismatch = on_mismatch };

static int start_cluster(struct setup *s)
{
	const struct store_config *c = s->config;
	const struct witness_config w = { c->data_dir, c->sign_key, c->host_id, c->region, c->account };
	const struct cluster_config config = {
		.clickhouse = { .urls = &c->ch_servers, .user = c->ch_user, .password_file = c->ch_password, .ca = c->ch_ca,
				.database = c->ch_database, .cluster = c->ch_cluster, .quorum = (unsigned)c->ch_quorum,
				.query_user = c->ch_query_user, .query_password_file = c->ch_query_password },
		.linger_ns = c->ch_linger * (int64_t)NS_PER_MS, .query_ns = c->lake_query_ms * (int64_t)NS_PER_MS,
		.query_rows = (uint64_t)c->lake_query_rows, .memory = c->lake_memory, .duckdb = c->duckdb,
	};
	char why[CH_WHY_MAX] = "out of memory";
	int r = cluster_open(&s->st, &config, &s->st.cluster, why);

	if (r < 0) {
		log_errx("%s", why);
		return r;
	}
	s->st.engine = &cluster_engine;
	if (!s->st.witness)
		r = witness_open(&w, &s->st.witness);
	if (r < 0) {
		log_err(r, "cannot make the store's own key and host id in %s", c->data_dir);
		return r;
	}
	witness_attach(s->st.witness, cluster_keep(s->st.cluster));
	r = witness_started(s->st.witness, NULL);
	return r ? r : cluster_start(s->st.cluster);
}

static int start_servers(struct setup *s)
{
	const struct store_config *c = s->config;
	const struct grpc_config grpc = { .listen = c->ingest_listen, .ca = c->ca, .cert = c->cert, .key = c->key,
					  .on_peer = keep_certificate, .on_peer_ctx = s };
	const struct api_config config = { c->api_listen, c->api_cert ? c->api_cert : c->cert, c->api_key ? c->api_key : c->key, c->api_tls,
					  c->api_metrics_open };
	struct api *api = NULL;
	char why[256] = "out of memory";
	int r = c->audit ? audit_start(s->st.witness, &s->st.audit) : 0;

	if (r < 0) {
		log_err(r, "cannot record requests to the API");
		return r;
	}
	r = ingest_start(&grpc, s->st.cluster ? cluster_keep(s->st.cluster) : &s->keep, s->st.cluster ? &cluster_events : &ingest_events, s,
			 &s->st.ingest, why);

	if (!r) {
		r = api_start(&s->st, &config, &api, why);
		__atomic_store_n(&s->st.api, api, __ATOMIC_RELEASE);
	}
	if (r < 0)
		log_errx("%s", why);
	return r;
}

static int write_ports(struct setup *s)
{
	char path[4096], text[64];
	int n = snprintf(text, sizeof(text), "api %u\ningest %u\ntls %d\n", api_port(s->st.api), ingest_port(s->st.ingest), api_speaks_tls(s->st.api)), r;

	in_dir(s, "ports", path);
	r = fsx_replace(path, text, (size_t)n, 0644);
	s->ports_written = !r;
	if (r < 0)
		log_limited(LOG_LEVEL_ERROR, r, "cannot write %s", path);
	return is_full(r) ? 0 : r;
}

typedef int (*step_fn)(struct setup *s);

int setup_start(struct setup *s)
{
	static const step_fn embedded[] = { start_dir, start_token_key, start_journal, start_index, start_chains, start_retention,
					    start_tailer, start_delivery, start_lake, start_remover, start_servers, write_ports, NULL };
	static const step_fn cluster[] = { start_dir, start_cluster, start_delivery, start_servers, write_ports, NULL };
	const step_fn *step = s->config->engine == ENGINE_CLICKHOUSE ? cluster : embedded;
	int r = 0;

	s->st.region = s->config->region;
	s->st.account = s->config->account;
	in_dir(s, "hosts", s->hostcerts);
	s->st.hostcerts = s->hostcerts;
	s->st.management_only = s->config->lookup_events == 1;
	s->st.started = clock_wall();
	while (!r && *step)
		r = (*step++)(s);
	s->running = !r;
	if (!r)
		log_info("API on port %u%s, ingest on port %u", api_port(s->st.api), api_speaks_tls(s->st.api) ? " (TLS)" : "", ingest_port(s->st.ingest));
	return r;
}

const char *setup_round(struct setup *s)
{
	if (s->running && !s->ports_written)
		write_ports(s);
	if (s->unsaid_start)
		say_started(s);
	if (s->st.cluster) {
		on_progress(s);		/* nobody else wakes who waits, and ends connections that are slow */
		return NULL;
	}
	retention_tick(s->st.retention);
	if (s->running && !s->st.lake && clock_boot() - s->lake_tried > LAKE_RETRY_NS)
		start_lake(s);
	return journal_error(s->st.journal) ? "the journal failed; a new start recovers it" : NULL;
}

void setup_stop(struct setup **ps, const char *reason)
{
	struct setup *s = *ps;
	struct api *api;
	char path[4096];
	bool ended;

	if (!s)
		return;
	if (s->ports_written) {
		in_dir(s, "ports", path);
		unlink(path);
	}
	remover_stop(s->st.remover);
	/* each ends what the next would miss: the tailer wakes the API's requests, which ask tailer and ingest */
	cluster_deliver_end(s->st.cluster);
	delivery_end(s->st.delivery);
	tailer_stop(s->st.tailer);
	api = s->st.api;
	api_stop(&api);
	if (!s->st.cluster)
		ingest_stop(&s->st.ingest);
	ended = lake_free(&s->st.lake);
	remover_free(&s->st.remover);
	audit_stop(&s->st.audit);
	if ((s->st.tailer || s->st.cluster) && reason && s->st.witness)
		witness_stopped(s->st.witness, reason);
	/* writes the last of ours; ingest waits for it */
	cluster_stop(s->st.cluster);
	ingest_stop(&s->st.ingest);
	if (!ended) {	/* it has all of it in its hands; what is to be on disk is there */
		log_warnx("the result of a query is still on its way to a bucket: the store ends with it");
		_exit(reason ? 0 : 1);
	}
	cluster_free(&s->st.cluster);
	delivery_free(&s->st.delivery);
	buckets_free(&s->buckets);
	buckets_free(&s->groups);
	buckets_free(&s->hooks);
	tailer_free(&s->st.tailer);
	index_free(&s->st.index);
	decoded_cache_free(&s->st.decoded);
	retention_free(&s->st.retention);
	chains_free(&s->chains);
	witness_free(&s->st.witness);
	journal_free(&s->st.journal);
	auth_free(&s->st.auth);
	cleanup_close(&s->lock);
	pthread_mutex_destroy(&s->damage_lock);
	free(s);
	*ps = NULL;
}

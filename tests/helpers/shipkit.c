/* SPDX-License-Identifier: Apache-2.0 */
/* shipkit - what the shipping tests need of our own code: certificates, real frames, an ingest server alone, and a
 * look into its journal. tests/helpers/shipkit.py drives it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "proto/frame.h"
#include "proto/keys.h"
#include "proto/pki.h"
#include "proto/record.h"
#include "proto/spool.h"
#include "store/ingest.h"

static void die(const char *what, int r)
{
	fprintf(stderr, "shipkit: %s: %s\n", what, strerror(r < 0 ? -r : r));
	exit(1);
}

static void must(const char *what, int r)
{
	if (r < 0)
		die(what, r);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (*end || !*text) {
		fprintf(stderr, "shipkit: not a number: %s\n", text);
		exit(2);
	}
	return n;
}

/* The last sixteen that were asked for stay valid. */
static char *in(const char *dir, const char *name, const char *suffix)
{
	static char paths[16][4096];
	static unsigned at;
	char *p = paths[at++ % 16];

	if (snprintf(p, sizeof(paths[0]), "%s/%s%s", dir, name, suffix) >= (int)sizeof(paths[0]))
		die("path", -ENAMETOOLONG);
	return p;
}

/* ---- certificates: ca DIR; store DIR NAME...; host DIR NAME HOST-ID [FROM TO] */

static int cmd_ca(int argc, char **argv)
{
	struct pki_files ca = { in(argv[0], "ca", ".crt"), in(argv[0], "ca", ".key") };

	must("ca", pki_make_ca(&ca, NULL));
	return 0;
}

static int cmd_store(int argc, char **argv)
{
	struct pki_files ca = { in(argv[0], "ca", ".crt"), in(argv[0], "ca", ".key") };
	struct pki_files to = { in(argv[0], "store", ".crt"), in(argv[0], "store", ".key") };

	must("store", pki_make_store(&ca, (const char *const *)argv + 1, (size_t)argc - 1, &to, NULL));
	return 0;
}

static const char *account(void)
{
	const char *text = getenv("SHIPKIT_ACCOUNT");

	return text ? text : "000000000000";
}

static const char *region(void)
{
	const char *text = getenv("SHIPKIT_REGION");

	return text ? text : "local";
}

static int cmd_host(int argc, char **argv)
{
	struct pki_files ca = { in(argv[0], "ca", ".crt"), in(argv[0], "ca", ".key") };
	struct pki_files to = { in(argv[0], argv[1], ".crt"), in(argv[0], argv[1], ".key") };
	struct pki_binding b = { 0 };
	struct pki_term term = { argc > 4 ? atoll(argv[3]) : 0, argc > 4 ? atoll(argv[4]) : 0 };
	const char *sign = in(argv[0], argv[1], ".sign");
	struct sign_key *k;

	snprintf(b.account, sizeof(b.account), "%s", account());
	snprintf(b.region, sizeof(b.region), "%s", region());
	if (access(sign, F_OK) < 0)
		must("sign key", sign_key_make(sign));
	must("sign key", sign_key_load(sign, &k));
	sign_key_public(k, b.key);
	sign_key_free(&k);
	snprintf(b.host_id, sizeof(b.host_id), "%s", argv[2]);
	must("host", pki_make_host(&ca, &b, &to, argc > 4 ? &term : NULL));
	return 0;
}

/* ---- frames */

struct maker {
	struct sign_key *key;
	struct batch *batch;
	struct frame_header h;
	uint8_t hash[32];
	unsigned records;
	uint64_t seed, seq;
	const char *host_id;
	struct buf out;
};

static const struct shape_field open_fields[] = {
	{ SECTION_REQUEST, "path", FIELD_STRING, "Linux::File" },
	{ SECTION_REQUEST, "flags", FIELD_HEX, NULL },
};
static const struct shape open_shape = {
	"file.linux", "openat", "HostApiCall", CATEGORY_DATA, true, ARRAY_SIZE(open_fields), open_fields,
};

static void add_record(struct maker *m, int64_t identity, uint64_t time)
{
	const struct record_head head = {
		.ring_class = m->h.chain + 1,
		.seq = m->seq++,
		.time = time,
		.identity = (uint32_t)identity,
		.request = m->seq,
	};
	char path[96];
	int n = snprintf(path, sizeof(path), "/srv/%llx/%llu", (unsigned long long)(m->seq * 0x9e3779b97f4a7c15ull ^ m->seed),
			 (unsigned long long)m->seq);

	must("record", batch_begin(m->batch, &open_shape, &head));
	batch_string(m->batch, 0, path, (size_t)n);
	batch_int(m->batch, 1, 0x8000);
	must("record", batch_end(m->batch));
}

static int64_t add_identity(struct maker *m)
{
	struct record_identity id = { .tid = 100, .tid_start = 5, .type = IDENTITY_ROOT };

	id.process.pid = 100;
	id.process.start = 5;
	id.process.executable = (struct str){ "/bin/true", 9 };
	id.user_name = (struct str){ "root", 4 };
	return batch_identity(m->batch, 1, &id);
}

/* The next frame of the chain into m->out (replaced). */
static void make_frame(struct maker *m)
{
	const struct record_host host = {
		.host_id = m->host_id,
		.machine_id = "0123456789abcdef0123456789abcdef",
		.boot_id = "00000000-0000-4000-8000-000000000000",
		.hostname = "test",
		.kernel_release = "6.1.0",
		.agent_version = "test",
		.region = region(),
		.account = account(),
	};
	uint64_t now = clock_boot();
	const uint8_t *raw;
	int64_t identity;
	size_t n;

	must("batch", batch_reset(m->batch, &host));
	if (m->h.number == 0 && m->h.chain == CHAIN_CONTROL)
		must("batch", batch_stream_start(m->batch, NULL, NULL, now));
	identity = add_identity(m);
	m->h.nranges = 1;
	m->h.ranges[0] = (struct frame_range){ (uint8_t)(m->h.chain + 1), 0, m->seq, m->seq + m->records - 1 };
	for (unsigned i = 0; i < m->records; i++)
		add_record(m, identity, now);
	must("batch", batch_finish(m->batch, &raw, &n));
	m->h.records = m->records;
	m->h.first_time = m->h.last_time = now;
	m->h.wall_offset = clock_wall_offset();
	buf_reset(&m->out);
	must("frame", frame_build(&m->h, raw, n, sign_key_sign, m->key, &m->out, m->hash));
}

static void next_frame(struct maker *m)
{
	memcpy(m->h.previous, m->hash, 32);
	m->h.number++;
}

static void maker_init(struct maker *m, char **argv)
{
	memset(m, 0, sizeof(*m));
	must(argv[0], sign_key_load(argv[0], &m->key));
	m->host_id = argv[1];
	if (hex_parse(argv[2], m->h.stream, 16) < 0)
		die("stream", -EINVAL);
	m->h.chain = (uint8_t)number(argv[3]);
	m->records = (unsigned)number(argv[4]);
	m->seed = number(argv[5]);
	must("batch", batch_new(&m->batch));
}

static void maker_free(struct maker *m)
{
	batch_free(&m->batch);
	sign_key_free(&m->key);
	buf_free(&m->out);
}

/* frames KEY HOST-ID STREAM CHAIN RECORDS SEED FIRST COUNT [PREVIOUS]: each as u32 length and bytes on standard output */
static int cmd_frames(int argc, char **argv)
{
	struct maker m;
	uint64_t count = number(argv[7]);

	maker_init(&m, argv);
	m.h.number = number(argv[6]);
	m.seq = m.h.number * m.records;
	if (argc > 8 && hex_parse(argv[8], m.h.previous, 32) < 0)
		die("previous", -EINVAL);
	for (uint64_t i = 0; i < count; i++) {
		uint32_t n;

		make_frame(&m);
		n = (uint32_t)m.out.n;
		if (fwrite(&n, sizeof(n), 1, stdout) != 1 || fwrite(m.out.p, m.out.n, 1, stdout) != 1)
			die("output", -EIO);
		next_frame(&m);
	}
	maker_free(&m);
	return fflush(stdout) ? 1 : 0;
}

static void report_bad(void *ctx, unsigned chain, const char *path, const char *why, uint64_t first, uint64_t last)
{
	fprintf(stderr, "shipkit: %s: %s\n", path, why);
}

static void spool_one(struct maker *m, struct spool *s, unsigned chain)
{
	char hex[65];

	m->h.chain = (uint8_t)chain;
	spool_head(s, chain, &m->h.number, m->h.previous);
	m->seq = m->h.number * m->records;
	make_frame(m);
	must("append", spool_append(s, &m->h, m->out.p, m->out.n, m->hash));
	hex_text(m->hash, 32, hex);
	printf("%llu %s %lld %u\n", (unsigned long long)m->h.number, hex, (long long)clock_wall(), chain);
}

/* spool KEY HOST-ID STREAM CHAINS RECORDS SEED DIR COUNT [PAUSE-MS [SEGMENT-BYTES]]: appends COUNT frames to each chain
 * (its digits: "012" is all three; a stream has one writer only); prints each one's number, hash, time and chain */
static int cmd_spool(int argc, char **argv)
{
	const struct spool_limits limits = {
		.bytes = { 1ull << 40, 1ull << 40, 1ull << 40 },
		.segment_bytes = argc > 9 ? (uint32_t)number(argv[9]) : 0,
	};
	uint64_t count = number(argv[7]), pause = argc > 8 ? number(argv[8]) : 0;
	char *chains = argv[3], zero[] = "0";
	struct spool *s;
	struct maker m;

	argv[3] = zero;
	maker_init(&m, argv);
	must("spool", spool_open(argv[6], m.h.stream, &limits, NULL, report_bad, NULL, &s));
	for (uint64_t i = 0; i < count; i++) {
		for (const char *c = chains; *c; c++)
			spool_one(&m, s, (unsigned)(*c - '0'));
		if (pause || i + 1 == count || i % 64 == 63)
			must("sync", spool_sync(s));
		if (pause) {
			fflush(stdout);
			usleep((useconds_t)pause * 1000);
		}
	}
	spool_free(&s);
	maker_free(&m);
	return 0;
}

/* ---- serve DIR PKI [key=value...]: prints "port N", then what happens; a line on standard input: metrics; its end: stops */

static void said(const char *what, const struct ingest_fault *f)
{
	char stream[33];

	hex_text(f->header->stream, 16, stream);
	printf("%s %s %s %u %llu %llu %s\n", what, f->origin->host_id, stream, f->header->chain,
	       (unsigned long long)f->first_missing, (unsigned long long)f->header->number, f->why);
	fflush(stdout);
}

static void on_broken(void *ctx, const struct ingest_fault *f)
{
	said("broken", f);
}

static void on_gap(void *ctx, const struct ingest_fault *f)
{
	said("gap", f);
}

static void on_filled(void *ctx, const struct ingest_fault *f)
{
	said("filled", f);
}

static void on_mismatch(void *ctx, const struct ingest_fault *f)
{
	said("mismatch", f);
}

static char *hold_file;

static bool hold(void *ctx)
{
	return access(hold_file, F_OK) == 0;
}

static void on_bad(void *ctx, journal_pos pos, uint64_t n, const char *why, const char *aside)
{
	printf("bad %llu %llu %s\n", (unsigned long long)pos, (unsigned long long)n, why);
}

static void set_limit(struct grpc_config *c, const char *text)
{
	static const struct {
		const char *name;
		size_t offset, size;
	} names[] = {
#define LIMIT(f) { #f, offsetof(struct grpc_limits, f), sizeof(((struct grpc_limits *)0)->f) }
		LIMIT(message_bytes), LIMIT(header_bytes), LIMIT(streams),    LIMIT(connections), LIMIT(connection_bytes),
		LIMIT(total_bytes),   LIMIT(handshake_ms), LIMIT(slow_ms),    LIMIT(slow_bytes),  LIMIT(idle_ms),
		LIMIT(control_frames),
	};
	const char *eq = strchr(text, '=');

	for (size_t i = 0; eq && i < ARRAY_SIZE(names); i++) {
		void *at = (char *)&c->limits + names[i].offset;

		if (strlen(names[i].name) != (size_t)(eq - text) || strncmp(text, names[i].name, (size_t)(eq - text)))
			continue;
		if (names[i].size == 8)
			*(uint64_t *)at = number(eq + 1);
		else
			*(uint32_t *)at = (uint32_t)number(eq + 1);
		return;
	}
	if (eq && !strncmp(text, "listen=", 7)) {
		c->listen = eq + 1;
		return;
	}
	fprintf(stderr, "shipkit: unknown limit %s\n", text);
	exit(2);
}

static int cmd_serve(int argc, char **argv)
{
	static const struct ingest_events events = { .on_chain_broken = on_broken, .on_gap = on_gap, .on_filled = on_filled,
						     .on_host_mismatch = on_mismatch, .hold = hold };
	struct grpc_config config = {
		.listen = "127.0.0.1:0",
		.ca = in(argv[1], "ca", ".crt"),
		.cert = in(argv[1], "store", ".crt"),
		.key = in(argv[1], "store", ".key"),
	};
	_cleanup_journal_ struct journal *j = NULL;
	_cleanup_chains_ struct chains *c = NULL;
	struct ingest *i = NULL;
	struct keep keep;
	char why[256], line[64];

	for (int a = 2; a < argc; a++)
		set_limit(&config, argv[a]);
	hold_file = in(argv[0], "hold", "");
	must("journal", journal_open(in(argv[0], "journal", ""), 0, on_bad, NULL, &j));
	must("chains", chains_open(in(argv[0], "chains", ""), &c));
	must("chains", chains_load(c, j, NULL, NULL));
	keep_journal(&keep, j, c);
	if (ingest_start(&config, &keep, &events, NULL, &i, why) < 0) {
		fprintf(stderr, "shipkit: %s\n", why);
		return 1;
	}
	printf("port %u\n", ingest_port(i));
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		for (unsigned m = 0; m < INGEST_METRIC__MAX; m++)
			printf("metric %s %llu\n", ingest_metric_name(m), (unsigned long long)ingest_metric(i, m));
		printf("metrics end\n");
		fflush(stdout);
	}
	ingest_stop(&i);
	return 0;
}

/* ---- journal DIR: one line an entry */

static int show(void *ctx, const struct journal_entry *e)
{
	char stream[33], hex[65];
	uint8_t hash[32];

	frame_hash(e->frame, e->header, hash);
	hex_text(e->header->stream, 16, stream);
	hex_text(hash, 32, hex);
	printf("%s %s %u %llu %u %s %u\n", e->origin.host_id, stream, e->header->chain, (unsigned long long)e->header->number,
	       e->flags, hex, e->header->records);
	return 0;
}

static int cmd_journal(int argc, char **argv)
{
	_cleanup_journal_ struct journal *j = NULL;

	must("journal", journal_open(in(argv[0], "journal", ""), 0, on_bad, NULL, &j));
	must("journal", journal_scan(j, 0, false, show, NULL, NULL));
	return 0;
}

static int cmd_cursor(int argc, char **argv)
{
	struct cursor *c;
	uint8_t stream[16];

	must("cursor", cursor_open(argv[0], false, &c));
	for (int i = 1; i < argc; i++) {
		must("stream", hex_parse(argv[i], stream, 16));
		for (unsigned chain = 0; chain < CHAIN__MAX; chain++) {
			uint64_t next;

			if (cursor_get(c, stream, chain, &next))
				printf("%s %u %llu\n", argv[i], chain, (unsigned long long)next);
		}
	}
	cursor_free(&c);
	return 0;
}

static const struct {
	const char *name;
	int args;
	int (*fn)(int argc, char **argv);
} commands[] = {
	{ "ca", 1, cmd_ca },	       { "store", 2, cmd_store }, { "host", 3, cmd_host },	{ "frames", 8, cmd_frames },
	{ "spool", 8, cmd_spool },     { "serve", 2, cmd_serve }, { "journal", 1, cmd_journal }, { "cursor", 2, cmd_cursor },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name) && argc - 2 >= commands[i].args)
			return commands[i].fn(argc - 2, argv + 2);
	fprintf(stderr, "shipkit: see the commands in tests/helpers/shipkit.c\n");
	return 2;
}

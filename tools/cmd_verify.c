/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail verify - fetches the frames from the store and proves them here. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "evidence.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "proto/base64.h"
#include "proto/frame.h"
#include "proto/keys.h"
#include "proto/spool.h"
#include "prove.h"
#include "provefetch.h"
#include "recordcheck.h"
#include "show.h"
#include "trailcheck.h"

enum { OPT_START = OPT_LONG + 1, OPT_END, OPT_EVENT, OPT_PROOF, OPT_KEY, OPT_CA };
#define PAGE 500	/* frames; the store ends an answer that grows large */

static const struct opt opts[] = {
	{ OPT_START, "start", "TIME", "only frames that the store received, and digests that end, from this time on" },
	{ OPT_END, "end", "TIME", "up to this time" },
	{ OPT_EVENT, "event", "EVENTID", "prove one record: that it is the one that its host signed" },
	{ 'o', "output", "FILE", "with --event: also write the proof to FILE, for somebody else to check" },
	{ OPT_PROOF, "proof", "FILE", "check such a file, asking nobody" },
	{ OPT_KEY, "key", "KEY", "the host's public key: 64 hex digits, or a file that holds them or PEM" },
	{ OPT_CA, "ca", "FILE", "the certificate of the CA that gave the host its own" },
	OPT_FORMAT,
	OPT_DIR,
	{ 0 },
};

struct verify {
	struct evidence *evidence;
	struct trailcheck trails;
	struct recordcheck *records;
	struct client *client;
	uint64_t filed;
	uint64_t removed_segments, removed_frames;
	bool json;
};

static void tell_fault(void *ctx, const char *text)
{
	const struct verify *v = ctx;
	_cleanup_buf_ struct buf b = { 0 };
	struct json_object *o;

	if (!v->json) {
		show_escaped(&b, text, strlen(text));
		printf("FAULT  %s\n", buf_text(&b));
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "fault", json_object_new_string(text));
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static void tell_chain(void *ctx, const struct evidence_chain *c)
{
	const struct verify *v = ctx;
	char stream[33];

	hex_text(c->stream, 16, stream);
	printf(v->json ? "{\"host\":\"%s\",\"stream\":\"%s\",\"chain\":\"%s\",\"frames\":%llu,\"first\":%llu,\"last\":%llu,"
			 "\"records\":%llu,\"faults\":%llu}\n"
		       : "host %s  stream %.8s  %-7s  %llu frames (%llu-%llu)  %llu records  %llu faults\n",
	       c->host_id, stream, chain_name(c->chain), (unsigned long long)c->frames, (unsigned long long)c->first,
	       (unsigned long long)c->last, (unsigned long long)c->records, (unsigned long long)c->faults);
}

/* Those of a proven frame, for the log files to be compared with. */
static int add_records(struct verify *v, struct json_object *f, const struct buf *bytes)
{
	unsigned segment = 0, offset = 0;
	struct frame_header h;
	size_t total;

	sscanf(member_text(f, "Position"), "%u:%u", &segment, &offset);
	if (frame_peek(bytes->p, bytes->n, &h, &total) < 0)
		return 0;
	return recordcheck_frame(v->records, (uint64_t)segment << 32 | offset, json_object_get_double(member_at(f, "ReceivedTime")), member_text(f, "HostId"), bytes->p, &h);
}

static int add_frame(struct verify *v, struct json_object *f)
{
	_cleanup_buf_ struct buf bytes = { 0 };
	const char *host = member_text(f, "HostId");
	uint8_t key[32];
	int r;

	if (member_at(f, "Damaged")) {
		evidence_fault(v->evidence, "what lies at %s: %s", member_text(f, "Position"), member_text(f, "Damaged"));
		return 0;
	}
	r = base64_decode(member_text(f, "Header"), &bytes);
	if (r >= 0)
		r = base64_decode(member_text(f, "Payload"), &bytes);
	if (r >= 0)
		r = hex_parse(member_text(f, "PublicKey"), key, sizeof(key));
	if (r < 0 && r != -ENOMEM) {
		evidence_fault(v->evidence, "what lies at %s: the store's answer is malformed", member_text(f, "Position"));
		return 0;
	}
	if (r >= 0)
		r = evidence_add(v->evidence, host, key, bytes.p, bytes.n);
	return r <= 0 ? r : add_records(v, f, &bytes);
}

/* The key of this very host is known without asking the store, to who may read it. */
static void trust_local(struct verify *v, const struct instance *i, const char *id_name, const char *key_name)
{
	_cleanup_buf_ struct buf id = { 0 };
	struct sign_key *key = NULL;
	char path[PATH_MAX], key_path[PATH_MAX];
	uint8_t public[32];

	instance_path(i, id_name, path);
	instance_path(i, key_name, key_path);
	if (fsx_read(path, 64, &id) < 0 || id.n < 36 || sign_key_load(key_path, &key) < 0)
		return;
	id.n = 36;
	sign_key_public(key, public);
	sign_key_free(&key);
	evidence_trust(v->evidence, buf_text(&id), public);
}

#define STREAMS_MAX 256

/* What the forwarder of this very host was told is at the store must be there. Before the frames are fetched. */
static int expect_acknowledged(struct verify *v, const struct instance *i)
{
	_cleanup_buf_ struct buf id = { 0 };
	uint8_t streams[STREAMS_MAX][16];
	char spool[PATH_MAX], path[PATH_MAX];
	struct cursor *c = NULL;
	int n, r = 0;

	instance_path(i, "key/host_id", path);
	if (fsx_read(path, 64, &id) < 0 || id.n < 36)
		return 0;
	id.n = 36;
	instance_path(i, "spool", spool);
	instance_path(i, "cursor/cursor", path);
	n = spool_streams(spool, streams, STREAMS_MAX);
	if (n < 0 || cursor_open(path, false, &c) < 0)
		return 0;
	for (int k = 0; k < n && !r; k++)
		for (unsigned chain = 0; chain < CHAIN__MAX && !r; chain++) {
			uint64_t next;

			if (cursor_get(c, streams[k], chain, &next))
				r = evidence_acknowledged(v->evidence, buf_text(&id), streams[k], chain, next);
		}
	cursor_free(&c);
	return r;
}

static int fetch_all(struct verify *v, struct client *client, struct json_object *request)
{
	const char *token;
	char why[256];
	int r;

	json_object_object_add(request, "MaxResults", json_object_new_int(PAGE));
	json_object_object_add(request, "Payload", json_object_new_boolean(true));
	do {
		_cleanup_json_ struct json_object *reply = NULL;
		struct json_object *frames;

		r = client_call(client, HOSTTRAIL_OP("Verify"), request, &reply, why);
		if (r < 0)
			return complain("%s", why), r;
		frames = member_at(reply, "Frames");
		for (size_t n = 0; r >= 0 && frames && n < json_object_array_length(frames); n++)
			r = add_frame(v, json_object_array_get_idx(frames, n));
		if (r < 0)
			return complain("out of memory"), r;
		token = member_text(reply, "NextToken");
		r = *token != 0;
		if (r)
			json_object_object_add(request, "NextToken", json_object_new_string(token));
	} while (r);
	return 0;
}

/* A time that was not given is the first or the last. */
static double time_of(struct json_object *request, const char *key, double otherwise)
{
	struct json_object *t = member_at(request, key);

	return t ? json_object_get_double(t) : otherwise;
}

/* ---- what was removed for its age */

static int add_head(struct verify *v, struct json_object *h)
{
	uint8_t stream[16], hash[32];
	unsigned chain;

	for (chain = 0; chain < CHAIN__MAX && strcmp(chain_name(chain), member_text(h, "Chain")); chain++)
		;
	if (chain == CHAIN__MAX || hex_parse(member_text(h, "Stream"), stream, 16) < 0 || hex_parse(member_text(h, "HashValue"), hash, 32) < 0) {
		evidence_fault(v->evidence, "the store's answer to ListRemoved is malformed");
		return 0;
	}
	return evidence_removed(v->evidence, member_text(h, "HostId"), stream, chain,
				(uint64_t)json_object_get_int64(member_at(h, "Number")), hash);
}

static int fetch_removed(struct verify *v, struct client *client)
{
	_cleanup_json_ struct json_object *request = json_object_new_object();
	bool more = true;
	char why[256];
	int r = 0;

	while (more && !r) {
		_cleanup_json_ struct json_object *reply = NULL;
		struct json_object *list, *after;

		if (client_call(client, HOSTTRAIL_OP("ListRemoved"), request, &reply, why) < 0)
			return complain("%s", why), -EIO;
		list = member_at(reply, "Removed");
		for (size_t i = 0; list && i < json_object_array_length(list) && !r; i++) {
			struct json_object *s = json_object_array_get_idx(list, i), *heads = member_at(s, "Heads");

			v->removed_segments++;
			v->removed_frames += (uint64_t)json_object_get_int64(member_at(s, "Frames"));
			recordcheck_removed(v->records, time_of(s, "LastReceivedTime", 0));
			for (size_t k = 0; heads && k < json_object_array_length(heads) && !r; k++)
				r = add_head(v, json_object_array_get_idx(heads, k));
		}
		after = member_at(reply, "After");
		more = after != NULL;
		if (more)
			json_object_object_add(request, "After", json_object_get(after));
	}
	return r < 0 ? complain("out of memory"), r : 0;
}

/* ---- log files and digests */

static void count_fault(void *ctx, const char *text)
{
	struct verify *v = ctx;

	evidence_fault(v->evidence, "%s", text);
}

/* A record of a log file whose frame was not fetched: it came before the range of time, or after it. */
static int ask_record(void *ctx, const char *event_id, struct buf *out)
{
	_cleanup_proof_ struct proof p = { 0 };
	struct verify *v = ctx;
	struct frame_header h;
	const char *why;
	char text[256];
	int r = prove_fetch_frame(v->client, event_id, &p, text);

	if (r < 0)
		return r == -EREMOTEIO ? 0 : r;
	if (frame_check(p.frame.p, p.frame.n, &h, &why) < 0 || frame_verify(p.frame.p, &h, p.key) < 0 || proof_render(&p, out) < 0)
		return 0;
	return 1;
}

static int begin_trails(struct verify *v, struct client *client, struct json_object *request, bool whole)
{
	char why[256] = "out of memory";
	int r = recordcheck_new(count_fault, whole ? NULL : ask_record, v, &v->records);

	v->client = client;
	v->trails = (struct trailcheck){ .client = client, .whole = whole, .from = time_of(request, "StartTime", 0),
					 .to = time_of(request, "EndTime", 1e12), .records = v->records, .fault = count_fault, .ctx = v };
	if (!r)
		r = trailcheck_begin(&v->trails, why);
	if (r < 0)
		complain("%s", why);
	return r;
}

static int check_files(struct verify *v)
{
	char why[256];
	uint64_t n;

	if (trailcheck_files(&v->trails, why) < 0)
		return complain("%s", why), -EIO;
	recordcheck_finish(v->records, !v->trails.unread, &n, &v->filed);
	return 0;
}

static void tell_removed(const struct verify *v)
{
	if (v->trails.removed)
		printf(v->json ? "{\"removedDigests\":%llu}\n" : "trails: %llu digests were removed for their age, with their log files\n",
		       (unsigned long long)v->trails.removed);
	if (v->removed_segments)
		printf(v->json ? "{\"removedSegments\":%llu,\"removedFrames\":%llu}\n" :
				 "journal: %llu segments with %llu frames were removed by retention\n",
		       (unsigned long long)v->removed_segments, (unsigned long long)v->removed_frames);
	if (recordcheck_unproven(v->records))
		printf(v->json ? "{\"unproven\":%llu}\n" : "trails: %llu records could not be compared: their frames were removed by retention\n",
		       (unsigned long long)recordcheck_unproven(v->records));
}

static int report(struct verify *v)
{
	uint64_t frames, records, faults;

	evidence_finish(v->evidence, tell_chain);
	evidence_totals(v->evidence, &frames, &records, &faults);
	if (v->trails.digests)
		printf(v->json ? "{\"digests\":%llu,\"logFiles\":%llu,\"delivered\":%llu}\n" : "trails: %llu digests, %llu log files, %llu records\n",
		       (unsigned long long)v->trails.digests, (unsigned long long)v->trails.logs, (unsigned long long)v->filed);
	tell_removed(v);
	printf(v->json ? "{\"frames\":%llu,\"records\":%llu,\"faults\":%llu}\n" : "verified: %llu frames, %llu records, %llu faults\n",
	       (unsigned long long)frames, (unsigned long long)records, (unsigned long long)faults);
	return faults || fflush(stdout) ? EXIT_FAILED : EXIT_DONE;
}

static void add_time(const struct command *c, struct json_object *request, const char *key, const char *text)
{
	int64_t ns;

	if (clock_parse(text, &ns) < 0)
		command_misused(c, "\"%s\" is not a time", text);
	json_object_object_add(request, key, json_object_new_double((double)ns / 1e9));
}

static int verify(struct verify *v, const char *dir, struct json_object *request)
{
	_cleanup_client_ struct client *client = NULL;
	bool whole = !member_at(request, "StartTime") && !member_at(request, "EndTime");
	struct instance instance;
	char why[256];
	int r;

	if (instance_find(dir, &instance) < 0)
		return EXIT_FAILED;
	if (client_open(&instance, &client, why) < 0)
		return complain("%s", why);
	if (evidence_new(whole, tell_fault, v, &v->evidence) < 0)
		return complain("out of memory");
	trust_local(v, &instance, "key/host_id", "key/host.key");
	trust_local(v, &instance, "key/store_id", "key/store.key");
	r = whole ? expect_acknowledged(v, &instance) : 0;
	if (r < 0)
		complain("out of memory");
	if (!r)
		r = begin_trails(v, client, request, whole);
	if (!r)
		r = fetch_all(v, client, request);
	/* afterwards: what goes meanwhile was either fetched or is said to be gone */
	if (!r)
		r = fetch_removed(v, client);
	r = r < 0 || check_files(v) < 0 ? EXIT_FAILED : report(v);
	trailcheck_end(&v->trails);
	recordcheck_free(&v->records);
	evidence_free(&v->evidence);
	return r;
}

static void add_key(const struct command *c, struct proof_trust *t, const char *text)
{
	if (hex_parse(text, t->key, 32) < 0 && sign_public_load(text, t->key) < 0)
		command_misused(c, "--key: neither 64 hex digits nor a file with a public key: \"%s\"", text);
	t->has_key = true;
}

static void option(const struct command *c, int id, const char *arg, struct json_object *request, struct prove_options *one)
{
	switch (id) {
	case OPT_START:
		add_time(c, request, "StartTime", arg);
		break;
	case OPT_END:
		add_time(c, request, "EndTime", arg);
		break;
	case OPT_EVENT:
		one->event = arg;
		break;
	case OPT_PROOF:
		one->file = arg;
		break;
	case OPT_KEY:
		add_key(c, &one->trust, arg);
		break;
	case OPT_CA:
		one->trust.ca = arg;
		break;
	case 'o':
		one->output = arg;
		break;
	case 'd':
		one->dir = arg;
		break;
	default:
		if (strcmp(arg, "json") && strcmp(arg, "compact"))
			command_misused(c, "--format: json or compact, not \"%s\"", arg);
		one->json = !strcmp(arg, "json");
	}
}

static int run(const struct command *c, int argc, char **argv)
{
	_cleanup_json_ struct json_object *request = json_object_new_object();
	struct prove_options one = { .json = !isatty(STDOUT_FILENO) };
	struct verify v = { 0 };
	const char *arg;
	int id, at;

	while ((id = command_option(c, argc, argv, &arg, &at)))
		option(c, id, arg, request, &one);
	if (at < argc)
		command_misused(c, "%s: takes no arguments", argv[at]);
	if (one.event && one.file)
		command_misused(c, "--event and --proof exclude each other");
	if ((one.event || one.file) && json_object_object_length(request))
		command_misused(c, "--start and --end are not for one record");
	if (one.event || one.file)
		return prove(&one);
	if (one.trust.has_key || one.trust.ca || one.output)
		command_misused(c, "--key, --ca and --output are for --event and --proof");
	v.json = one.json;
	return verify(&v, one.dir, request);
}

const struct command cmd_verify = {
	.name = "verify",
	.usage = "[--start TIME] [--end TIME] [--event EVENTID [--output FILE]] [--proof FILE] [--key KEY] [--ca FILE] [--format json|compact]",
	.summary = "check the chains and signatures of what the store has",
	.details = "Every frame is fetched and checked here: its checksums, its signature by the host's key, and its place in its\n"
		   "chain. So are the trails' digests and log files, where they were delivered: hashes, signatures, chains, files that\n"
		   "are missing, have grown or lie where they do not belong; and each delivered record is compared with the frames. Exit status 1 if there is any fault.\n"
		   "With --event, one record: the frame that holds it, the frames of its chain before and behind it, and the host's key,\n"
		   "which must be known from elsewhere: this host's own files, --key, or the CA's signature under the host's certificate.",
	.opts = opts,
	.run = run,
};

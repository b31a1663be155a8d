/* SPDX-License-Identifier: Apache-2.0 */
#include "prove.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "client.h"
#include "command.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/fsx.h"
#include "proto/keys.h"
#include "provefetch.h"
#include "show.h"

#define FAULTS_MAX 32

struct verdict {
	struct prove_options *o;
	struct proof p;
	struct prove_found found;
	bool local;			/* the trusted key is of this host's own files */
	struct proof_view view;
	enum proof_verdict is;
	char *faults[FAULTS_MAX];
	unsigned nfaults;
};

static void verdict_free(struct verdict *v)
{
	proof_free(&v->p);
	for (unsigned i = 0; i < v->nfaults; i++)
		free(v->faults[i]);
}

static void on_fault(void *ctx, const char *text)
{
	struct verdict *v = ctx;

	if (v->nfaults < FAULTS_MAX && (v->faults[v->nfaults] = strdup(text)))
		v->nfaults++;
}

static const char *word_of(const struct verdict *v)
{
	static const char *const words[] = { [PROOF_VALID] = "valid", [PROOF_UNVOUCHED] = "unvouched", [PROOF_INVALID] = "invalid" };

	return words[v->is];
}

/* ---- what there is to say */

static void line(const char *head, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void line(const char *head, const char *fmt, ...)
{
	_cleanup_buf_ struct buf b = { 0 };
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	show_escaped(&b, text, strlen(text));
	printf("%-8s %s\n", head, buf_text(&b));
}

static void tell_chain(const struct verdict *v)
{
	const struct frame_header *h = &v->view.frame;
	char stream[33];

	hex_text(h->stream, 16, stream);
	line("frame", "number %llu of the %s chain, stream %s; record %u of %u", (unsigned long long)h->number,
	     chain_name(h->chain) ? chain_name(h->chain) : "?", stream, v->view.record + 1, h->records);
	line("chain", "%s; %llu frames behind it follow, up to %llu%s",
	     !h->number ? "the first" : v->p.before.n ? "follows from the frame before it" : "the frame before it is not here",
	     (unsigned long long)(v->view.last - h->number), (unsigned long long)v->view.last,
	     v->found.gap ? "; then frames are missing" : "");
}

static void tell_key(const struct verdict *v)
{
	char from[21] = "", to[21] = "", key[65];

	hex_text(v->p.key, 32, key);
	clock_iso(v->view.cert_from, from);
	clock_iso(v->view.cert_to, to);
	line("key", "%s%s", key, v->view.by_key ? v->local ? ", as in this host's own files" : ", as given" : "");
	if (v->p.certificate.n)
		line("", "certificate for it from %s to %s%s", from, to,
		     v->view.by_ca ? ", of the CA that is trusted" : v->o->trust.ca ? "" : " (not checked: no CA is given)");
}

static void tell_people(const struct verdict *v)
{
	line("record", "%s", v->p.event_id);
	line("host", "%s  account %s  region %s", v->p.host_id, v->view.account, v->view.region);
	if (v->view.frame.header_len)
		tell_chain(v);
	tell_key(v);
	if (v->found.several)
		line("note", "other frames have a record of this eventID, too (a cloned machine?)");
	for (unsigned i = 0; i < v->nfaults; i++)
		line("FAULT", "%s", v->faults[i]);
	if (v->is == PROOF_VALID)
		line("VALID", "this is the record that the host signed");
	else if (v->is == PROOF_INVALID)
		line("INVALID", "this is not proven to be what the host signed");
	else
		line("UNKNOWN", "all holds if the key is the host's, which only the store says; --key or --ca would");
}

static void add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static void add_number(struct json_object *o, const char *key, uint64_t n)
{
	json_object_object_add(o, key, json_object_new_uint64(n));
}

static void tell_machines(const struct verdict *v)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct json_object *faults = json_object_new_array();
	const struct frame_header *h = &v->view.frame;
	char key[65], stream[33];

	hex_text(v->p.key, 32, key);
	hex_text(h->stream, 16, stream);
	add_text(o, "eventId", v->p.event_id);
	add_text(o, "verdict", word_of(v));
	add_text(o, "hostId", v->p.host_id);
	add_text(o, "publicKey", key);
	add_text(o, "vouchedBy", v->view.by_key ? v->local ? "host" : "key" : v->view.by_ca ? "ca" : "store");
	add_text(o, "stream", stream);
	add_text(o, "chain", chain_name(h->chain) ? chain_name(h->chain) : "");
	add_number(o, "frame", h->number);
	add_number(o, "record", v->view.record);
	json_object_object_add(o, "before", json_object_new_boolean(v->p.before.n || !h->number));
	add_number(o, "after", v->view.last - h->number);
	json_object_object_add(o, "gap", json_object_new_boolean(v->found.gap));
	for (unsigned i = 0; i < v->nfaults; i++)
		json_object_array_add(faults, json_object_new_string(v->faults[i]));
	json_object_object_add(o, "faults", faults);
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* ---- what is to be judged */

/* The key of this very host is known without asking the store, to who may read it. */
static void trust_local(struct verdict *v, const struct instance *i, const char *id_name, const char *key_name)
{
	_cleanup_buf_ struct buf id = { 0 };
	struct sign_key *key = NULL;
	char path[PATH_MAX], key_path[PATH_MAX];

	instance_path(i, id_name, path);
	instance_path(i, key_name, key_path);
	if (v->o->trust.has_key || fsx_read(path, 64, &id) < 0 || id.n < 36 || memcmp(id.p, v->p.host_id, 36) || sign_key_load(key_path, &key) < 0)
		return;
	sign_key_public(key, v->o->trust.key);
	sign_key_free(&key);
	v->o->trust.has_key = v->local = true;
}

static int fetch(struct verdict *v, char ca[PATH_MAX])
{
	_cleanup_client_ struct client *client = NULL;
	struct instance instance;
	char why[256];

	if (instance_find(v->o->dir, &instance) < 0)
		return -ENOENT;
	if (client_open(&instance, &client, why) < 0 || prove_fetch(client, v->o->event, &v->p, &v->found, why) < 0)
		return complain("%s", why), -EIO;
	trust_local(v, &instance, "key/host_id", "key/host.key");
	trust_local(v, &instance, "key/store_id", "key/store.key");
	instance_path(&instance, "pki/ca.crt", ca);
	if (!v->o->trust.ca && !access(ca, R_OK))
		v->o->trust.ca = ca;
	return 0;
}

static int load(struct verdict *v)
{
	_cleanup_buf_ struct buf text = { 0 };
	const char *why = "";
	int r = fsx_read(v->o->file, PROOF_FILE_MAX, &text);

	if (!r)
		r = proof_read(text.p, text.n, &v->p, &why);
	if (r == -EBADMSG)
		complain("%s: %s", v->o->file, why);
	else if (r < 0)
		complain("%s: %s", v->o->file, strerror(-r));
	return r;
}

static int save(const struct verdict *v)
{
	_cleanup_buf_ struct buf text = { 0 };
	int r = proof_write(&v->p, &text);

	if (!r)
		r = fsx_replace(v->o->output, text.p, text.n, 0644);
	if (r < 0)
		complain("%s: %s", v->o->output, strerror(-r));
	return r;
}

static void judge_rest(struct verdict *v)
{
	if (!v->found.unsigned_frames)
		return;
	on_fault(v, "the store shows frames of the chain that the host did not sign");
	v->is = PROOF_INVALID;
}

int prove(struct prove_options *o)
{
	_cleanup_(verdict_free) struct verdict v = { .o = o };
	char ca[PATH_MAX];
	int r = o->file ? load(&v) : fetch(&v, ca);

	if (!r && o->output)
		r = save(&v);
	if (r < 0)
		return EXIT_FAILED;
	r = proof_check(&v.p, &o->trust, on_fault, &v, &v.view, &v.is);
	if (r < 0)
		return complain("%s%s%s", r == -ENOMEM ? "" : o->trust.ca, r == -ENOMEM ? "" : ": ", strerror(-r));
	judge_rest(&v);
	if (o->json)
		tell_machines(&v);
	else
		tell_people(&v);
	return v.is == PROOF_VALID && !fflush(stdout) ? EXIT_DONE : EXIT_FAILED;
}

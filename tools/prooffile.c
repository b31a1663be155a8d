/* SPDX-License-Identifier: Apache-2.0 */
/* prooffile.c - a proof as a file: read by writing it again, and comparing every byte. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/cleanup.h"
#include "proof.h"
#include "proto/base64.h"
#include "proto/keys.h"

#define VERSION 1

static void object_put(struct json_object **o)
{
	json_object_put(*o);
}

/* ---- writing */

/* NULL is no memory; json_object_object_add() then adds null, which nobody reads again. */
static struct json_object *text_of(const void *p, size_t n)
{
	return json_object_new_string_len(n ? p : "", (int)n);
}

static struct json_object *base64_of(const void *p, size_t n)
{
	_cleanup_buf_ struct buf text = { 0 };

	return base64_encode(p, n, &text) < 0 ? NULL : text_of(text.p, text.n);
}

static int add(struct json_object *o, const char *key, struct json_object *v)
{
	if (v && !json_object_object_add(o, key, v))
		return 0;
	json_object_put(v);
	return -ENOMEM;
}

static struct json_object *after_of(const struct proof *p)
{
	_cleanup_(object_put) struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < p->nafter; i++) {
		struct json_object *one = base64_of(p->after[i].p, p->after[i].n);

		if (!one || json_object_array_add(list, one) < 0)
			return json_object_put(one), NULL;
	}
	return TAKE_PTR(list);
}

int proof_write(const struct proof *p, struct buf *out)
{
	_cleanup_(object_put) struct json_object *o = json_object_new_object();
	const char *text;
	size_t n;
	char key[65];
	int r = o ? add(o, "hosttrailProof", json_object_new_int(VERSION)) : -ENOMEM;

	hex_text(p->key, 32, key);
	if (!r)
		r = add(o, "eventId", text_of(p->event_id, strlen(p->event_id)));
	if (!r)
		r = add(o, "hostId", text_of(p->host_id, strlen(p->host_id)));
	if (!r)
		r = add(o, "publicKey", text_of(key, 64));
	if (!r && p->certificate.n)
		r = add(o, "certificate", base64_of(p->certificate.p, p->certificate.n));
	if (!r)
		r = add(o, "record", text_of(p->record.p, p->record.n));
	if (!r)
		r = add(o, "frame", base64_of(p->frame.p, p->frame.n));
	if (!r && p->before.n)
		r = add(o, "before", base64_of(p->before.p, p->before.n));
	if (!r)
		r = add(o, "after", after_of(p));
	text = r ? NULL : json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);
	if (!text)
		return -ENOMEM;
	r = buf_add(out, text, n);
	return r < 0 ? r : buf_addc(out, '\n');
}

/* ---- reading; what is missing or wrong here is seen when it is written again */

static const char *text_at(struct json_object *o, const char *key, size_t *ret_n)
{
	struct json_object *v;

	*ret_n = 0;
	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string))
		return "";
	*ret_n = (size_t)json_object_get_string_len(v);
	return json_object_get_string(v);
}

static void copy(struct json_object *o, const char *key, char *to, size_t room)
{
	size_t n;
	const char *text = text_at(o, key, &n);

	snprintf(to, room, "%s", text);
}

static int bytes(struct json_object *o, const char *key, struct buf *to)
{
	size_t n;

	return base64_decode(text_at(o, key, &n), to) == -ENOMEM ? -ENOMEM : 0;
}

static int read_after(struct json_object *o, struct proof *p)
{
	struct json_object *list;
	int r = 0;

	if (!json_object_object_get_ex(o, "after", &list) || !json_object_is_type(list, json_type_array))
		return 0;
	for (size_t i = 0; !r && i < json_object_array_length(list) && i < PROOF_AFTER_MAX; i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		_cleanup_buf_ struct buf b = { 0 };

		if (json_object_is_type(one, json_type_string))
			r = base64_decode(json_object_get_string(one), &b);
		r = r == -ENOMEM ? r : proof_add_after(p, b.p, b.n);
	}
	return r;
}

static int read_members(struct json_object *o, struct proof *p)
{
	size_t n;
	const char *record = text_at(o, "record", &n);
	char key[65];
	int r = buf_add(&p->record, record, n);

	copy(o, "eventId", p->event_id, sizeof(p->event_id));
	copy(o, "hostId", p->host_id, sizeof(p->host_id));
	copy(o, "publicKey", key, sizeof(key));
	hex_parse(key, p->key, 32);
	if (!r)
		r = bytes(o, "certificate", &p->certificate);
	if (!r)
		r = bytes(o, "frame", &p->frame);
	if (!r)
		r = bytes(o, "before", &p->before);
	return r < 0 ? r : read_after(o, p);
}

static int parse(const void *text, size_t n, struct json_object **ret)
{
	struct json_tokener *t = json_tokener_new_ex(4);
	struct json_object *o;

	if (!t)
		return -ENOMEM;
	o = json_tokener_parse_ex(t, text, (int)n);
	json_tokener_free(t);
	if (!json_object_is_type(o, json_type_object))
		return json_object_put(o), -EBADMSG;
	*ret = o;
	return 0;
}

int proof_read(const void *text, size_t n, struct proof *ret_p, const char **ret_why)
{
	_cleanup_(object_put) struct json_object *o = NULL;
	_cleanup_proof_ struct proof p = { 0 };
	_cleanup_buf_ struct buf again = { 0 };
	int r;

	*ret_why = "it is no proof, or too long";
	if (n > PROOF_FILE_MAX)
		return -EBADMSG;
	r = parse(text, n, &o);
	if (!r)
		r = read_members(o, &p);
	if (!r)
		r = proof_write(&p, &again);
	if (r < 0)
		return r;
	*ret_why = "it is not as it was written";
	if (again.n != n || memcmp(again.p, text, n))
		return -EBADMSG;
	*ret_p = p;
	p = (struct proof){ 0 };
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "showframe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "lib/cleanup.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "reply.h"

int show_base64(struct json *j, const char *key, const void *p, size_t n)
{
	_cleanup_free_ char *text = malloc(4 * (n / 3 + 1) + 1);
	int len;

	if (!text)
		return -ENOMEM;
	len = EVP_EncodeBlock((unsigned char *)text, p, (int)n);
	json_text(j, key, text, (size_t)len);
	return 0;
}

static void json_hex(struct json *j, const char *key, const void *p, size_t n)
{
	char text[65];

	hex_text(p, n, text);
	json_string(j, key, text);
}

static void show_intact(struct json *j, const struct journal_entry *e, const struct frame_header *h)
{
	uint8_t digest[32];

	sha256(e->frame + h->header_len, e->frame_len - h->header_len, digest);
	json_boolean(j, "PayloadIntact", !memcmp(digest, h->payload_sha256, 32));
}

static int show_damage(struct json *j, const struct frames_item *f)
{
	json_string(j, "Damaged", f->damaged);
	json_uint(j, "Length", f->length);
	json_close(j, '}');
	return 0;
}

int show_frame(struct json *j, const char *key, const struct frames_item *f, unsigned what)
{
	const struct journal_entry *e = f->entry;
	const struct frame_header *h = f->header;
	int r;

	json_open(j, key, '{');
	json_string(j, "Position", f->position);
	if (f->damaged)
		return show_damage(j, f);
	json_hex(j, "Stream", h->stream, 16);
	json_string(j, "Chain", chain_name(h->chain) ? chain_name(h->chain) : "");
	json_uint(j, "Number", h->number);
	json_string(j, "Kind", h->kind == FRAME_TOMBSTONE ? "tombstone" : "batch");
	json_uint(j, "Records", h->records);
	if (!(what & SHOW_HEADER_ONLY))
		show_intact(j, e, h);
	json_string(j, "HostId", e->origin.host_id);
	json_string(j, "Account", e->origin.account);
	json_string(j, "Region", e->origin.region);
	json_hex(j, "PublicKey", e->origin.key, 32);
	json_time(j, "ReceivedTime", e->received);
	json_boolean(j, "Fork", e->flags & JOURNAL_FORK);
	json_boolean(j, "Own", e->flags & JOURNAL_OWN);
	r = show_base64(j, "Header", e->frame, h->header_len);
	if (!r && what & SHOW_PAYLOAD)
		r = show_base64(j, "Payload", e->frame + h->header_len, e->frame_len - h->header_len);
	json_close(j, '}');
	return r;
}

// SPDX-License-Identifier: Apache-2.0
/* fuzz_tlsevent.c - entries of TLS connections, as bytes: each begins with its length (u16), and is put into a copy of its own. */
#include <stdlib.h>
#include <string.h>

#include "agent/tlscalls.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int on_call(void *ctx, const struct tlscalls_call *c)
{
	return c->api->event_name.p && c->peer && c->http ? 0 : (abort(), 0);
}

static int on_unobserved(void *ctx, const struct tlssocks_unobserved *u)
{
	return u->tls->asked && strlen(u->tls->name) < HELLO_NAME_MAX ? 0 : (abort(), 0);
}

static void on_wanted(void *ctx, uint64_t conn, const struct ht_tls_wanted *w)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct tlscalls_ops ops = { .call = on_call, .wanted = on_wanted, .unobserved = on_unobserved };
	struct tlscalls *t;

	if (tlscalls_new(&ops, &t) < 0)
		return 0;
	while (n > 2) {
		size_t len = (size_t)p[0] | (size_t)p[1] << 8;
		void *entry;

		p += 2;
		n -= 2;
		len = len < n ? len : n;
		entry = malloc(len ? len : 1);
		if (!entry)
			break;
		memcpy(entry, p, len);
		tlscalls_event(t, entry, (uint32_t)len);
		free(entry);
		if (len && p[len - 1] == 'g')
			tlscalls_gone(t, p[0], UINT64_MAX);
		if (len && p[len - 1] == 'e')
			tlscalls_pass_end(t, 0);
		p += len;
		n -= len;
	}
	tlscalls_end(t, 1);
	tlscalls_free(&t);
	return 0;
}

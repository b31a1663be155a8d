/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

void targets_close(struct targets *t)
{
	if (t->list)
		freeaddrinfo(t->list);
	t->list = t->next = NULL;
}

static int resolve(struct targets *t, const char *store, char why[256])
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG };
	const struct addrinfo numeric = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST };
	const char *colon = strrchr(store, ':');
	size_t n = colon ? (size_t)(colon - store) : 0;
	int e;

	targets_close(t);
	if (n >= 2 && store[0] == '[' && store[n - 1] == ']') {
		store++;
		n -= 2;
	}
	if (!colon || !n || n >= sizeof(t->name)) {
		snprintf(why, 256, "%.200s: not host:port", store);
		return -EINVAL;
	}
	memcpy(t->name, store, n);
	t->name[n] = '\0';
	e = getaddrinfo(t->name, colon + 1, &numeric, &t->list);
	if (e)
		e = getaddrinfo(t->name, colon + 1, &hints, &t->list);
	if (e) {
		t->list = NULL;
		snprintf(why, 256, "%.200s: %s", t->name, gai_strerror(e));
		return -EADDRNOTAVAIL;
	}
	t->next = t->list;
	return 0;
}

int targets_next(struct targets *t, struct link_target *ret_target, bool *ret_last, char why[256])
{
	if (!t->next) {
		const char *store = t->stores->v[t->at % t->stores->n];
		int r;

		t->at = (t->at + 1) % t->stores->n;
		*ret_last = t->at == 0;
		r = resolve(t, store, why);
		if (r < 0)
			return r;
	}
	memcpy(&ret_target->address, t->next->ai_addr, t->next->ai_addrlen);
	ret_target->address_len = t->next->ai_addrlen;
	ret_target->name = t->name;
	t->next = t->next->ai_next;
	*ret_last = !t->next && t->at == 0;
	return 0;
}

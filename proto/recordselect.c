// SPDX-License-Identifier: Apache-2.0
#include "recordselect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arn.h"
#include "reader.h"

#define FILE_TYPE "Linux::File"

static struct str if_any(struct str s)
{
	return s.n ? s : (struct str){ NULL, 0 };
}

static void summary_fields(const struct record_summary *s, struct select_view *v)
{
	const char *category = select_category_name(s->category);

	select_view_text(v, SELECT_CATEGORY, category);
	select_view_set(v, SELECT_SOURCE, s->event_source);
	select_view_set(v, SELECT_NAME, s->event_name);
	select_view_set(v, SELECT_TYPE, s->event_type);
	select_view_text(v, SELECT_READ_ONLY, s->read_only ? "true" : "false");
	select_view_set(v, SELECT_ERROR, if_any(s->error));
	select_view_set(v, SELECT_EXECUTABLE, if_any(s->executable));
	for (unsigned i = SELECT_RESOURCE_TYPE; i <= SELECT_RESOURCE_ARN; i++)
		select_view_set(v, i, (struct str){ NULL, 0 });
	select_view_set(v, SELECT_CONSOLE, (struct str){ NULL, 0 });
	select_view_set(v, SELECT_VPC_ENDPOINT, (struct str){ NULL, 0 });
	select_view_set(v, SELECT_PATH, (struct str){ NULL, 0 });
	select_view_set(v, SELECT_USER, (struct str){ NULL, 0 });
	for (unsigned i = 0; i < s->nusernames; i++)
		select_view_add(v, SELECT_USER, s->usernames[i]);
	for (unsigned i = 0; i < s->nresources; i++) {
		struct str type = s->resource_types[i];

		select_view_add(v, SELECT_RESOURCE_TYPE, type);
		if (type.n == strlen(FILE_TYPE) && !memcmp(type.p, FILE_TYPE, type.n))
			select_view_add(v, SELECT_PATH, s->resource_names[i]);
	}
}

/* Texts that are made here: offsets first, since the buffer may move while it grows. */
struct made {
	enum select_field field;
	size_t at, n;
};

static void begin(struct made *m, enum select_field field, const struct buf *text)
{
	*m = (struct made){ field, text->n, 0 };
}

static void number(struct buf *text, struct made *m, enum select_field field, uint32_t n)
{
	begin(m, field, text);
	buf_addf(text, "%u", n);
	m->n = text->n - m->at;
}

static unsigned make_texts(const struct select_source *x, uint32_t uses, struct buf *text, struct made *v)
{
	const struct record_summary *s = &x->summary;
	struct str tail = x->arn_tail;
	char own[64];
	unsigned n = 0;

	for (unsigned i = 0; uses >> SELECT_RESOURCE_ARN & 1 && i < s->nresources; i++) {
		begin(&v[n], SELECT_RESOURCE_ARN, text);
		arn_of_resource(x->host, s->resource_types[i].p, s->resource_names[i], text);
		v[n].n = text->n - v[n].at;
		n++;
	}
	if (uses >> SELECT_USER_ARN & 1) {
		if (!tail.n)
			tail = (struct str){ own, (size_t)snprintf(own, sizeof(own), "process/%u.%llu", s->pid,
								   (unsigned long long)x->start) };
		begin(&v[n], SELECT_USER_ARN, text);
		arn_of_host(x->host, "", tail, text);
		v[n].n = text->n - v[n].at;
		n++;
	}
	if (x->has_euid)
		number(text, &v[n++], SELECT_EUID, x->euid);
	if (x->loginuid != UINT32_MAX)
		number(text, &v[n++], SELECT_LOGINUID, x->loginuid);
	return n;
}

int select_view_of(const struct select_source *x, uint32_t uses, struct buf *text, struct select_view *v)
{
	struct made made[RECORD_RESOURCES_MAX + 3];
	unsigned n;

	select_view_init(v);
	summary_fields(&x->summary, v);
	select_view_set(v, SELECT_CONTAINER, if_any(x->container));
	select_view_set(v, SELECT_CGROUP, if_any(x->cgroup));
	select_view_set(v, SELECT_USER_ARN, (struct str){ NULL, 0 });
	select_view_set(v, SELECT_EUID, (struct str){ NULL, 0 });
	select_view_set(v, SELECT_LOGINUID, (struct str){ NULL, 0 });
	buf_reset(text);
	n = make_texts(x, uses, text, made);
	if (text->failed)
		return -ENOMEM;
	for (unsigned at = 0; at < n; at++)
		select_view_add(v, made[at].field, (struct str){ (const char *)text->p + made[at].at, made[at].n });
	return 0;
}

int reader_select_view(struct reader *r, unsigned i, uint32_t uses, struct buf *text, struct select_view *v)
{
	struct select_source x = { .host = &r->host };
	const struct reader_identity *id;
	struct reader_record record;
	int k = reader_summary(r, i, &x.summary) ?: reader_record_at(r, i, &record);

	if (k < 0)
		return k;
	id = &r->identities[record.identity];
	x.container = reader_str(r, r->processes[id->process].container);
	x.cgroup = reader_str(r, r->processes[id->process].cgroup);
	x.arn_tail = reader_str(r, id->arn_tail);
	x.start = r->processes[id->process].start;
	x.has_euid = id->uids.n > 2;
	x.euid = id->uids.v[2];
	x.loginuid = id->loginuid;
	return select_view_of(&x, uses, text, v);
}

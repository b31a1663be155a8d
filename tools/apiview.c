/* SPDX-License-Identifier: Apache-2.0 */
#include "apiview.h"

#include <string.h>

#include "show.h"

static void text(struct buf *out, const char *s)
{
	show_escaped(out, s, strlen(s));
}

static void source(struct buf *out, const struct rule_source *s)
{
	static const char *const names[] = {
		[RULE_PATH] = "the path's label ", [RULE_QUERY] = "the query's ", [RULE_HEADER] = "the header ", [RULE_BODY] = "the JSON body's ",
		[RULE_FORM] = "the form's ", [RULE_METHOD] = "the method", [RULE_HOST] = "the host",
	};

	buf_adds(out, names[s->from]);
	if (s->name)
		text(out, s->name);
}

static void conditions(struct buf *out, const struct rule_conditions *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		buf_adds(out, "    only where ");
		source(out, &c->v[i].source);
		buf_adds(out, c->v[i].value ? " is \"" : " is there");
		if (c->v[i].value) {
			text(out, c->v[i].value);
			buf_adds(out, "\"");
		}
		buf_adds(out, c->v[i].source.from >= RULE_BODY ? " (told by the body: a call where it is not goes to the next operation)\n" : "\n");
	}
}

static const char *category(const struct rule_operation *op)
{
	static const char *const by_method = "Management if the method writes, Data if it reads";
	static const char *const names[] = { [CATEGORY_MANAGEMENT] = "Management", [CATEGORY_DATA] = "Data" };

	if (op->category)
		return names[op->category];
	return op->read_only < 0 ? by_method : names[op->read_only ? CATEGORY_DATA : CATEGORY_MANAGEMENT];
}

static void parameters(struct buf *out, const struct rule_operation *op)
{
	for (unsigned i = 0; i < op->nparameters; i++) {
		const struct rule_parameter *p = &op->parameters[i];
		bool secret = secret_name(str_of(p->name)) || secret_name(str_of(p->source.name));

		buf_adds(out, "    requestParameters.");
		text(out, p->name);
		buf_adds(out, p->hidden || secret ? ": hidden, if there is " : ": ");
		source(out, &p->source);
		buf_adds(out, secret && !p->hidden ? " (its name is a secret's)\n" : "\n");
	}
}

static void operation(struct buf *out, const struct rule_file *f, const struct rule_operation *op)
{
	buf_addf(out, "  line %zu: %s ", op->line, op->methods ? op->methods : "any method");
	text(out, op->path ? op->path : f->path);
	buf_adds(out, "\n    eventName \"");
	text(out, op->event_name);
	buf_addf(out, "\", readOnly %s, category %s\n", op->read_only < 0 ? "by the method" : op->read_only ? "true" : "false", category(op));
	conditions(out, &op->conditions);
	parameters(out, op);
	for (unsigned i = 0; i < op->nresources; i++) {
		buf_adds(out, "    resource ");
		text(out, op->resources[i].arn);
		if (op->resources[i].type) {
			buf_adds(out, " of type ");
			text(out, op->resources[i].type);
		}
		buf_adds(out, "\n");
	}
	if (op->error_code) {
		buf_adds(out, "    errorCode of a failed call: its JSON's ");
		text(out, op->error_code);
		buf_adds(out, "\n");
	}
	if (op->needs_body)
		buf_addf(out, "    reads at most %u bytes of the request's body\n", f->body_bytes);
	else
		buf_adds(out, "    reads nothing of the request's body\n");
}

void apiview(const struct rule_file *f, struct buf *out)
{
	text(out, f->file);
	buf_addf(out, ": API %s, %u operation%s, asked in this order\n", f->api, f->noperations, f->noperations == 1 ? "" : "s");
	for (unsigned i = 0; i < f->nhosts; i++)
		buf_addf(out, "%s%s", i ? ", " : "  calls to ", f->hosts[i]);
	buf_adds(out, f->nhosts ? "\n" : "  calls to any host\n");
	if (f->path) {
		buf_adds(out, "  with a path like ");
		text(out, f->path);
		buf_adds(out, "\n");
	}
	conditions(out, &f->conditions);
	buf_addf(out, "  eventSource: %s\n", f->event_source ? f->event_source : "the host called");
	for (unsigned i = 0; i < f->noperations; i++)
		operation(out, f, &f->operations[i]);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "agent/optout.h"
#include "agent/tls/discover.h"
#include "agent/tls/plan.h"
#include "agent/tls/stacks.h"
#include "client.h"
#include "doctor_tls.h"
#include "doctor_users.h"

#define FILES_MAX 16384

struct print {
	bool json, colour;
	struct ht_optouts browsers;
	struct doctor_users unread;
	unsigned looked_at, on, off;
};

static const char *const kinds[] = { "", "entry", "return", "return instruction" };
static const char *const classes[] = { "unknown", "nop", "emulated", "stepped" };

/* How many of the sites from `i` on are one place of a function (entry and return), or a row of its return instructions. */
static unsigned group_of(const struct tls_plan *p, unsigned i)
{
	unsigned n = 1;

	while (i + n < p->nsites && p->sites[i + n].func == p->sites[i].func &&
	       (p->sites[i].kind == TLS_SITE_RET_INSN ? p->sites[i + n].kind == TLS_SITE_RET_INSN : p->sites[i + n].offset == p->sites[i].offset))
		n++;
	return n;
}

static void print_compact(const struct tls_found *f, const struct tls_plan *p, bool colour)
{
	printf("%s%-8s%s", colour ? (p->nsites ? "\033[32m" : "\033[31m") : "", p->nsites ? "on" : "off", colour ? "\033[0m" : "");
	doctor_print_path(f->path);
	printf("%s%s%s%s\n", p->stack[0] ? ", " : "", p->stack, p->build_id[0] ? ", build " : "", p->build_id);
	if (p->why[0])
		printf("        %s\n", p->why);
	for (unsigned i = 0, n; i < p->nsites; i += n) {
		const struct tls_site *s = &p->sites[i];

		n = group_of(p, i);
		printf("          %-45s 0x%-9llx %-9s %s", s->symbol, (unsigned long long)s->offset, classes[s->insn], kinds[s->kind]);
		if (s->kind == TLS_SITE_RET_INSN && n > 1)
			printf("s: %u\n", n);
		else
			printf("%s\n", n > 1 ? ", return" : "");
	}
}

static struct json_object *site_json(const struct tls_site *s)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "symbol", json_object_new_string(s->symbol));
	json_object_object_add(o, "offset", json_object_new_int64((int64_t)s->offset));
	json_object_object_add(o, "kind", json_object_new_string(kinds[s->kind]));
	json_object_object_add(o, "instruction", json_object_new_string(classes[s->insn]));
	return o;
}

static void print_json(const struct tls_found *f, const struct tls_plan *p)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct json_object *sites = json_object_new_array();
	char name[4200];

	snprintf(name, sizeof(name), "tls: %s", f->path);
	json_object_object_add(o, "name", json_object_new_string(name));
	json_object_object_add(o, "on", json_object_new_boolean(p->nsites > 0));
	json_object_object_add(o, "required", json_object_new_boolean(false));
	json_object_object_add(o, "why", json_object_new_string(p->why));
	json_object_object_add(o, "stack", json_object_new_string(p->stack));
	json_object_object_add(o, "buildId", json_object_new_string(p->build_id));
	for (unsigned i = 0; i < p->nsites; i++)
		json_object_array_add(sites, site_json(&p->sites[i]));
	json_object_object_add(o, "sites", sites);
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int show_file(int fd, const struct tls_found *f, void *arg)
{
	struct print *print = arg;
	struct tls_plan p;

	print->looked_at++;
	if (tls_plan_file(fd, &p) < 0)
		return 0;
	if (p.nsites && optout_file(&print->browsers, f->path)) {	/* what else is left out says the agent */
		p.nsites = 0;
		snprintf(p.why, sizeof(p.why), "a browser: left out unless the configuration has tls_browsers: true");
	}
	if (p.uses_tls && !p.nsites)
		doctor_users_add(&print->unread, f, p.why);
	if (p.nsites || p.why[0]) {
		print->on += p.nsites > 0;
		print->off += !p.nsites;
		if (print->json)
			print_json(f, &p);
		else
			print_compact(f, &p, print->colour);
	}
	tls_plan_done(&p);
	return 0;
}

int doctor_tls(bool json, bool colour)
{
	struct print print = { .json = json, .colour = colour };
	char why[CONF_WHY_MAX];
	struct tls_discovery *d;
	int r = optout_make(&(struct optout_config){ 0 }, &print.browsers, why) ?: tls_discovery_new(FILES_MAX, &d);

	if (r < 0)
		return r;
	if (!json)
		printf("TLS: libraries of the linker's cache, here and in containers, what processes have mapped, and their executables\n");
	r = tls_discover_host(d, show_file, &print);
	if (!json)
		printf("%u files looked at: %u would be probed, %u not; %llu left out on file systems that may not answer\n", print.looked_at, print.on,
		       print.off, (unsigned long long)tls_discovery_stats(d)->left_out);
	tls_discovery_free(&d);
	return r < 0 ? r : doctor_users_print(&print.unread, json);
}

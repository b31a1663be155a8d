/* SPDX-License-Identifier: Apache-2.0 */
/* hosttrail query - SQL over the lake: StartQuery, then GetQueryResults page after page. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "command.h"
#include "lib/cleanup.h"
#include "show.h"

#define WIDTH_MAX 60		/* of a column that others stand behind */
#define COLUMNS_MAX 512
#define UNPREPARED_TRIES 600	/* the store looks through its segments at its start: a tenth of a second each */

static const struct opt opts[] = {
	{ OPT_LONG, "format", "FORMAT", "table (default), csv, or json (an object a row)" },
	OPT_DIR,
	{ 0 },
};

enum format { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSON };

struct output {
	enum format format;
	unsigned ncolumns, width[COLUMNS_MAX];
	bool begun;
	struct buf line;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	interrupted = 1;
}

/* ---- rows: lists of objects of one member each */

/* NULL: the value is. */
static const char *cell(struct json_object *row, unsigned i, const char **ret_name)
{
	struct json_object *o = json_object_array_get_idx(row, i);
	struct lh_entry *first = json_object_is_type(o, json_type_object) ? json_object_get_object(o)->head : NULL;
	struct json_object *v;

	*ret_name = "";
	if (!first)
		return NULL;
	*ret_name = lh_entry_k(first);
	v = (struct json_object *)lh_entry_v(first);
	return v ? json_object_get_string(v) : NULL;
}

static unsigned columns_of(struct json_object *row)
{
	size_t n = json_object_is_type(row, json_type_array) ? json_object_array_length(row) : 0;

	return n < COLUMNS_MAX ? (unsigned)n : COLUMNS_MAX;
}

static unsigned characters(const char *p, size_t n)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += ((unsigned char)p[i] & 0xc0) != 0x80;
	return sum;
}

static void table_cell(struct output *o, unsigned i, const char *text)
{
	size_t start = o->line.n;
	unsigned n;

	show_escaped(&o->line, text, strlen(text));
	n = characters((const char *)o->line.p + start, o->line.n - start);
	if (i + 1 == o->ncolumns)
		return;
	for (; n < o->width[i]; n++)
		buf_addc(&o->line, ' ');
	buf_adds(&o->line, "  ");
}

static void csv_cell(struct output *o, const char *text)
{
	buf_addc(&o->line, '"');
	for (; *text; text++) {
		if (*text == '"')
			buf_addc(&o->line, '"');
		buf_addc(&o->line, (uint8_t)*text);
	}
	buf_addc(&o->line, '"');
}

static void show_cells(struct output *o, struct json_object *row, bool names)
{
	const char *name, *value;

	for (unsigned i = 0; i < o->ncolumns; i++) {
		value = cell(row, i, &name);
		if (names)
			value = name;
		if (o->format == FORMAT_TABLE)
			table_cell(o, i, value ? value : "-");
		if (o->format == FORMAT_CSV && i)
			buf_addc(&o->line, ',');
		if (o->format == FORMAT_CSV && value)
			csv_cell(o, value);
	}
}

/* A name that is there twice keeps its last value: JSON has no other way. */
static void show_object(struct output *o, struct json_object *row)
{
	_cleanup_json_ struct json_object *object = json_object_new_object();
	const char *name, *value;

	for (unsigned i = 0; i < o->ncolumns; i++) {
		value = cell(row, i, &name);
		json_object_object_add(object, name, value ? json_object_new_string(value) : NULL);
	}
	buf_adds(&o->line, json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int put_line(struct output *o)
{
	int r = 0;

	buf_addc(&o->line, '\n');
	if (o->line.failed || fwrite(o->line.p, 1, o->line.n, stdout) != o->line.n)
		r = -EIO;
	buf_reset(&o->line);
	return r;
}

/* By the first page; what is wider later stands out. */
static void measure(struct output *o, struct json_object *rows)
{
	const char *name, *value;

	for (size_t k = 0; k < json_object_array_length(rows); k++)
		for (unsigned i = 0; i < o->ncolumns; i++) {
			unsigned n, m;

			value = cell(json_object_array_get_idx(rows, k), i, &name);
			n = value ? characters(value, strlen(value)) : 1;
			m = characters(name, strlen(name));
			n = n > m ? n : m;
			n = n < WIDTH_MAX ? n : WIDTH_MAX;
			o->width[i] = n > o->width[i] ? n : o->width[i];
		}
}

static int show_page(struct output *o, struct json_object *rows)
{
	size_t n = json_object_is_type(rows, json_type_array) ? json_object_array_length(rows) : 0;
	int r = 0;

	for (size_t k = 0; k < n && !r; k++) {
		struct json_object *row = json_object_array_get_idx(rows, k);

		o->ncolumns = columns_of(row);
		if (!o->begun && o->format != FORMAT_JSON) {
			measure(o, rows);
			show_cells(o, row, true);
			r = put_line(o);
		}
		o->begun = true;
		if (o->format == FORMAT_JSON)
			show_object(o, row);
		else
			show_cells(o, row, false);
		r = r ? r : put_line(o);
	}
	return r || fflush(stdout) == 0 ? r : -EIO;
}

/* ---- the query */

static void pause_ms(long ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static int start(struct client *client, const char *sql, struct json_object **ret_id, char why[256])
{
	_cleanup_json_ struct json_object *request = json_object_new_object(), *reply = NULL;
	int r = -EAGAIN;

	json_object_object_add(request, "QueryStatement", json_object_new_string(sql));
	for (unsigned i = 0; i < UNPREPARED_TRIES && r == -EAGAIN && !interrupted; i++) {
		if (i)
			pause_ms(100);
		r = client_call(client, CLOUDTRAIL_OP("StartQuery"), request, &reply, why);
	}
	if (r < 0)
		return r;
	*ret_id = json_object_new_object();
	json_object_object_add(*ret_id, "QueryId", json_object_new_string(member_text(reply, "QueryId")));
	return 0;
}

static int is_running(struct json_object *reply)
{
	const char *status = member_text(reply, "QueryStatus");

	return !strcmp(status, "QUEUED") || !strcmp(status, "RUNNING");
}

static int cancelled(struct client *client, struct json_object *id)
{
	_cleanup_json_ struct json_object *reply = NULL;
	char why[256];

	client_call(client, CLOUDTRAIL_OP("CancelQuery"), id, &reply, why);
	return complain("the query is cancelled");
}

static int results(struct client *client, struct json_object *id, struct output *o)
{
	char why[256];
	long wait = 5;

	for (;;) {
		_cleanup_json_ struct json_object *reply = NULL;
		const char *status;

		if (interrupted)
			return cancelled(client, id);
		if (client_call(client, CLOUDTRAIL_OP("GetQueryResults"), id, &reply, why) < 0)
			return complain("%s", why);
		status = member_text(reply, "QueryStatus");
		if (is_running(reply)) {
			pause_ms(wait);
			wait = wait < 500 ? wait * 2 : 500;
			continue;
		}
		if (strcmp(status, "FINISHED"))
			return complain("the query's status is %s: %s", status, member_text(reply, "ErrorMessage"));
		if (show_page(o, member_at(reply, "QueryResultRows")) < 0)
			return complain("cannot print: %s", strerror(errno));
		if (!*member_text(reply, "NextToken"))
			return EXIT_DONE;
		json_object_object_add(id, "NextToken", json_object_new_string(member_text(reply, "NextToken")));
	}
}

static int run(const struct command *c, int argc, char **argv)
{
	_cleanup_json_ struct json_object *id = NULL;
	_cleanup_client_ struct client *client = NULL;
	struct sigaction action = { .sa_handler = on_interrupt };
	struct output o = { .format = FORMAT_TABLE };
	const char *arg, *dir = NULL;
	struct instance instance;
	int opt, at, r;
	char why[256];

	while ((opt = command_option(c, argc, argv, &arg, &at))) {
		if (opt == 'd')
			dir = arg;
		else if (!strcmp(arg, "csv"))
			o.format = FORMAT_CSV;
		else if (!strcmp(arg, "json"))
			o.format = FORMAT_JSON;
		else if (strcmp(arg, "table"))
			command_misused(c, "--format: table, csv or json, not \"%s\"", arg);
	}
	if (argc - at != 1)
		command_misused(c, "one SQL statement is needed, as one argument");
	if (instance_find(dir, &instance) < 0)
		return EXIT_FAILED;
	if (client_open(&instance, &client, why) < 0)
		return complain("%s", why);
	sigaction(SIGINT, &action, NULL);
	if (start(client, argv[at], &id, why) < 0)
		return complain("%s", why);
	r = results(client, id, &o);
	buf_free(&o.line);
	return r;
}

const struct command cmd_query = {
	.name = "query",
	.usage = "[--format table|csv|json] SQL",
	.summary = "ask all records in SQL; events names the table of all of them",
	.details = "One SELECT, as in CloudTrail Lake; docs/lake.md has the columns. Ctrl-C cancels it.\n"
		   "  hosttrail query \"SELECT eventname, count(*) AS n FROM events GROUP BY eventname ORDER BY n DESC\"\n",
	.opts = opts,
	.run = run,
};

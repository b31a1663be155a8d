/* SPDX-License-Identifier: Apache-2.0 */
#include "work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "cage.h"
#include "lib/cleanup.h"
#include "rows.h"
#include "schema.h"
#include "tail.h"
#include "views.h"

#define HEADROOM (256ull << 20)		/* for threads; and most are ended by the store before, which says better why */

struct work {
	const char *dir;
	uint64_t memory;
	bool apart;
	struct tail tail;
	duckdb_database db;
	duckdb_connection c;
	duckdb_prepared_statement prepared;
	struct views views;
	struct buf in, sql;		/* sql: the statement that was checked */
	struct names names;		/* of its columns */
};

/* ---- answers */

static int say(struct work *w, enum wire_type type, const char *text)
{
	_cleanup_buf_ struct buf b = { 0 };

	wire_add_str(&b, text, strlen(text));
	return tail_send(&w->tail, type, &b);
}

static int refuse(struct work *w, bool ours, const char *why)
{
	_cleanup_buf_ struct buf b = { 0 };

	wire_add_u32(&b, ours);
	wire_add_str(&b, why, strlen(why));
	return tail_send(&w->tail, WIRE_REFUSED, &b);
}

/* ---- a statement */

static int check(struct work *w)
{
	struct wire in = wire_of(&w->in);
	struct str sql = wire_str(&in);
	_cleanup_buf_ struct buf b = { 0 };
	char why[DUCK_WHY_MAX] = "";
	struct sandbox_tables t;
	int r;

	buf_reset(&w->sql);
	buf_add(&w->sql, sql.p, sql.n);
	names_drop(&w->names);
	r = sandbox_check(w->c, buf_text(&w->sql), w->sql.n, &t, &w->names, why);
	if (r < 0)
		return refuse(w, r != -EINVAL && r != -EIO, why);
	wire_add_u32(&b, t.n);
	for (unsigned i = 0; i < t.n; i++)
		wire_add_str(&b, t.v[i], strlen(t.v[i]));
	wire_add_u64(&b, (uint64_t)t.times.from);
	wire_add_u64(&b, (uint64_t)t.times.to);
	return tail_send(&w->tail, WIRE_TABLES, &b);
}

static int prepare(struct work *w, char why[DUCK_WHY_MAX])
{
	duck.destroy_prepare(&w->prepared);
	if (duck.prepare(w->c, buf_text(&w->sql), &w->prepared) != DuckDBSuccess) {
		sandbox_message(duck.prepare_error(w->prepared), why);
		return -EINVAL;
	}
	if (duck.prepared_statement_type(w->prepared) == DUCKDB_STATEMENT_TYPE_SELECT)
		return 0;
	snprintf(why, DUCK_WHY_MAX, "one SELECT statement is allowed");
	return -EINVAL;
}

static int bind_params(struct work *w, struct wire *in, char why[DUCK_WHY_MAX])
{
	uint32_t given = wire_u32(in), wanted = (uint32_t)duck.nparams(w->prepared);

	if (wanted != given) {
		snprintf(why, DUCK_WHY_MAX, "the statement has %u parameters, %u were given", wanted, given);
		return -EINVAL;
	}
	for (uint32_t i = 0; i < given; i++) {
		struct str s = wire_str(in);
		_cleanup_free_ char *text = strndup(s.p, s.n);

		if (!text || duck.bind_varchar(w->prepared, i + 1, text) != DuckDBSuccess) {
			snprintf(why, DUCK_WHY_MAX, "parameter %u cannot be bound", i + 1);
			return -EINVAL;
		}
	}
	return 0;
}

static int bind_statement(struct work *w)
{
	struct wire in = wire_of(&w->in);
	uint32_t tables = wire_u32(&in);
	char why[DUCK_WHY_MAX] = "";
	int r = 0;

	for (uint32_t i = 0; i < tables && !r; i++) {
		struct str name = wire_str(&in), select = wire_str(&in);

		r = views_show(&w->views, w->c, name, select, why);
	}
	if (r < 0)
		return refuse(w, true, why);
	r = prepare(w, why);
	if (!r)
		r = bind_params(w, &in, why);
	return r < 0 ? refuse(w, false, why) : tail_send(&w->tail, WIRE_BOUND, NULL);
}

static int run(struct work *w)
{
	struct wire in = wire_of(&w->in);
	uint32_t tables = wire_u32(&in);
	char why[DUCK_WHY_MAX] = "";
	int r;

	for (uint32_t i = 0; i < tables && i < SANDBOX_TABLES_MAX; i++)
		w->tail.frames[i] = wire_u64(&in);
	r = rows_send(&w->tail, w->prepared, &w->names, why);
	duck.destroy_prepare(&w->prepared);
	if (r == -EPIPE)
		return r;
	return r < 0 ? say(w, WIRE_FAILED, why) : tail_send(&w->tail, WIRE_DONE, NULL);
}

static int serve(struct work *w)
{
	enum wire_type type;
	int r;

	for (;;) {
		r = wire_receive(w->tail.fd, 0, &type, &w->in);
		if (r < 0)
			return r;
		switch (type) {
		case WIRE_CHECK:
			r = tail_send(&w->tail, WIRE_TAKEN, NULL);
			if (!r)
				r = check(w);
			break;
		case WIRE_BIND:
			r = bind_statement(w);
			break;
		case WIRE_RUN:
			r = run(w);
			break;
		default:
			r = -EBADMSG;
		}
		if (r < 0)
			return r;
	}
}

/* ---- the beginning */

static int open_engine(struct work *w, char why[DUCK_WHY_MAX])
{
	char memory[32];
	const char *const settings[] = { "memory_limit", memory, "temp_directory", "", "autoinstall_known_extensions", "false",
					 "autoload_known_extensions", "false", NULL };
	int r;

	snprintf(memory, sizeof(memory), "%lluMB", (unsigned long long)(w->memory >> 20));
	schema_init();
	r = duck_open(settings, &w->db, why);
	if (!r)
		r = sandbox_make(w->db, &w->tail, w->dir, w->apart, why);
	if (!r && duck.connect(w->db, &w->c) != DuckDBSuccess)
		r = -ENOMEM;
	return r;
}

/* With what the store reads how much memory this has from: nobody else may look into a process that is not dumpable. */
static int greet(void)
{
	const uint32_t hello[] = { WIRE_HELLO, 0 };
	struct iovec iov = { (void *)hello, sizeof(hello) };
	_cleanup_close_ int statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };

	if (statm < 0)
		return -errno;
	control.h.cmsg_level = SOL_SOCKET;
	control.h.cmsg_type = SCM_RIGHTS;
	control.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.h), &statm, sizeof(int));
	return sendmsg(WORK_FD, &m, MSG_NOSIGNAL) == sizeof(hello) ? 0 : -EPIPE;
}

static int ready(struct work *w, bool files)
{
	_cleanup_buf_ struct buf b = { 0 };

	wire_add_u32(&b, files);
	return tail_send(&w->tail, WIRE_READY, &b);
}

/* What strangers' SQL makes of the engine, or of this process, does not get into the store's log. A sanitizer's report does. */
static int be_silent(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return 0;
#else
	return dup2(STDOUT_FILENO, STDERR_FILENO) < 0 ? -errno : 0;
#endif
}

static int begin(struct work *w, pid_t parent, const char *library, char why[DUCK_WHY_MAX])
{
	bool files = false;
	int r = cage_prepare(parent, WORK_FD);

	if (!r)
		r = greet();
	if (!r)
		r = duck_load(library, why);
	if (!r)
		r = be_silent();
	if (!r)
		r = cage_enter(w->dir, w->memory + WORK_UNCOUNTED + HEADROOM, &files);
	if (!r)
		r = open_engine(w, why);
	if (!r)
		r = ready(w, files);
	if (r < 0 && !*why)
		snprintf(why, DUCK_WHY_MAX, "%s", strerror(-r));
	return r;
}

int work_main(int argc, char **argv)
{
	struct work w = { .tail = { .fd = WORK_FD, .lock = PTHREAD_MUTEX_INITIALIZER } };
	char why[DUCK_WHY_MAX] = "";
	int r;

	if (argc != 5)
		return 2;
	prctl(PR_SET_NAME, "hosttrail-sql");
	w.dir = argv[2];
	w.memory = strtoull(argv[3], NULL, 10);
	w.apart = *argv[4] != '\0';
	r = begin(&w, (pid_t)atoi(argv[0]), argv[1], why);
	if (r < 0)
		say(&w, WIRE_FAULT, why);
	else
		serve(&w);
	_exit(r < 0);		/* without what the engine does to end well: nothing is to be kept */
}

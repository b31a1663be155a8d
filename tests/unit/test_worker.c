/* SPDX-License-Identifier: Apache-2.0 */
/* The store against processes that have been taken over: this program, again, says what no honest one would. Each costs its own query, and nothing else. */
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "store/index.h"
#include "store/lake/lake_internal.h"
#include "store/lake/query.h"
#include "store/lake/wire.h"
#include "store/lake/work.h"
#include "store/lake/worker.h"
#include "store/tailer.h"
#include "tests/tap.h"

#define TRIES 1000
#define SELF "/proc/self/exe"
#define HOUR (3600 * (int64_t)NS_PER_SEC)

static char dir[64], asked[UUID_TEXT];
static struct store st = { .region = "local", .account = "000000000000" };

/* ---- the process */

static void say(enum wire_type type, struct buf *b)
{
	if (wire_send(WORK_FD, type, b) < 0)
		_exit(0);
	buf_reset(b);
}

static void say_hello(void)
{
	uint32_t hello[] = { WIRE_HELLO, 0 };
	struct iovec iov = { hello, sizeof(hello) };
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	int fd = STDERR_FILENO;

	control.h.cmsg_level = SOL_SOCKET;
	control.h.cmsg_type = SCM_RIGHTS;
	control.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.h), &fd, sizeof(int));
	if (sendmsg(WORK_FD, &m, 0) != sizeof(hello))
		_exit(0);
}

static void listen_to(enum wire_type want, struct buf *b)
{
	enum wire_type type;

	if (wire_receive(WORK_FD, 0, &type, b) < 0 || type != want)
		_exit(0);
	buf_reset(b);
}

static void say_tables(const char *name, struct buf *b)
{
	wire_add_u32(b, 1);
	wire_add_str(b, name, strlen(name));
	wire_add_u64(b, (uint64_t)INT64_MIN);
	wire_add_u64(b, INT64_MAX);
	say(WIRE_TABLES, b);
}

static void say_columns(struct buf *b)
{
	wire_add_u32(b, 2);
	wire_add_str(b, "a", 1);
	wire_add_str(b, "b", 1);
	say(WIRE_COLUMNS, b);
}

/* So many rows, of so many values. */
static void say_rows(uint32_t rows, uint32_t values, struct buf *b)
{
	wire_add_u32(b, rows);
	for (uint32_t i = 0; i < values; i++)
		wire_add_str(b, "x\"\n\xff", 4);
	say(WIRE_ROWS, b);
}

static void ask_for(uint32_t table, uint64_t frame, struct buf *b)
{
	wire_add_u32(b, table);
	wire_add_u64(b, frame);
	wire_add_u32(b, 1);
	say(WIRE_ASK, b);
}

static bool is(const char *how, const char *what)
{
	return strcmp(how, what) == 0;
}

static void answer_run(const char *how, struct buf *b)
{
	if (is(how, "done at once"))
		say(WIRE_DONE, b);
	if (is(how, "rows of nothing"))
		say_rows(1, 2, b);
	say_columns(b);
	if (is(how, "columns again"))
		say_columns(b);
	if (is(how, "rows that are short"))
		say_rows(2, 3, b);
	if (is(how, "rows that are long"))
		say_rows(1, 3, b);
	if (is(how, "rows that are many"))
		say_rows(UINT32_MAX, 2, b);
	while (is(how, "rows without end"))
		say_rows(10000, 20000, b);
	if (is(how, "another table"))
		ask_for(1, 0, b);
	if (is(how, "no type"))
		say(77, b);
	if (is(how, "dies"))
		raise(SIGKILL);
	if (is(how, "another frame")) {
		ask_for(0, UINT64_MAX, b);
		listen_to(WIRE_FRAME, b);
	}
	say_rows(1, 2, b);
	say(WIRE_DONE, b);
}

static int be(const char *how)
{
	static const uint32_t too_long[] = { WIRE_TABLES, UINT32_MAX };
	struct buf b = { 0 };

	if (is(how, "nothing"))
		return 0;
	say_hello();
	if (is(how, "a fault")) {
		wire_add_str(&b, "it is broken", 12);
		say(WIRE_FAULT, &b);
	}
	wire_add_u32(&b, 1);
	say(WIRE_READY, &b);
	for (unsigned n = 0;; n++) {
		listen_to(WIRE_CHECK, &b);
		if (is(how, "dies with the second") && n)
			return 0;
		if (is(how, "takes nothing"))
			say(WIRE_BOUND, &b);
		say(WIRE_TAKEN, &b);
		if (is(how, "dies over it"))
			raise(SIGKILL);
		if (is(how, "a length") && write(WORK_FD, too_long, sizeof(too_long)) < 0)
			return 0;
		if (is(how, "silent"))
			pause();
		say_tables(is(how, "a name") ? "events\" AS SELECT 1; --" : "events", &b);
		listen_to(WIRE_BIND, &b);
		if (is(how, "bound wrongly"))
			say(WIRE_DONE, &b);
		say(WIRE_BOUND, &b);
		listen_to(WIRE_RUN, &b);
		answer_run(how, &b);
	}
}

/* ---- the store */

static bool begin(const char *how, const char *program, int64_t idle_ns)
{
	const struct lake_config c = { .dir = dir, .library = how, .program = program, .seal_records = 1000, .seal_ns = 3600 * (int64_t)NS_PER_SEC,
				       .memory = 256u << 20, .query_ns = (int64_t)NS_PER_SEC, .query_rows = 100000, .idle_ns = idle_ns, .results = 1u << 30 };
	char path[128];

	if (!mkdtemp(strcpy(dir, "/tmp/ht-worker-XXXXXX")))
		return false;
	snprintf(path, sizeof(path), "%s/journal", dir);
	ok(!journal_open(path, 0, NULL, NULL, &st.journal));
	snprintf(path, sizeof(path), "%s/index", dir);
	ok(!index_open(path, journal_end(st.journal), 0, NULL, NULL, &st.index));
	ok(!decoded_cache_new(16u << 20, &st.decoded));
	ok(!tailer_new(&st, dir, NULL, NULL, &st.tailer));
	ok(!lake_open(&st, &c, &st.lake));
	ok(!tailer_start(st.tailer) && !lake_start(st.lake));
	return !tap_failed;
}

static void end(void)
{
	char command[128];

	ok(lake_free(&st.lake));
	tailer_free(&st.tailer);
	index_free(&st.index);
	decoded_cache_free(&st.decoded);
	journal_free(&st.journal);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ok(system(command) == 0);
}

static bool all_ended(void)
{
	struct lake_stats stats = { .running = 1 };

	for (int i = 0; i < TRIES && stats.running; i++) {
		usleep(10000);
		lake_stats(st.lake, &stats);
	}
	return !stats.running;
}

/* Its status, or the fault with which it was refused, below 0; error: what is said of it. */
static int ask(struct buf *error)
{
	const struct query_request request = { .statement = "SELECT 1 FROM events", .statement_len = 20 };
	char why[DUCK_WHY_MAX];
	struct query_row row = { 0 };
	enum query_fault f;
	struct query *q;

	buf_reset(error);
	f = query_start(st.lake, &request, &q, why);
	if (!f) {
		while (!query_answer(q, 10000, false, &f, asked, why))
			;
	}
	ok(all_ended());
	if (f) {
		buf_adds(error, why);
		return -(int)f;
	}
	ok(!manifest_query_get(st.lake->manifest, asked, NULL, &row, NULL, error));
	return (int)row.status;
}

static void what_it_says_costs_its_own_query(void)
{
	static const struct {
		const char *how;
		int status;
		const char *said;
	} cases[] = {
		{ "honest", QUERY_FINISHED, "" },
		{ "another frame", QUERY_FINISHED, "" },
		{ "dies with the second", QUERY_FINISHED, "" },		/* as one that was killed while it waited: another takes the statement */
		{ "takes nothing", -QUERY_BROKEN, "" },
		{ "dies over it", -QUERY_BAD_STATEMENT, "the engine failed over the statement" },
		{ "a name", -QUERY_BAD_STATEMENT, "the engine failed over the statement" },
		{ "a length", -QUERY_BAD_STATEMENT, "the engine failed over the statement" },
		{ "bound wrongly", -QUERY_BAD_STATEMENT, "the engine failed over the statement" },
		{ "silent", -QUERY_BAD_STATEMENT, "the statement takes longer than queries may" },
		{ "done at once", QUERY_FAILED, "The store could not run the query." },
		{ "rows of nothing", QUERY_FAILED, "The store could not run the query." },
		{ "columns again", QUERY_FAILED, "The store could not run the query." },
		{ "rows that are short", QUERY_FAILED, "The store could not run the query." },
		{ "rows that are long", QUERY_FAILED, "The store could not run the query." },
		{ "rows that are many", QUERY_FAILED, "The store could not run the query." },
		{ "rows without end", QUERY_FAILED, "The result is larger than 100000 rows or 1073741824 bytes: use LIMIT." },
		{ "another table", QUERY_FAILED, "The store could not run the query." },
		{ "no type", QUERY_FAILED, "The store could not run the query." },
		{ "dies", QUERY_FAILED, "The engine failed while it ran the query." },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf error = { 0 };

		must(begin(cases[i].how, SELF, HOUR));
		ok(!lake_fault(st.lake));
		/* again: the place is free, and there is another process */
		for (unsigned k = 0; k < 2; k++) {
			ok_int(ask(&error), cases[i].status);
			ok_str(buf_text(&error), cases[i].said);
		}
		end();
		if (tap_failed)
			printf("# %s\n", cases[i].how);
	}
}

/* What it calls a value is one in the answer, whatever it is. */
static void what_it_gives_is_text(void)
{
	_cleanup_buf_ struct buf error = { 0 }, rows = { 0 };
	unsigned n = 0;
	uint64_t at;

	must(begin("honest", SELF, HOUR));
	ok_int(ask(&error), QUERY_FINISHED);
	must(!query_results(st.lake, asked, 0, 10, &rows, &at, &n));
	ok_int(n, 1);
	ok_str(buf_text(&rows), "[{\"a\":\"x\\\"\\n\xef\xbf\xbd" "ff\"},{\"b\":\"x\\\"\\n\xef\xbf\xbd" "ff\"}]");
	end();
}

static void what_cannot_begin_is_said(void)
{
	must(begin("nothing", SELF, HOUR));
	ok_str(lake_fault(st.lake), "its process ended while it began");
	end();
	must(begin("a fault", SELF, HOUR));
	ok_str(lake_fault(st.lake), "it is broken");
	end();
}

/* Of the one that was used, or 0 when it is gone. */
static pid_t waiting(void)
{
	pid_t pid = 0;

	pthread_mutex_lock(&st.lake->lock);
	for (const struct worker *w = st.lake->idle; w; w = w->next)
		pid = w->used ? w->pid : pid;
	pthread_mutex_unlock(&st.lake->lock);
	return pid;
}

static void what_waits_for_long_is_ended(void)
{
	_cleanup_buf_ struct buf error = { 0 };
	pid_t pid;

	must(begin("honest", SELF, HOUR));
	ok_int(ask(&error), QUERY_FINISHED);
	usleep(500000);
	ok(waiting() > 0);
	end();
	must(begin("honest", SELF, (int64_t)NS_PER_SEC));
	ok_int(ask(&error), QUERY_FINISHED);
	pid = waiting();
	must(pid > 0);
	for (int i = 0; i < TRIES && (waiting() || !kill(pid, 0)); i++)
		usleep(10000);
	ok_int(waiting(), 0);
	ok(kill(pid, 0) < 0);
	ok_int(st.lake->nidle, 1);	/* the one that is kept ready */
	ok_int(ask(&error), QUERY_FINISHED);
	end();
}

/* Nobody waits for a process that cannot be made. */
static void what_cannot_be_started_is_said(void)
{
	_cleanup_buf_ struct buf error = { 0 };
	char program[] = "/tmp/ht-worker-program-XXXXXX";
	int status = QUERY_FAILED;

	must(mkdtemp(program) && !rmdir(program) && !symlink(SELF, program));
	must(begin("dies", program, HOUR));
	ok(!unlink(program));
	for (unsigned i = 0; i < 4 && status == QUERY_FAILED; i++)
		status = ask(&error);
	ok_int(status, -QUERY_BROKEN);
	end();
}

int main(int argc, char **argv)
{
	static const struct tap_case cases[] = { CASE(what_it_says_costs_its_own_query), CASE(what_it_gives_is_text), CASE(what_cannot_begin_is_said), CASE(what_waits_for_long_is_ended),
						CASE(what_cannot_be_started_is_said) };

	signal(SIGPIPE, SIG_IGN);
	if (argc > 3 && !strcmp(argv[1], WORK_MODE))
		return be(argv[3]);
	return tap_run(cases, ARRAY_SIZE(cases));
}

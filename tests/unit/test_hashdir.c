/* SPDX-License-Identifier: Apache-2.0 */
/* ht-test: first */
/* Hash directories over hundreds of blocks: no answer changes by them, whatever is damaged, lost, killed or full. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/hashdir.h"
#include "tests/sizes.h"
#include "tests/unit/indexrows.h"

#define SMALL 20u	/* a tail that makes some 300 blocks of all rows: a directory of 256, two of 16, a few blocks in none */
#define SOME 1700u	/* rows that make some 85: five of 16 */

static void check_rows(struct index *ix, unsigned have)
{
	check_some(ix, have, 50);
}

static struct index_stats wait_gathered(struct index *ix)
{
	struct index_stats s;

	for (unsigned i = 0; i < 2000; i++) {
		index_stats(ix, &s);
		if (s.tail_records <= SMALL && !s.gathering && s.loose_blocks < HASHDIR_FAN)
			break;
		usleep(5000);
	}
	return s;
}

static unsigned digits(uint64_t blocks)
{
	return (unsigned)(blocks / HASHDIR_MEMBERS + blocks / HASHDIR_FAN % HASHDIR_FAN);
}

static unsigned files_named(const char *end)
{
	char path[128];
	unsigned n = 0;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/index", dir);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += strlen(e->d_name) > strlen(end) && !strcmp(e->d_name + strlen(e->d_name) - strlen(end), end);
	if (d)
		closedir(d);
	return n;
}

static void directory_path(unsigned n, char ret[512])
{
	struct dirent *e;
	char path[128];
	DIR *d;

	snprintf(path, sizeof(path), "%s/index", dir);
	ret[0] = '\0';
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (strstr(e->d_name, ".dir") && n-- == 0)
			snprintf(ret, 512, "%s/%s", path, e->d_name);
	if (d)
		closedir(d);
}

static struct index *gathered_index(unsigned have, struct index_stats *ret_s)
{
	struct index *ix;

	fresh_dir();
	ix = open_index(SMALL);
	if (ix) {
		ok_int(add(ix, 0, have), 0);
		*ret_s = wait_gathered(ix);
	}
	return ix;
}

static void directories_change_no_answer(void)
{
	struct index_stats s, again;
	struct index *ix = gathered_index(ROWS, &s);

	must(ix);
	ok(s.blocks >= 290 && s.loose_blocks < HASHDIR_FAN);
	ok_int(s.directories, digits(s.blocks));
	ok_int(files_named(".dir"), s.directories);
	check_rows(ix, ROWS);
	index_free(&ix);
	ix = open_index(SMALL);		/* they are there at once */
	must(ix);
	index_stats(ix, &again);
	ok_int(again.directories, s.directories);
	ok_int(add(ix, rest_of(ix), ROWS), 0);
	check_rows(ix, ROWS);
	index_free(&ix);
	clean();
}

/* Every value is in few blocks, or none: what is not there is refused by the directories, without a look at the blocks. */
static void a_rare_value_is_asked_of_few_blocks(void)
{
	struct index_stats s;
	struct index *ix = gathered_index(ROWS, &s);
	struct index_query q = { .from = INT64_MIN, .to = INT64_MAX, .by_attr = true, .attr = ATTR_RESOURCE_NAME };
	unsigned opened = 0;

	must(ix);
	for (unsigned i = 0; i < 100; i++) {
		_cleanup_index_cursor_ struct index_cursor *c = NULL;
		struct index_key k;
		char v[16];

		snprintf(v, sizeof(v), "/none%u", i);
		q.hash = index_hash(ix, v, strlen(v));
		ok_int(index_cursor_open(ix, &q, &c), 0);
		ok_int(index_cursor_next(c, &k), 0);
		opened += index_cursor_opened(c);
	}
	ok(opened <= 100 * (s.loose_blocks + 2));	/* the newest one is asked before any directory; one in thousands is a false guess */
	index_free(&ix);
	clean();
}

static void keep_copy(bool back)
{
	char command[256];

	snprintf(command, sizeof(command), back ? "rm -rf %s/index && cp -a %s/kept %s/index" : "cp -a %s/index %s/kept", dir, dir, dir);
	ok_int(system(command), 0);
}

/* A damaged one gives no wrong answer, and is made anew. */
static void damaged_directories_are_made_anew(void)
{
	static const off_t where[] = { 0, 8, 13, 20, 26, 30, 255, 260, 280, 1500, -1, -100, -500, -1000 };
	struct index_stats s;
	struct index *ix = gathered_index(SOME, &s);

	must(ix);
	index_free(&ix);
	keep_copy(false);
	for (unsigned i = 0; i < sizeof(where) / sizeof(where[0]) && !tap_failed; i++) {
		char path[512];
		struct stat st;

		keep_copy(true);
		directory_path(i % (unsigned)s.directories, path);
		must(!stat(path, &st));
		if (i % 4 == 3)
			must(!truncate(path, where[i] < 0 ? st.st_size + where[i] : where[i]));
		else
			must(!flip(path, where[i] < 0 ? st.st_size + where[i] : where[i]));
		ix = open_index(SMALL);
		must(ix);
		ok_int(add(ix, rest_of(ix), SOME), 0);
		check_rows(ix, SOME);
		s = wait_gathered(ix);
		ok_int(s.directories, digits(s.blocks));
		index_free(&ix);
	}
	clean();
}

/* A block that is gone takes the directories that have it with it. */
static void lost_blocks_take_their_directories_along(void)
{
	struct index_query q = { .from = INT64_MIN, .to = INT64_MAX };
	struct index_stats s;
	struct index *ix = gathered_index(SOME, &s);
	unsigned n;

	must(ix);
	index_free(&ix);
	keep_copy(false);
	for (unsigned at = 0; at < 85 && !tap_failed; at += 27) {
		char path[512];

		keep_copy(true);
		block_path(at, path);
		if (at % 2)
			must(!unlink(path));
		else
			must(!flip(path, 1024 + 100));
		ix = open_index(SMALL);
		must(ix);
		n = (unsigned)ask(ix, &q, &n);
		ok_int((int)n, -EAGAIN);
		repair(ix, SOME);
		check_rows(ix, SOME);
		s = wait_gathered(ix);
		ok(s.loose_blocks < HASHDIR_FAN);
		check_rows(ix, SOME);
		index_free(&ix);
	}
	clean();
}

/* Blocks can be written, directories cannot. */
static void no_room_for_directories(void)
{
	struct index_stats s = { 0 };
	struct index *ix;
	struct rlimit none, before;
	char path[128];

	fresh_dir();
	ix = open_index(SMALL);
	must(ix);
	snprintf(path, sizeof(path), "%s/index", dir);
	ok_int(add(ix, 0, SMALL * 4), 0);
	getrlimit(RLIMIT_FSIZE, &before);
	none = (struct rlimit){ 4500, before.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &none);
	ok_int(add(ix, SMALL * 4, SOME / 2), 0);
	for (unsigned i = 0; i < 2000 && !s.gather_error; i++) {
		index_stats(ix, &s);
		usleep(5000);
	}
	ok_int(s.gather_error, -EFBIG);
	ok_int(files_named(".tmp"), 0);
	check_rows(ix, SOME / 2);
	setrlimit(RLIMIT_FSIZE, &before);
	ok_int(add(ix, SOME / 2, SOME), 0);
	check_rows(ix, SOME);
	index_free(&ix);
	ix = open_index(SMALL);
	must(ix);
	ok_int(add(ix, rest_of(ix), SOME), 0);
	s = wait_gathered(ix);
	ok_int(s.directories, digits(s.blocks));
	check_rows(ix, SOME);
	index_free(&ix);
	clean();
}

/* A process that indexes and gathers; ended at any moment. */
static void index_until_killed(void)
{
	struct index *ix = open_index(SMALL);

	if (ix && !add(ix, rest_of(ix), ROWS))
		wait_gathered(ix);
	_exit(0);
}

static void clean_index(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s/index", dir);
	ok_int(system(command), 0);
}

static void kills_at_any_moment(void)
{
	unsigned kills = size("hashdir.kills");
	struct gen g = { (uint64_t)getpid() };
	struct index_stats s;
	struct index *ix;

	printf("# seed %d\n", (int)getpid());
	fresh_dir();
	for (unsigned i = 0; i < kills && !tap_failed; i++) {
		pid_t pid = fork();

		if (!pid)
			index_until_killed();
		usleep(gen_below(&g, 30000));
		kill(pid, SIGKILL);
		ok(waitpid(pid, NULL, 0) == pid);
		if (i % 8 == 7) {
			ix = open_index(SMALL);
			must(ix);
			check_rows(ix, rest_of(ix));
			index_free(&ix);
			clean_index();
		}
	}
	ix = open_index(SMALL);
	must(ix);
	ok_int(add(ix, rest_of(ix), ROWS), 0);
	s = wait_gathered(ix);
	ok_int(s.directories, digits(s.blocks));
	ok_int(files_named(".dir"), s.directories);
	ok_int(files_named(".tmp"), 0);
	check_rows(ix, ROWS);
	index_free(&ix);
	clean();
}

static const struct tap_case cases[] = {
	CASE(directories_change_no_answer),
	CASE(a_rare_value_is_asked_of_few_blocks),
	CASE(damaged_directories_are_made_anew),
	CASE(lost_blocks_take_their_directories_along),
	CASE(no_room_for_directories),
	CASE(kills_at_any_moment),
};
TAP_MAIN(cases)

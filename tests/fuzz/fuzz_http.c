/* SPDX-License-Identifier: Apache-2.0 */
/* A request's target (first line) and body against a small store: the answer is always JSON, and never our fault. */
#include <stdlib.h>
#include <unistd.h>

#include <json-c/json.h>

#include "lib/clock.h"
#include "store/api.h"
#include "store/tailer.h"
#include "tests/helpers/storekit.h"

static struct store st;
static char dir[64];

static void remove_dir(void)
{
	char command[128];

	tailer_free(&st.tailer);
	decoded_cache_free(&st.decoded);
	index_free(&st.index);
	journal_free(&st.journal);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		perror(dir);
}

static void need(int r)
{
	if (r < 0)
		abort();
}

static void make_store(void)
{
	static struct kit kit;
	char path[128];

	strcpy(dir, "/tmp/ht-fuzz-XXXXXX");
	if (!mkdtemp(dir))
		abort();
	st = (struct store){ .region = "local", .account = "000000000000", .started = clock_wall() };
	snprintf(path, sizeof(path), "%s/key", dir);
	need(kit_init(&kit, path, "6b0e4a51-0f5c-4c2e-9d1f-0a4f3e2d1c0b", clock_wall() - 1000 * (int64_t)NS_PER_SEC, 10000000));
	snprintf(path, sizeof(path), "%s/journal", dir);
	need(journal_open(path, 0, NULL, NULL, &st.journal));
	for (unsigned i = 0; i < 10; i++)
		need(kit_append(&kit, st.journal, i * 20, 20, clock_wall(), 0));
	need(journal_sync(st.journal));
	kit_free(&kit);
	snprintf(path, sizeof(path), "%s/index", dir);
	need(index_open(path, journal_end(st.journal), 64, NULL, NULL, &st.index));
	need(decoded_cache_new(1 << 20, &st.decoded));
	need(tailer_new(&st, dir, NULL, NULL, &st.tailer));
	need(tailer_start(st.tailer));
	while (tailer_done(st.tailer).pos < journal_end(st.journal))
		usleep(1000);
	tailer_stop(st.tailer);
	atexit(remove_dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *body = size ? memchr(data, '\n', size) : NULL;
	struct reply r = { 0 };
	struct json_object *o;
	char target[256];

	if (!st.journal)
		make_store();
	if (!body || body - data >= (long)sizeof(target) || size > API_BODY_MAX)
		return 0;
	memcpy(target, data, (size_t)(body - data));
	target[body - data] = '\0';
	body++;
	api_answer(&st, target, body, size - (size_t)(body - data), &r);
	if (r.status != 200 && r.status != 400)
		abort();
	o = json_tokener_parse(buf_text(&r.body));
	if (!o)
		abort();
	json_object_put(o);
	reply_free(&r);
	return 0;
}

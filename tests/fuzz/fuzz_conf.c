/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a config file: a fault names its line, and leaves everything as it was. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/conf.h"

struct config {
	char *name;
	bool on;
	int64_t count, wait;
	uint64_t size;
	int level;
	struct conf_list hosts;
};

static const char *const levels[] = { "debug", "info", NULL };
static const struct conf_key keys[] = {
	{ "name", CONF_STRING, offsetof(struct config, name), "x", 0, 0, NULL, "" },
	{ "on", CONF_BOOL, offsetof(struct config, on), "true", 0, 0, NULL, "" },
	{ "count", CONF_INT, offsetof(struct config, count), "3", 1, 10, NULL, "" },
	{ "wait", CONF_MS, offsetof(struct config, wait), "100ms", 1, 60000, NULL, "" },
	{ "size", CONF_SIZE, offsetof(struct config, size), "4K", 0, 0, NULL, "" },
	{ "level", CONF_ENUM, offsetof(struct config, level), "info", 0, 0, levels, "" },
	{ "hosts", CONF_LIST, offsetof(struct config, hosts), "a,b", 0, 0, NULL, "" },
};
#define KEYS keys, sizeof(keys) / sizeof(keys[0])

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("conf", MFD_CLOEXEC), r;
	struct config c = { 0 };
	char path[64], why[CONF_WHY_MAX];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || conf_defaults(KEYS, &c) < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = conf_load(KEYS, &c, path, why);
	if (r < 0 && (strncmp(why, path, strlen(path)) || !c.name || strcmp(c.name, "x") || c.count != 3 || c.hosts.n != 2))
		abort();
	if (c.count < 1 || c.count > 10 || c.level < 0 || c.level > 1)
		abort();
	conf_free(KEYS, &c);
	close(fd);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor_users.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "client.h"
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/procfs.h"

#define FILES_OF_ONE 4096

void doctor_users_add(struct doctor_users *u, const struct tls_found *f, const char *why)
{
	if (u->n == DOCTOR_USERS_FILES)
		return;
	u->files[u->n].dev = f->dev;
	u->files[u->n].ino = f->ino;
	snprintf(u->files[u->n++].why, sizeof(u->files[0].why), "%s", why);
}

void doctor_print_path(const char *path)
{
	for (; *path; path++)
		putchar((unsigned char)*path < 0x20 || *path == 0x7f ? '?' : *path);
}

static void print_json(uint32_t pid, const char *comm, const char *path, const char *why)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	char name[32];

	snprintf(name, sizeof(name), "tls user: %u", pid);
	json_object_object_add(o, "name", json_object_new_string(name));
	json_object_object_add(o, "on", json_object_new_boolean(false));
	json_object_object_add(o, "required", json_object_new_boolean(false));
	json_object_object_add(o, "why", json_object_new_string(why));
	json_object_object_add(o, "command", json_object_new_string(comm));
	json_object_object_add(o, "file", json_object_new_string(path));
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void print(struct doctor_users *u, const char *path, const char *why)
{
	_cleanup_buf_ struct buf comm = { 0 };
	char name[32] = "";

	if (!procfs_read(u->pid, "comm", &comm))
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(buf_text(&comm), "\n"), buf_text(&comm));
	u->found++;
	if (u->json) {
		print_json(u->pid, name, path, why);
		return;
	}
	printf("off     process %u, ", u->pid);
	doctor_print_path(name);
	printf(": ");
	doctor_print_path(path);
	printf("\n        %s\n", why);
}

static int take(int fd, const struct tls_found *f, void *arg)
{
	struct doctor_users *u = arg;

	for (unsigned i = 0; i < u->n; i++)
		if (u->files[i].dev == f->dev && u->files[i].ino == f->ino)
			print(u, f->path, u->files[i].why);
	return 0;
}

/* Each process anew, as a search gives each file only once. */
static int look_at(struct doctor_users *u, uint32_t pid)
{
	_cleanup_(tls_discovery_free) struct tls_discovery *d = NULL;
	int r = tls_discovery_new(FILES_OF_ONE, &d);

	u->pid = pid;
	if (!r)
		r = tls_discover_process(d, pid, take, u);
	return r == -ESRCH ? 0 : r;
}

int doctor_users_print(struct doctor_users *u, bool json)
{
	DIR *proc = u->n ? opendir("/proc") : NULL;
	struct dirent *e;
	int r = 0;

	if (u->n && !proc)
		return -errno;
	u->json = json;
	while (!r && proc && (e = readdir(proc))) {
		char *end;
		unsigned long pid = strtoul(e->d_name, &end, 10);

		if (pid && !*end)
			r = look_at(u, (uint32_t)pid);
	}
	if (proc)
		closedir(proc);
	if (!json && !u->found)
		printf("no process has a file mapped whose TLS is not recorded\n");
	return r;
}

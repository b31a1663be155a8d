/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exes.h - executables by the kernel's own numbers, and their SHA-256 once it is known.
 *
 * The first sight of an executable asks for its hash (ask); records meanwhile carry the id without it.
 * Bounded to EXES_MAX (oldest out). Not thread-safe.
 */
#ifndef HOSTTRAIL_EXES_H
#define HOSTTRAIL_EXES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"
#include "proto/record.h"

#define EXES_MAX 8192
#define EXE_ID_LEN 96

struct exes;
struct exe_ref {
	struct ht_exe exe;
	uint32_t pid;			/* a process that runs it: /proc/<pid>/exe opens it */
	uint64_t start;
	const char *path;
};
typedef void (*exes_ask_fn)(void *ctx, const struct exe_ref *ref);

int exes_new(exes_ask_fn ask, void *ctx, struct exes **ret_e);
void exes_free(struct exes **e);
/* SHA-256 as 64 hex digits, or empty. Valid until the next call that adds one. */
struct str exes_sha256(struct exes *e, const struct ht_exe *exe, struct str path, uint32_t pid, uint64_t start);
/* Answer; sha256 NULL: it could not be had (the process is gone): the next process that runs it is asked for, a few
 * times. True: this is news, and *ret_path (borrowed) is its path. */
bool exes_set(struct exes *e, const struct ht_exe *exe, const uint8_t sha256[32], const char **ret_path);
uint64_t exes_version(const struct exes *e);	/* grows with every hash that becomes known */
/* "<dev>-<ino>-<generation>-<ctime>-<size>" in hex: the same file content as far as the kernel can tell. */
void exe_id_text(const struct ht_exe *exe, char ret_text[EXE_ID_LEN]);
bool exe_same(const struct ht_exe *a, const struct ht_exe *b);

#endif

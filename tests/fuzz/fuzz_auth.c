/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What says who may ask: a credentials file, and the labels of hosts that its profiles name, after a 0: a line each. What is taken has keys that
 * can be asked by, and what cannot be taken says why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "store/auth.h"
#include "store/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct auth *load(const uint8_t *data, size_t size)
{
	int fd = memfd_create("credentials", MFD_CLOEXEC), r;
	char path[64], why[256] = "";
	struct auth *a = NULL;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || fchmod(fd, 0600) < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = auth_load(path, "local", 5, &a, why);
	if ((r < 0) != !a || (r < 0 && strncmp(why, path, strlen(path))))
		abort();
	close(fd);
	return a;
}

static void add_line(struct conf_list *l, const char *p, size_t n)
{
	l->v = realloc(l->v, (l->n + 1) * sizeof(*l->v));
	if (!l->v || !(l->v[l->n++] = strndup(p, n)))
		abort();
}

static void label(struct auth *a, const char *text, size_t n)
{
	struct conf_list lines = { 0 };
	char why[256] = "";

	for (const char *end = text + n; text < end && lines.n < 64;) {
		size_t len = strcspn(text, "\n");

		add_line(&lines, text, len);
		text += len + 1;
	}
	if (labels_check(&lines, why) < 0 ? !*why : a && auth_label(a, &lines) < 0)
		abort();
	for (size_t i = 0; i < lines.n; i++)
		free(lines.v[i]);
	free(lines.v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = strnlen((const char *)data, size);
	struct auth *a = load(data, n);
	char *labels = strndup((const char *)data + n + (n < size), size - n - (n < size));

	if (!labels)
		abort();
	label(a, labels, strlen(labels));
	if (a) {
		auth_has_scopes(a);
		if (auth_by_secret(a, "nobody", "") || auth_by_secret(a, "", ""))
			abort();
	}
	auth_free(&a);
	free(labels);
	return 0;
}

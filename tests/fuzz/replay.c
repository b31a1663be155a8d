/* SPDX-License-Identifier: Apache-2.0 */
/* Replays a corpus (files or folders given as arguments) through a fuzz target, so that every
 * input that ever mattered is a regression test where no fuzzer is at hand. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	struct stat st;
	struct dirent *e;
	FILE *f;
	uint8_t *p;
	DIR *d;
	int n = 0;

	if (stat(path, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode)) {
		d = opendir(path);
		while (d && (e = readdir(d))) {
			char sub[4096];

			if (e->d_name[0] == '.')
				continue;
			snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
			n += replay(sub);
		}
		if (d)
			closedir(d);
		return n;
	}
	f = fopen(path, "rb");
	p = malloc((size_t)st.st_size + 1);
	if (f && p && fread(p, 1, (size_t)st.st_size, f) == (size_t)st.st_size) {
		LLVMFuzzerTestOneInput(p, (size_t)st.st_size);
		n = 1;
	}
	if (f)
		fclose(f);
	free(p);
	return n;
}

int main(int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc; i++)
		n += replay(argv[i]);
	printf("1..1\n%s 1 - replayed %d inputs\n", n ? "ok" : "not ok", n);
	return n ? 0 : 1;
}

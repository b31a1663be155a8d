// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>

#include "cgroupname.h"

#define ID_LEN 64

/* Scopes that runtimes make are <prefix><id>.scope; an empty prefix is docker's and containerd's bare <id> folder. */
static const char *const prefixes[] = { "docker-", "libpod-", "crio-", "cri-containerd-", "" };

/* Last component that ends before `end`; false at the root. */
static bool component_before(struct str path, size_t end, struct str *ret_c)
{
	size_t at;

	while (end && path.p[end - 1] == '/')
		end--;
	if (!end)
		return false;
	for (at = end; at && path.p[at - 1] != '/'; at--)
		;
	*ret_c = (struct str){ path.p + at, end - at };
	return true;
}

static bool is_id(const char *p, size_t n)
{
	if (n != ID_LEN)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isxdigit((unsigned char)p[i]) || isupper((unsigned char)p[i]))
			return false;
	return true;
}

static bool ends(struct str s, const char *suffix)
{
	size_t n = strlen(suffix);

	return s.n > n && !memcmp(s.p + s.n - n, suffix, n);
}

/* containerd under systemd: <slice>:cri-containerd:<id> */
static struct str behind_colon(struct str c)
{
	const char *colon = memrchr(c.p, ':', c.n);

	return colon ? (struct str){ colon + 1, c.n - (size_t)(colon + 1 - c.p) } : c;
}

static bool container_of_component(struct str c, struct str *ret_id)
{
	c = behind_colon(c);
	if (ends(c, ".scope"))
		c.n -= strlen(".scope");
	for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t n = strlen(prefixes[i]);

		if (c.n != n + ID_LEN || memcmp(c.p, prefixes[i], n) || !is_id(c.p + n, ID_LEN))
			continue;
		*ret_id = (struct str){ c.p + n, ID_LEN };
		return true;
	}
	return false;
}

bool cgroup_container(struct str path, struct str *ret_id)
{
	struct str c;

	for (size_t end = path.n; component_before(path, end, &c); end = c.p - path.p)
		if (container_of_component(c, ret_id))
			return true;
	return false;
}

bool cgroup_unit(struct str path, struct str *ret_unit)
{
	struct str c, scope = { NULL, 0 }, id;

	for (size_t end = path.n; component_before(path, end, &c); end = c.p - path.p) {
		if (ends(c, ".service")) {
			*ret_unit = c;
			return true;
		}
		if (!scope.p && ends(c, ".scope") && !container_of_component(c, &id))
			scope = c;
	}
	if (scope.p)
		*ret_unit = scope;
	return scope.p != NULL;
}

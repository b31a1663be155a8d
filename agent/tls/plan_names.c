// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "plan_internal.h"

/* What a symbol begins with that can be in the table. Rust's mangled names begin with _. */
static const char *const beginnings[] = { "SSL_", "gnutls_", "PR_", "wolfSSL_", "mbedtls_", "s2n_", "rustls_", "nghttp2_" };

/* Functions that BoringSSL and its forks have and OpenSSL has not. */
static const char *const boring_marks[] = { "SSL_CTX_set_custom_verify", "SSL_CTX_set_grease_enabled", "SSL_set_permute_extensions",
					    "SSL_CTX_set_reverify_on_resume" };

/*
 * Parts that a mangled name of rustls has, in this order: of the old mangling, and of v0. The hash of the old one follows the
 * function's name as 17h..., which tells write() from write_vectored() and write_all().
 */
static const struct {
	const char *parts[4], *row;
} mangled[] = {
	{ { "rustls..", "Writer", "Write$GT$5write17h" }, "rustls::Writer::write" },
	{ { "rustls..", "Writer", "Write$GT$14write_vectored17h" }, "rustls::Writer::write_vectored" },
	{ { "rustls..", "Reader", "Read$GT$4read17h" }, "rustls::Reader::read" },
	{ { "6rustls", "6Writer", "5Write", "5write" }, "rustls::Writer::write" },
	{ { "6rustls", "6Writer", "5Write", "14write_vectored" }, "rustls::Writer::write_vectored" },
	{ { "6rustls", "6Reader", "4Read", "4read" }, "rustls::Reader::read" },
};

static bool has_parts(const char *name, const char *const *parts, unsigned n)
{
	const char *end = name;

	for (unsigned i = 0; i < n && parts[i]; i++) {
		end = strstr(end, parts[i]);
		if (!end)
			return false;
		end += strlen(parts[i]);
	}
	return name[1] != 'R' || !*end; /* v0: the function's name is the last part */
}

uint16_t plan_row_named(const char *stack, const char *symbol)
{
	for (unsigned i = 1; i < tls_nfuncs; i++)
		if (!strcmp(tls_funcs[i].symbol, symbol) && (!stack || !strcmp(tls_funcs[i].stack, stack)))
			return (uint16_t)i;
	return 0;
}

static uint16_t row_of_mangled(const char *symbol)
{
	if (symbol[1] != 'Z' && symbol[1] != 'R')
		return 0;
	for (unsigned i = 0; i < sizeof(mangled) / sizeof(mangled[0]); i++)
		if (has_parts(symbol, mangled[i].parts, 4))
			return plan_row_named("rustls", mangled[i].row);
	return 0;
}

uint16_t plan_row_of(const char *symbol, bool *boring)
{
	if (symbol[0] == '_')
		return row_of_mangled(symbol);
	for (unsigned i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		if (strncmp(symbol, beginnings[i], strlen(beginnings[i])))
			continue;
		for (unsigned n = 0; n < sizeof(boring_marks) / sizeof(boring_marks[0]); n++)
			*boring |= !strcmp(symbol, boring_marks[n]);
		return plan_row_named(NULL, symbol);
	}
	return 0;
}

/* A library's name, and what may follow it at once: a version, a build's hash, the end of the name. */
static const char *const libraries[] = { "libssl", "libgnutls", "libnspr4", "libwolfssl", "libmbedtls", "librustls", "libnghttp2", "libnode",
					 "libboringssl", "libnetty_tcnative", "libconscrypt", "libpython", "libcurl", "libgrpc",
					 "libtls", "libs2n", "libjvm", "libcronet", "_ssl", "_rust", "_openssl", "_awscrt", "libaws-crt", "cygrpc", "libquiche" };

bool tls_plan_name(const char *basename)
{
	const char *last = strrchr(basename, '.');

	if (last && last > basename && !strcmp(last, ".node"))	/* node's modules have any name, and sometimes TLS of their own */
		return true;
	if (!strstr(basename, ".so"))
		return false;
	for (unsigned i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
		if (!strncmp(basename, libraries[i], strlen(libraries[i])))
			return true;
	return strstr(basename, "tcnative") || strstr(basename, "openssl") || strstr(basename, "boringssl");
}

#define MEMORY "memfd:"	/* so the kernel calls a file that is in memory alone */

bool tls_plan_mapped(const char *basename)
{
	if (!strncmp(basename, MEMORY, sizeof(MEMORY) - 1))
		basename += sizeof(MEMORY) - 1;
	return !strstr(basename, ".so") || tls_plan_name(basename);
}

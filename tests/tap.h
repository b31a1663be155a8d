/* SPDX-License-Identifier: Apache-2.0 */
/* tap.h - what a unit test needs: cases in a table, checks that say where they failed, TAP out.
 * A case that is not in the table does not compile (-Werror=unused-function in test files). */
#ifndef HOSTTRAIL_TAP_H
#define HOSTTRAIL_TAP_H

#pragma GCC diagnostic error "-Wunused-function"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_failed;
static const char *tap_skip_reason;

#define ok(cond)                                                                                  \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);                       \
			tap_failed = 1;                                                           \
		}                                                                                 \
	} while (0)
#define ok_int(a, b)                                                                              \
	do {                                                                                      \
		long long _a = (long long)(a), _b = (long long)(b);                               \
		if (_a != _b) {                                                                   \
			printf("# %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #a, _a, _b); \
			tap_failed = 1;                                                           \
		}                                                                                 \
	} while (0)
#define ok_str(a, b)                                                                              \
	do {                                                                                      \
		const char *_a = (a), *_b = (b);                                                  \
		if (!_a || !_b || strcmp(_a, _b)) {                                               \
			printf("# %s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #a, _a ? _a : "(null)", _b ? _b : "(null)"); \
			tap_failed = 1;                                                           \
		}                                                                                 \
	} while (0)
/* Stops the case. */
#define must(cond)                                                                                \
	do {                                                                                      \
		ok(cond);                                                                         \
		if (tap_failed)                                                                   \
			return;                                                                   \
	} while (0)
#define skip(reason)                                                                              \
	do {                                                                                      \
		tap_skip_reason = (reason);                                                       \
		return;                                                                           \
	} while (0)

struct tap_case {
	const char *name;
	void (*fn)(void);
};
#define CASE(f) { #f, f }

static inline int tap_run(const struct tap_case *cases, size_t n)
{
	int failures = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..%zu\n", n);
	for (size_t i = 0; i < n; i++) {
		tap_failed = 0;
		tap_skip_reason = NULL;
		cases[i].fn();
		if (tap_skip_reason)
			printf("ok %zu - %s # SKIP %s\n", i + 1, cases[i].name, tap_skip_reason);
		else
			printf("%sok %zu - %s\n", tap_failed ? "not " : "", i + 1, cases[i].name);
		failures += tap_failed;
	}
	return failures ? 1 : 0;
}
#define TAP_MAIN(cases) \
	int main(void) { return tap_run(cases, sizeof(cases) / sizeof((cases)[0])); }

#endif

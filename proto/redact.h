/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact.h - the one table of rules for what is a secret in command lines, options and URLs.
 *
 * A secret's whole value becomes REDACT_HIDDEN; neither its length nor a hash of it is kept. What surrounds it
 * stays: "--password=x" becomes "--password=HIDDEN...", "-px" (mysql) "-pHIDDEN...".
 * Ownership: results point into the caller's strings, the caller's room or static text. When the room is full the
 * whole argument is hidden: never less than the rule asks for.
 * Errors: none. Threads: no state.
 */
#ifndef HOSTTRAIL_REDACT_H
#define HOSTTRAIL_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "record.h"

#define REDACT_HIDDEN "HIDDEN_DUE_TO_SECURITY_REASONS"

/* A command line, changed in place. How many arguments were changed. */
unsigned redact_argv(struct str *v, unsigned n, char *room, size_t max);
/* One text of any kind (URL, header, shell command line); true if it was changed. */
bool redact_text(struct str *s, char *room, size_t max);
/* "a=b,c=d" as mount(8) has it; true if it was changed. */
bool redact_options(struct str *s, char *room, size_t max);
/* Is a value under this name (variable, option, header) a secret? */
bool redact_is_secret_name(const char *p, size_t n);

#endif

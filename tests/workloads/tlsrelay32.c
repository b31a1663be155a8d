// SPDX-License-Identifier: Apache-2.0
/* tlsrelay32: tlsrelay as a 32-bit program, with ways of its own through socketcall(2). */
#include "tlsrelay.c"

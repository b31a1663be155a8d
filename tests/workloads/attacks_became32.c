// SPDX-License-Identifier: Apache-2.0
/* The 32-bit twin of attacks_became. */
#include "attacks_became.c"

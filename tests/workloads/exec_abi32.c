// SPDX-License-Identifier: Apache-2.0
/* The 32-bit twin of exec_abi. */
#include "exec_abi.c"

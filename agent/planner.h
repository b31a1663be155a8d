/* SPDX-License-Identifier: Apache-2.0 */
/*
 * planner.h - the process that reads ELF files of strangers and says where they are to be probed; and which
 * TLS libraries the linker's cache of a container names.
 *
 * It has no privileges and may do little more than read what it is given and answer (sandbox_planner()). One question at a time;
 * the parent believes no answer (tlsattach.h), and ends a planner that takes too long.
 */
#ifndef HOSTTRAIL_PLANNER_H
#define HOSTTRAIL_PLANNER_H

int planner_run(int sock);

#endif

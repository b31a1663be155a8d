/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parent.h - the privileged process: loads the probes, keeps the signing key, opens executables, starts and
 * restarts the other two. Parses nothing that a stranger wrote.
 */
#ifndef HOSTTRAIL_PARENT_H
#define HOSTTRAIL_PARENT_H

#include "config.h"

/* Runs until SIGTERM or SIGINT. Exit status. */
int parent_run(const struct agent_config *c);

/* Roles of the re-executed program, argv[1]; see children.c. */
#define ROLE_WORKER "--worker"
#define ROLE_RESOLVER "--resolver"
#define ROLE_PROBER "--prober"
#define ROLE_PLANNER "--planner"
/* argv: program, role, uid, gid, the parent's pid. Exit status. */
int child_main(char **argv);

#endif

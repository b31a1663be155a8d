/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - the unprivileged process that reads the rings and writes the spool.
 *
 * It has what its parent sends (msg.h) and what the spool's owner may open; it decodes what strangers wrote.
 */
#ifndef HOSTTRAIL_WORKER_H
#define HOSTTRAIL_WORKER_H

/* ctl: messages; ask: requests that are answered before anything else happens (signatures, paths); resolver: names
 * and hashes. Runs until MSG_STOP or until the parent is gone. Exit status. */
int worker_run(int ctl, int ask, int resolver);

#endif

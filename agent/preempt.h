/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preempt.h - does this kernel take tasks from the CPU while they are inside it, programs of fentry among it?
 *
 * Asked where the kernel has no bpf_preempt_disable() (before 6.10). What tells, in this order: debugfs, where it is mounted (what is in force
 * now), the kernel's command line, the kernel's configuration (/proc/config.gz, or /boot/config-RELEASE), and the flags of its
 * version. Files that are missing, unreadable or say nothing that is known here are passed by. No state; any thread.
 */
#ifndef HOSTTRAIL_PREEMPT_H
#define HOSTTRAIL_PREEMPT_H

enum preempt { PREEMPT_NO, PREEMPT_YES, PREEMPT_UNKNOWN };	/* unknown is to be taken as yes */

/* root: before every path, "" for this system. ret_said gets what told, in words for people. */
enum preempt preempt_find(const char *root, char ret_said[96]);

#endif

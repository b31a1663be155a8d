/* SPDX-License-Identifier: Apache-2.0 */
/* work.h - what the workloads share: errors, threads on every CPU, waiting for children. */
#ifndef HOSTTRAIL_WORK_H
#define HOSTTRAIL_WORK_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

static inline void usage(const char *text)
{
	fprintf(stderr, "usage: %s\n", text);
	exit(2);
}

/* Binds the calling thread to CPU n modulo the number of CPUs. Opens no file to learn that number, as sysconf() does. */
static inline void work_pin(long n)
{
	unsigned ncpu = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	if (!sched_getaffinity(0, sizeof(set), &set))
		ncpu = (unsigned)CPU_COUNT(&set);
	CPU_ZERO(&set);
	CPU_SET((unsigned)n % (ncpu ? ncpu : 1), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Runs fn(0), fn(1), ... fn(n - 1) in threads of their own; the sum of what they return. */
static inline long work_threads(long n, void *(*fn)(void *))
{
	pthread_t t[THREADS_MAX];
	void *done;
	long sum = 0;

	if (n < 1 || n > THREADS_MAX)
		usage("1 to 64 threads");
	for (long i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, fn, (void *)i))
			die("pthread_create");
	for (long i = 0; i < n; i++) {
		pthread_join(t[i], &done);
		sum += (long)done;
	}
	return sum;
}

/* Seconds of CPU that this process and its ended children used: the time of a loop that never sleeps, whatever else runs. */
static inline double work_cpu(void)
{
	struct rusage u;
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	getrusage(RUSAGE_CHILDREN, &u);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9 + (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Waits for one child; its exit status, or 128 + the signal that ended it. */
static inline int work_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A path, one of the last eight that were asked for. */
static inline char *path_below(const char *dir, const char *name)
{
	static char text[8][4096];
	static unsigned i;
	char *t = text[i++ % 8];

	snprintf(t, sizeof(text[0]), "%s/%s", dir, name);
	return t;
}

#endif

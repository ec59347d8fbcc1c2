/*
 * bench_stats - measure the cost of counting: nanoseconds for each call, alone and contended
 *
 * usage: bench_stats [MILLIONS]     calls of each worker, in millions (default 20)
 *
 * In the second and third measurement all workers add to the same counter. That is the worst
 * case: the programs of a relay mostly use different counters.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stats.h"

#define WORKERS_MAX 4

struct work {
	struct cm_stats *stats;
	unsigned long calls;
	bool observe;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void *count(void *context)
{
	const struct work *work = context;

	for (unsigned long i = 0; i < work->calls; i++) {
		if (work->observe)
			cm_stats_observe(work->stats, CM_STAT_MILTER_MESSAGE_BYTES, i);
		else
			cm_stats_add(work->stats, CM_STAT_LOGINS, 1);
	}
	return NULL;
}

static void in_threads(struct work *work, unsigned int workers)
{
	pthread_t threads[WORKERS_MAX];

	for (unsigned int i = 0; i < workers; i++)
		pthread_create(&threads[i], NULL, count, work);
	for (unsigned int i = 0; i < workers; i++)
		pthread_join(threads[i], NULL);
}

static void in_processes(struct work *work, unsigned int workers)
{
	for (unsigned int i = 0; i < workers; i++) {
		if (fork() == 0) {
			count(work);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
}

static void measure(const char *what, void (*run)(struct work *, unsigned int), struct work *work,
		    unsigned int workers)
{
	double start = now();

	run(work, workers);
	printf("%-8s %u %-10s %6.2f ns a call, %7.1f million calls/s\n",
	       work->observe ? "observe" : "add", workers, what,
	       (now() - start) / (double)work->calls,
	       (double)work->calls * workers / (now() - start) * 1000);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/bench_stats.XXXXXX", path[64];
	struct cm_error err;
	struct work work = {.calls = (argc > 1 ? strtoul(argv[1], NULL, 10) : 20) * 1000000};

	if (mkdtemp(dir) == NULL || (work.stats = cm_stats_open(dir, &err)) == NULL) {
		fputs("bench_stats: no place for the mapping\n", stderr);
		return 1;
	}
	for (int observe = 0; observe < 2; observe++) {
		work.observe = observe != 0;
		for (unsigned int workers = 1; workers <= 2; workers++) {
			measure(workers == 1 ? "thread" : "threads", in_threads, &work, workers);
			measure(workers == 1 ? "process" : "processes", in_processes, &work,
				workers);
		}
	}
	double start = now();
	for (int i = 0; i < 1000; i++)
		free(cm_stats_openmetrics(work.stats));
	printf("openmetrics text: %.1f us\n", (now() - start) / 1e6);
	cm_stats_close(&work.stats);
	snprintf(path, sizeof(path), "%s/stats", dir);
	unlink(path);
	rmdir(dir);
	return 0;
}

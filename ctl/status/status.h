/*
 * status - the state of the relay, gathered once and shown as text or as JSON
 */
#ifndef CM_STATUS_H
#define CM_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "checks.h"
#include "config.h"
#include "error.h"
#include "stats.h"

#define CM_STATUS_PROGRAMS 10

enum cm_program_state {
	CM_PROGRAM_STOPPED,
	CM_PROGRAM_RUNNING,
	CM_PROGRAM_OFF, /* not enabled in the configuration */
};

struct cm_program {
	const char *name; /* its name in text output */
	const char *key;  /* its name in JSON */
	const char *file; /* the program file's name */
	const char *path; /* part of its path that distinguishes it from programs of the same name;
			     NULL: none */
	const char *service; /* its name in the init system */
	enum cm_program_state state;
	pid_t pid;       /* the oldest process, if running */
	const char *why; /* the reason, if it is off */
};

/* A number that may be unknown. */
struct cm_amount {
	bool known;
	uint64_t value;
};

struct cm_status {
	const struct cm_config *config;
	struct cm_stats *stats; /* NULL: stats_error is the reason */
	struct cm_error stats_error;
	struct cm_program programs[CM_STATUS_PROGRAMS];
	const char *registration; /* "open", "invite" or "closed" */
	char *registration_why;   /* "": no reason */
	struct cm_amount disk_free, disk_size;
	struct cm_amount inodes_free; /* unknown if the file system does not count them */
	double load;
	struct cm_amount postfix_active, postfix_deferred, postfix_hold;
	struct cm_amount push_queue;
	struct cm_amount certificate_seconds; /* remaining validity; 0: expired */
	bool certificate_ends_soon;
};

/* Fills the structure. config must outlive it; queue_directory is Postfix's. False with err
   filled if out of memory; values that cannot be read are marked as unknown. */
bool cm_status_gather(struct cm_status *status, const struct cm_config *config,
		      const char *queue_directory, struct cm_error *err);

void cm_status_release(struct cm_status *status);

/* Finds the programs in /proc: status_programs.c. */
void cm_status_find_programs(struct cm_program *programs, size_t count);

/* The number of checks of all subjects with this health. The subjects, here and below, are the
   CM_SUBJECT_COUNT of doctor.h. */
size_t cm_status_count(const struct cm_checks *subjects, enum cm_health health);

/* As text; with escape sequences for colour if wanted. */
void cm_status_print(const struct cm_status *status, const struct cm_checks *subjects, bool colour,
		     FILE *out);

/* The same as a page for a browser, without other files. */
void cm_status_print_html(const struct cm_status *status, const struct cm_checks *subjects,
			  FILE *out);

/* As JSON; NULL if out of memory. */
json_t *cm_status_json(const struct cm_status *status, const struct cm_checks *subjects);

/* The upper bound of the bucket that holds the quantile, in the histogram's unit; UINT64_MAX beyond
   the last bound; 0 for an empty histogram. quantile is in (0, 1]. */
uint64_t cm_status_quantile(const struct cm_histogram *histogram, double quantile);

#endif

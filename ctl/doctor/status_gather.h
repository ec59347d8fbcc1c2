/*
 * status_gather - the state of the relay, as far as it can be read without connections
 */
#ifndef CM_STATUS_GATHER_H
#define CM_STATUS_GATHER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

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
	const char *name;    /* its name in text output */
	const char *key;     /* its name in JSON */
	const char *file;    /* the program file's name */
	const char *path;    /* a part of its path that other programs of this name lack, or NULL */
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

/* status_programs.c: finds the programs in /proc. */
void cm_status_find_programs(struct cm_program *programs, size_t count);

#endif

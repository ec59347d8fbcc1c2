/*
 * job - one run of `chatmailctl config`: its options and their results
 */
#ifndef CM_JOB_H
#define CM_JOB_H

#include <stdbool.h>

#include <jansson.h>

#include "change.h"
#include "config.h"
#include "error.h"
#include "manifest.h"
#include "secret_value.h"
#include "settings.h"
#include "state.h"

/* Maximum number of repetitions of an option. */
#define CM_JOB_WORDS_MAX 64

struct cm_job_words {
	const char *list[CM_JOB_WORDS_MAX];
	size_t count;
};

struct cm_job {
	const char *program; /* "chatmailctl config apply", for messages */
	const char *ini;     /* NULL: below root */
	const char *root;    /* "": this machine */
	const char *templates;
	const char *dovecot; /* "2.4"; NULL: as installed */
	char detected[16];
	struct cm_job_words overrides, take, keep;
	bool dry_run, json, settings_only, no_check;
	char **names; /* operands */
	int name_count;

	struct cm_config *config;
	struct cm_settings *settings;
	struct cm_manifest manifest;
	struct cm_state state;
	struct cm_secret_values secrets;
	char *included;              /* the last value of {{file:PATH}} or {{lines:NAME}} */
	struct cm_error unsafe;      /* the reason why a value was not rendered */
	struct cm_error error, *err; /* err: &error */
};

/* The subcommands, called after the options were parsed; each returns the exit status. */
int cm_job_show(struct cm_job *job);
int cm_job_list(struct cm_job *job);
int cm_job_diff(struct cm_job *job);
int cm_job_apply(struct cm_job *job);
int cm_job_rollback(struct cm_job *job);
int cm_job_finish(struct cm_job *job);

/* render.c: renders the manifest into job->manifest. */
bool cm_job_read_manifest(struct cm_job *job);

/* The rendered template, malloc'd; NULL with job->err filled. */
char *cm_job_render(struct cm_job *job, const char *template);

/* Adds name: value; false with err filled if JSON cannot represent the value. */
bool cm_job_add_member(const struct cm_job *job, json_t *object, const char *name,
		       const char *value);

/* Prints object, if there is one and the run succeeded, and frees it. Returns the exit status:
   good_status or CM_EXIT_TROUBLE. */
int cm_job_finish_json(json_t *object, bool good, int good_status);

#endif

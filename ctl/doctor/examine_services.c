/*
 * examine_services - programs, the servers' configuration, notifications, expiry
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "examination.h"
#include "process.h"

/* The same as in the alert rules. */
#define QUEUE_AGE_MAX  900
#define EXPIRE_AGE_MAX (2 * 86400)

#define ARGUMENTS_MAX 200

void cm_examine_programs(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	for (size_t i = 0; i < CM_STATUS_PROGRAMS; i++) {
		const struct cm_program *program = &doctor->status->programs[i];
		struct cm_check *check;

		switch (program->state) {
		case CM_PROGRAM_RUNNING:
			cm_checks_add(checks, program->key, program->name, CM_HEALTH_GOOD,
				      "running (process %ld)", (long)program->pid);
			break;
		case CM_PROGRAM_OFF:
			cm_checks_add(checks, program->key, program->name, CM_HEALTH_OFF, "%s",
				      program->why);
			break;
		case CM_PROGRAM_STOPPED:
			check = cm_checks_add(checks, program->key, program->name, CM_HEALTH_FAULT,
					      "not running");
			cm_remedy_service(check, "start", program->service);
			break;
		}
	}
}

/* `chatmailctl config list --json`: the same code, with all its input. */
static json_t *list_files(const struct cm_doctor *doctor, struct cm_error *err)
{
	const char *arguments[ARGUMENTS_MAX] = {
	    "/proc/self/exe",     "config",      "list",           "--json", "-c",
	    doctor->config->path, "--templates", doctor->templates};
	struct cm_process_result result;
	const char *start;
	json_t *files;
	size_t count = 8;

	if (doctor->dovecot != NULL) {
		arguments[count++] = "--dovecot";
		arguments[count++] = doctor->dovecot;
	}
	for (const char *const *one = doctor->overrides; *one != NULL && count < ARGUMENTS_MAX - 3;
	     one++) {
		arguments[count++] = "--set";
		arguments[count++] = *one;
	}
	if (!cm_process_run(arguments, true, &result, err))
		return NULL;
	/* Warnings about chatmail.ini may precede it. */
	start = result.output[0] == '{' ? result.output : strstr(result.output, "\n{");
	files = start != NULL ? json_loads(start, 0, NULL) : NULL;
	if (!json_is_object(files)) {
		json_decref(files);
		files = NULL;
		cm_error_set(err, "%.*s", (int)strcspn(result.output, "\n"), result.output);
	}
	free(result.output);
	return files;
}

void cm_examine_configuration(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	static const char key[] = "configuration", title[] = "configuration";
	const char *foreign = NULL, *stale = NULL, *path;
	struct cm_error err;
	struct cm_check *check;
	json_t *files, *word;

	files = list_files(doctor, &err);
	if (files == NULL) {
		check = cm_checks_add(checks, key, title, CM_HEALTH_WARNING, "%s", err.text);
		cm_check_remedy(check, "chatmailctl config list shows why");
		return;
	}
	json_object_foreach(files, path, word)
	{
		const char *state = json_is_string(word) ? json_string_value(word) : "";

		if (strcmp(state, "created") == 0 || strcmp(state, "replaced") == 0)
			foreign = foreign != NULL ? foreign : path;
		else if (strcmp(state, "unchanged") != 0 && strcmp(state, "edited") != 0 &&
			 strcmp(state, "deleted") != 0)
			stale = stale != NULL ? stale : path;
	}
	if (foreign != NULL) {
		check = cm_checks_add(checks, key, title, CM_HEALTH_FAULT, "%s is not the relay's",
				      foreign);
		cm_check_remedy(
		    check,
		    "chatmailctl config diff; chatmailctl config apply; then restart the servers");
	} else if (stale != NULL) {
		check = cm_checks_add(checks, key, title, CM_HEALTH_WARNING,
				      "chatmail.ini or the templates changed: %s is not up to date",
				      stale);
		cm_check_remedy(check, "chatmailctl config diff; chatmailctl config apply, "
				       "which prints how to reload the servers");
	} else {
		cm_checks_add(checks, key, title, CM_HEALTH_GOOD,
			      "as rendered from chatmail.ini, with your edits");
	}
	json_decref(files);
}

void cm_examine_notifications(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	static const char key[] = "notifications", title[] = "notifications";
	const struct cm_status *status = doctor->status;
	uint64_t age = 0;
	struct cm_check *check;

	if (!status->push_queue.known) {
		cm_checks_add(checks, key, title, CM_HEALTH_WARNING,
			      "the queue cannot be examined");
		return;
	}
	if (status->stats != NULL)
		age = cm_stats_value(status->stats, CM_STAT_PUSH_QUEUE_AGE_SECONDS);
	if (status->push_queue.value == 0 || age < QUEUE_AGE_MAX) {
		cm_checks_add(checks, key, title, CM_HEALTH_GOOD, "waiting %" PRIu64,
			      status->push_queue.value);
		return;
	}
	check = cm_checks_add(checks, key, title, CM_HEALTH_WARNING,
			      "waiting %" PRIu64 ", the oldest for %" PRIu64 " minutes",
			      status->push_queue.value, age / 60);
	cm_check_remedy(check,
			"chatmailctl log --since 1d --program notifyd shows why; a few phones "
			"are always unreachable");
}

void cm_examine_expiry(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	static const char key[] = "expiry", title[] = "expiry";
	const struct cm_stats *stats = doctor->status->stats;
	uint64_t now = (uint64_t)time(NULL), last, since;
	struct cm_check *check;

	if (stats == NULL)
		return;
	last = cm_stats_value(stats, CM_STAT_EXPIRE_LAST_RUN_SECONDS);
	since = cm_stats_value(stats, CM_STAT_COUNTING_SINCE_SECONDS);
	if (last == 0 && now - since < EXPIRE_AGE_MAX) {
		cm_checks_add(checks, key, title, CM_HEALTH_GOOD,
			      "not yet since the machine started");
	} else if (last != 0 && now - last < EXPIRE_AGE_MAX) {
		cm_checks_add(checks, key, title, CM_HEALTH_GOOD, "ran %" PRIu64 " hours ago",
			      now > last ? (now - last) / 3600 : 0);
	} else {
		check = cm_checks_add(checks, key, title, CM_HEALTH_FAULT,
				      "chatmail-expire has not run for two days");
		cm_check_remedy(check, "chatmailctl expire; then find out why cron or "
				       "chatmail-expire.timer does not run it");
	}
}

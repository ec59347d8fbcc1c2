/*
 * migrate - chatmailctl migrate: migrate from chatmail/relay in place, and back
 *
 * SYNOPSIS
 *
 *	chatmailctl migrate [--dry-run] [--root DIR] [--yes] [--json]
 *	chatmailctl migrate --back [--dry-run] [--root DIR] [--yes] [--json]
 *
 * Each change is recorded in state.json before it is made: which units were enabled and running.
 * Each step can be repeated, so the next run finishes a killed one, and --back undoes it.
 */
#include "migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "config.h"
#include "confirm.h"
#include "file.h"
#include "json_print.h"
#include "options.h"
#include "process.h"
#include "upstream.h"

#define MIGRATE_PROGRAM "chatmailctl migrate"

#define STATE_MAX 1048576

static int parse_options(int argc, char **argv, struct cm_migration *job)
{
	const struct cm_option options[] = {
	    {"back", 0, NULL, "return the machine to upstream's relay", cm_option_switch,
	     &job->back, 0, 0},
	    {"dry-run", 0, NULL, "print what would be done, and the differences", cm_option_switch,
	     &job->dry_run, 0, 0},
	    {"root", 0, "DIR", "work below DIR instead of /, and stop no service",
	     cm_command_set_root, &job->root, 0, 0},
	    CM_OPTION_YES(&job->yes),
	    CM_OPTION_JSON(&job->json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = MIGRATE_PROGRAM,
	    .synopsis = "[OPTION]...",
	    .summary = "Migrates a machine from chatmail/relay's cmdeploy to this relay: stops its "
		       "services, saves\nits configuration, and keeps chatmail.ini, accounts and "
		       "DKIM key.",
	    .options = options,
	};

	return cm_options_parse(&line, argc, argv, NULL);
}

static bool out_of_memory(struct cm_migration *job)
{
	cm_error_set(&job->err, "out of memory");
	return false;
}

/* --- The record of changes ------------------------------------------------------------------ */

static char *state_path(const struct cm_migration *job, const char *name)
{
	char *path;

	return asprintf(&path, "%s" CM_MIGRATE_DIRECTORY "/%s", job->root, name) >= 0 ? path : NULL;
}

static bool read_state(struct cm_migration *job)
{
	char *path = state_path(job, "state.json"), *text = NULL;
	size_t length;

	if (path != NULL && cm_file_read(AT_FDCWD, path, STATE_MAX, &text, &length))
		job->state = json_loads(text, 0, NULL);
	free(text);
	free(path);
	return job->state != NULL;
}

static bool write_state(struct cm_migration *job)
{
	char *directory = state_path(job, ""), *text = json_dumps(job->state, JSON_INDENT(2));
	bool good = directory != NULL && text != NULL &&
		    cm_file_make_directories(directory, 0755) && chmod(directory, 0700) == 0;

	if (!good)
		cm_error_set_errno(&job->err, CM_MIGRATE_DIRECTORY ": cannot be created");
	good = good && cm_migrate_write(job, CM_MIGRATE_DIRECTORY "/state.json", text, 0600);
	free(text);
	free(directory);
	return good;
}

/* --- Services ------------------------------------------------------------------------------- */

/* systemctl VERB UNIT, which may be NULL; below a root only commands that need no running
   systemd. */
static bool run_systemctl(const struct cm_migration *job, const char *verb, const char *unit)
{
	char root[4096];
	const char *const here[] = {"systemctl", verb, unit, NULL};
	const char *const below[] = {"systemctl", root, verb, unit, NULL};
	struct cm_process_result result;
	struct cm_error err;
	bool good;

	snprintf(root, sizeof(root), "--root=%s", job->root);
	if (!cm_process_run(job->root[0] != '\0' ? below : here, true, &result, &err))
		return false;
	good = result.status == 0;
	free(result.output);
	return good;
}

static bool is_enabled(const struct cm_migration *job, const char *unit)
{
	return run_systemctl(job, "is-enabled", unit);
}

static bool is_active(const struct cm_migration *job, const char *unit)
{
	return job->root[0] == '\0' && run_systemctl(job, "is-active", unit);
}

/* Records the state of each unit; units that never existed have no entry. */
static bool survey_services(struct cm_migration *job, json_t *services, const char *const *units)
{
	for (; *units != NULL; units++) {
		bool enabled = is_enabled(job, *units), active = is_active(job, *units);

		if ((enabled || active) &&
		    json_object_set_new(
			services, *units,
			json_pack("{s:b, s:b}", "enabled", enabled, "active", active)) != 0)
			return out_of_memory(job);
	}
	return true;
}

static bool contains(const char *const *list, const char *word)
{
	while (*list != NULL && strcmp(*list, word) != 0)
		list++;
	return *list != NULL;
}

static void stop_services(const struct cm_migration *job)
{
	const char *unit;
	json_t *was;

	json_object_foreach(json_object_get(job->state, "services"), unit, was)
	{
		if (job->root[0] == '\0')
			(void)run_systemctl(job, "stop", unit);
		if (!contains(cm_upstream_pauses, unit))
			(void)run_systemctl(job, "disable", unit);
	}
}

/* --- Forth ---------------------------------------------------------------------------------- */

static json_t *existing(const struct cm_migration *job, const char *const *paths)
{
	json_t *list = json_array();

	for (; list != NULL && *paths != NULL; paths++)
		if (cm_upstream_exists(job->root, *paths))
			json_array_append_new(list, json_string(*paths));
	return list;
}

/* The plan of this run, in the form in which it is recorded. */
static bool make_plan(struct cm_migration *job)
{
	json_t *services = json_object();

	job->state = json_pack("{s:o, s:o, s:o, s:b}", "services", services, "moved",
			       existing(job, cm_upstream_obstacles), "copied",
			       existing(job, cm_upstream_copies), "ini",
			       !cm_upstream_exists(job->root, CM_CONFIG_DEFAULT_PATH));
	return job->state != NULL ? survey_services(job, services, cm_upstream_services) &&
					survey_services(job, services, cm_upstream_pauses)
				  : out_of_memory(job);
}

static bool save_all(struct cm_migration *job, const char *list)
{
	json_t *paths = json_object_get(job->state, list), *path;
	size_t i;

	json_array_foreach(paths, i, path)
	{
		if (!cm_migrate_save(job, json_string_value(path)))
			return false;
	}
	return true;
}

static bool move_away(struct cm_migration *job)
{
	json_t *path;
	size_t i;

	json_array_foreach(json_object_get(job->state, "moved"), i, path)
	{
		char *joined = cm_upstream_path(job->root, json_string_value(path));
		bool good = joined != NULL && (unlink(joined) == 0 || errno == ENOENT);

		if (!good)
			cm_error_set_errno(&job->err, "%s: cannot be moved away",
					   json_string_value(path));
		free(joined);
		if (!good)
			return false;
	}
	return true;
}

/* Saves everything before the first change. */
static bool migrate(struct cm_migration *job)
{
	if (!write_state(job) || !save_all(job, "copied") || !save_all(job, "moved"))
		return false;
	stop_services(job);
	if (!move_away(job) || !cm_migrate_acme(job))
		return false;
	if (job->root[0] == '\0')
		(void)run_systemctl(job, "daemon-reload", NULL);
	/* Last, because our services wait for it. */
	return !json_is_true(json_object_get(job->state, "ini")) || cm_migrate_ini(job);
}

static void print_list(const char *title, const json_t *list)
{
	const json_t *item;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	printf("%s\n", title);
	json_array_foreach(list, i, item) printf("  %s\n", json_string_value(item));
}

static void print_services(const struct cm_migration *job, const char *title)
{
	const char *unit;
	json_t *was;

	printf("%s\n", title);
	json_object_foreach(json_object_get(job->state, "services"), unit, was)
	    printf("  %s\n", unit);
}

static void print_forth(const struct cm_migration *job, const json_t *notes)
{
	char *apt = cm_upstream_apt_command(job->root);

	print_list("Please note:", notes);
	print_services(job, job->dry_run ? "Would stop:" : "Stopped:");
	print_list(job->dry_run ? "Would move away:" : "Moved away:",
		   json_object_get(job->state, "moved"));
	print_list(job->dry_run ? "Would save:" : "Saved:", json_object_get(job->state, "copied"));
	if (!job->dry_run)
		printf("Saved in " CM_MIGRATE_DIRECTORY
		       ", for chatmailctl migrate --back.\n\nNow run these commands; until then no "
		       "mail is accepted and no login works:\n\n  %s\n  chatmailctl config diff\n  "
		       "chatmailctl config apply\n  systemctl restart chatmail-relay.target\n",
		       apt != NULL ? apt : "");
	free(apt);
}

static int print_json(struct cm_migration *job, json_t *notes)
{
	json_t *json = json_pack("{s:O, s:O, s:b}", "state", job->state, "notes", notes, "dry_run",
				 job->dry_run);

	return cm_json_print(json, &job->err) ? CM_EXIT_OK : CM_EXIT_TROUBLE;
}

static int forth(struct cm_migration *job)
{
	json_t *notes = json_array();
	int status = CM_EXIT_TROUBLE;

	if (!cm_upstream_exists(job->root, CM_UPSTREAM_INI)) {
		cm_error_set(
		    &job->err, CM_UPSTREAM_INI
		    ": does not exist: upstream's cmdeploy did not configure this machine");
		status = CM_EXIT_NO;
	} else if ((read_state(job) || make_plan(job)) &&
		   cm_upstream_survey(job->root, notes, &job->err)) {
		if (job->dry_run ||
		    (cm_confirm(job->yes, "Stop upstream's relay and migrate to this one?",
				&job->err) &&
		     migrate(job))) {
			status = CM_EXIT_OK;
			if (job->json)
				status = print_json(job, notes);
			else
				print_forth(job, notes);
		}
	}
	json_decref(notes);
	return status;
}

/* --- Back ----------------------------------------------------------------------------------- */

static const char *const our_units[] = {
    "chatmail-relay.target",
    "chatmail-milter.service",
    "chatmail-notifyd.service",
    "chatmail-httpd.service",
    "chatmail-transport.service",
    "chatmail-expire.timer",
    "postfix.service",
    "dovecot.service",
    "nginx.service",
    NULL,
};

static void stop_ours(const struct cm_migration *job)
{
	for (const char *const *unit = our_units; *unit != NULL; unit++) {
		if (job->root[0] == '\0')
			(void)run_systemctl(job, "stop", *unit);
		if (strncmp(*unit, "chatmail-", strlen("chatmail-")) == 0)
			(void)run_systemctl(job, "disable", *unit);
	}
}

static bool restore_all(struct cm_migration *job, const char *list)
{
	json_t *path;
	size_t i;

	json_array_foreach(json_object_get(job->state, list), i, path)
	{
		if (!cm_migrate_put_back(job, json_string_value(path)))
			return false;
	}
	return true;
}

static void enable_theirs(const struct cm_migration *job)
{
	const char *unit;
	json_t *was;

	json_object_foreach(json_object_get(job->state, "services"), unit, was)
	{
		if (json_is_true(json_object_get(was, "enabled")))
			(void)run_systemctl(job, "enable", unit);
	}
}

static void print_back(struct cm_migration *job)
{
	const char *unit;
	json_t *was;

	if (job->json) {
		(void)cm_json_print(json_incref(job->state), &job->err);
		return;
	}
	print_list(job->dry_run ? "Would put back:" : "Put back:",
		   json_object_get(job->state, "copied"));
	print_list("", json_object_get(job->state, "moved"));
	puts("\nNow:\n\n"
	     "  apt-get remove -y chatmail-common\n"
	     "  dpkg -i ~root/dovecot-*.deb      as cmdeploy downloaded them; or cmdeploy "
	     "run");
	printf("  systemctl start nginx");
	json_object_foreach(json_object_get(job->state, "services"), unit, was)
	{
		if (json_is_true(json_object_get(was, "active")))
			printf(" %s", unit);
	}
	if (json_is_true(json_object_get(job->state, "ini")))
		printf("\n\nYour chatmail.ini is " CM_MIGRATE_DIRECTORY
		       "/chatmail.ini.back; upstream's is as it was.");
	puts("\n\nBlocked accounts (chatmailctl user list --blocked) could log in again there.");
}

static bool give_back(struct cm_migration *job)
{
	stop_ours(job);
	if (!restore_all(job, "copied") || !restore_all(job, "moved") ||
	    !cm_migrate_forget_ours(job))
		return false;
	if (job->root[0] == '\0')
		(void)run_systemctl(job, "daemon-reload", NULL);
	enable_theirs(job);
	return cm_migrate_end(job);
}

static int back(struct cm_migration *job)
{
	if (!read_state(job)) {
		cm_error_set(&job->err, CM_MIGRATE_DIRECTORY ": chatmailctl migrate did not run "
							     "here");
		return CM_EXIT_NO;
	}
	if (!job->dry_run &&
	    (!cm_confirm(job->yes, "Stop this relay and return the machine to upstream's?",
			 &job->err) ||
	     !give_back(job)))
		return CM_EXIT_TROUBLE;
	print_back(job);
	return CM_EXIT_OK;
}

int cm_command_migrate(int argc, char **argv)
{
	struct cm_migration job = {.root = ""};
	int status = parse_options(argc, argv, &job);

	if (status >= 0)
		return status;
	status = job.back ? back(&job) : forth(&job);
	if (status != CM_EXIT_OK)
		(void)cm_command_fail(MIGRATE_PROGRAM, &job.err);
	json_decref(job.state);
	return status;
}

/*
 * queue - chatmailctl queue: show, retry and discard the mail in Postfix's queue
 *
 * SYNOPSIS
 *
 *	chatmailctl queue list [options]
 *	chatmailctl queue retry [--json] [DESTINATION...]
 *	chatmailctl queue discard [options] DESTINATION...
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "confirm.h"
#include "file.h"
#include "json_print.h"
#include "mail_queue.h"
#include "options.h"
#include "process.h"
#include "queue_list.h"

#define DAYS_MAX 3650

struct job {
	const char *program; /* "chatmailctl queue retry", for messages */
	char **destinations; /* operands */
	bool json;
	struct cm_error err;
};

static int end(const struct job *job, bool good)
{
	return good ? CM_EXIT_OK : cm_command_fail(job->program, &job->err);
}

/* --- The messages of some destinations ------------------------------------------------------- */

struct message {
	char *id;
	bool only; /* every recipient belongs to one of the destinations */
};

struct selection {
	char **destinations;
	struct message *list;
	size_t count, room;
	char *id; /* of the message whose recipients are being read */
	bool some, only;
};

static bool is_selected(const struct selection *selection, const char *address)
{
	const char *at = strrchr(address, '@');

	for (char **name = selection->destinations; *name != NULL; name++) {
		if (strcasecmp(*name, at != NULL ? at + 1 : "localhost") == 0)
			return true;
	}
	return false;
}

/* Adds the message that was read last, if it is selected. */
static bool add_message(struct selection *selection)
{
	if (!selection->some) {
		free(selection->id);
		selection->id = NULL;
		return true;
	}
	if (selection->count == selection->room) {
		size_t room = selection->room == 0 ? 64 : 2 * selection->room;
		struct message *list = realloc(selection->list, room * sizeof(*list));

		if (list == NULL)
			return false;
		selection->list = list;
		selection->room = room;
	}
	selection->list[selection->count++] = (struct message){selection->id, selection->only};
	selection->id = NULL;
	selection->some = false;
	return true;
}

static bool select_recipient(const struct cm_queued *queued, void *context)
{
	struct selection *selection = context;
	bool selected = is_selected(selection, queued->address);

	if (queued->first) {
		if (!add_message(selection))
			return false;
		selection->only = true;
		selection->id = strdup(queued->id);
		if (selection->id == NULL)
			return false;
	}
	selection->some |= selected;
	selection->only &= selected;
	return true;
}

static bool select_messages(struct job *job, struct selection *selection)
{
	*selection = (struct selection){.destinations = job->destinations};
	if (!cm_mail_queue_each(select_recipient, selection, &job->err))
		return false;
	if (add_message(selection))
		return true;
	cm_error_set(&job->err, "out of memory");
	return false;
}

static void free_selection(struct selection *selection)
{
	for (size_t i = 0; i < selection->count; i++)
		free(selection->list[i].id);
	free(selection->list);
	free(selection->id);
}

/* Runs one of Postfix's commands; its output is the error. */
static bool run(struct job *job, const char *const *command)
{
	struct cm_process_result result;
	bool good;

	if (!cm_process_run(command, true, &result, &job->err))
		return false;
	good = result.status == 0;
	if (!good)
		cm_error_set(&job->err, "%s: %.*s", command[0], (int)strcspn(result.output, "\n"),
			     result.output);
	free(result.output);
	return good;
}

/* --- retry ---------------------------------------------------------------------------------- */

static bool retry_messages(struct job *job)
{
	struct selection selection;
	bool good = select_messages(job, &selection);

	for (size_t i = 0; good && i < selection.count; i++)
		good =
		    run(job, (const char *const[]){"postqueue", "-i", selection.list[i].id, NULL});
	if (good && job->json)
		good = cm_json_print(json_pack("{s:I}", "retried", (json_int_t)selection.count),
				     &job->err);
	else if (good)
		printf("%zu messages are retried\n", selection.count);
	free_selection(&selection);
	return good;
}

/* Postfix does not count them. */
static bool retry_all(struct job *job)
{
	if (!run(job, (const char *const[]){"postqueue", "-f", NULL}))
		return false;
	return !job->json || cm_json_print(json_pack("{s:n}", "retried"), &job->err);
}

static int retry(int argc, char **argv)
{
	struct job job = {.program = argv[0]};
	const struct cm_option options[] = {CM_OPTION_JSON(&job.json), {.name = NULL}};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[--json] [DESTINATION]...",
	    .summary = "Tries to deliver waiting mail for these domains, or all waiting mail, now.",
	    .options = options,
	    .arguments_max = argc,
	};
	int status = cm_options_parse(&line, argc, argv, &job.destinations);

	if (status >= 0)
		return status;
	return end(&job, job.destinations[0] != NULL ? retry_messages(&job) : retry_all(&job));
}

/* --- discard -------------------------------------------------------------------------------- */

/* DAYS, with or without a "d". */
static bool set_days(const struct cm_option *option, const char *text, struct cm_error *err)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long days = strtoul(text, NULL, 10);

	if (digits == 0 || digits > 4 ||
	    strcmp(text + digits, text[digits] == 'd' ? "d" : "") != 0 || days < option->least ||
	    days > option->most) {
		cm_error_set(err, "not a number of days from %u to %u, like 7d", option->least,
			     option->most);
		return false;
	}
	*(unsigned int *)option->value = (unsigned int)days;
	return true;
}

/* The IDs of the messages to delete, a line each, in a file that a child can open. -1 on failure.
 */
static int list_ids(const struct selection *selection, size_t *count_r)
{
	int fd = memfd_create("ids", 0);
	bool good = fd >= 0;

	*count_r = 0;
	for (size_t i = 0; good && i < selection->count; i++) {
		if (!selection->list[i].only)
			continue;
		good = dprintf(fd, "%s\n", selection->list[i].id) > 0;
		++*count_r;
	}
	if (!good && fd >= 0) {
		cm_file_close(fd);
		fd = -1;
	}
	return fd;
}

/* The first line of Postfix's output that is an error. */
static void set_postsuper_error(struct job *job, char *output)
{
	char *rest;

	for (char *line = strtok_r(output, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (strstr(line, ": fatal: ") != NULL || strstr(line, ": error: ") != NULL) {
			cm_error_set(&job->err, "%.300s", line);
			return;
		}
	}
	cm_error_set(&job->err, "postsuper: cannot delete the messages");
}

/* postsuper reads the IDs from standard input, so there may be any number. */
static bool delete_messages(struct job *job, const struct selection *selection, size_t *deleted_r)
{
	struct cm_process_result result;
	int ids = list_ids(selection, deleted_r);
	char path[32];
	const char *const command[] = {"sh", "-c", "exec postsuper -d - <\"$1\"", "sh", path, NULL};
	bool good;

	if (ids < 0) {
		cm_error_set_errno(&job->err, "postsuper: cannot be run");
		return false;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ids);
	good = cm_process_run(command, true, &result, &job->err);
	cm_file_close(ids);
	if (!good)
		return false;
	good = result.status == 0;
	if (!good)
		set_postsuper_error(job, result.output);
	free(result.output);
	return good;
}

/* The lines for the deny file, malloc'd; NULL if out of memory. */
static char *deny_lines(const struct job *job, bool starts_line, const char *date)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (stream == NULL)
		return NULL;
	if (!starts_line)
		fputs("\n", stream);
	for (char **name = job->destinations; *name != NULL; name++)
		fprintf(stream, "%s until %s # chatmailctl queue discard\n", *name, date);
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

/* Appends all lines or, on a full disk, none: a domain without its day would be denied for ever. */
static bool append_lines(const struct job *job, int fd, const char *date)
{
	char last = '\n', *text;
	struct stat st;
	bool good;

	if (!cm_file_lock(fd, LOCK_EX) || fstat(fd, &st) < 0 ||
	    (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1))
		return false;
	text = deny_lines(job, last == '\n', date);
	good = text != NULL && cm_file_write_fully(fd, text, strlen(text)) && fsync(fd) == 0;
	if (!good) {
		int saved_errno = errno;

		errno = ftruncate(fd, st.st_size) == 0 ? saved_errno : errno;
	}
	free(text);
	return good;
}

/* Adds the domains to federation_deny_file (peer_list.h), which the milter must be able to read. */
static bool deny(struct job *job, const char *path, unsigned int days)
{
	time_t last = time(NULL) + (time_t)days * 86400;
	char date[sizeof("2026-12-31")];
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	struct tm day;
	bool good = fd >= 0 && gmtime_r(&last, &day) != NULL &&
		    strftime(date, sizeof(date), "%Y-%m-%d", &day) > 0 &&
		    append_lines(job, fd, date);

	if (!good)
		cm_error_set_errno(&job->err, "%s: cannot be written", path);
	cm_file_close(fd);
	return good;
}

/* The bounds of a line of the deny file, and of an address. */
static bool check_destinations(struct job *job)
{
	for (char **name = job->destinations; *name != NULL; name++) {
		if (!cm_destination_is_valid(*name)) {
			cm_error_set(&job->err, "%s: not a domain", *name);
			return false;
		}
	}
	return true;
}

static bool discard_messages(struct job *job, const char *deny_file, unsigned int days)
{
	struct selection selection;
	size_t deleted;
	bool good = check_destinations(job) && (days == 0 || deny(job, deny_file, days));

	if (!good)
		return false;
	good = select_messages(job, &selection) && delete_messages(job, &selection, &deleted);
	if (good && job->json) {
		good = cm_json_print(json_pack("{s:I, s:I}", "deleted", (json_int_t)deleted, "kept",
					       (json_int_t)(selection.count - deleted)),
				     &job->err);
	} else if (good) {
		printf("%zu messages deleted\n", deleted);
		if (deleted < selection.count)
			printf("%zu messages kept: they wait for other domains, too\n",
			       selection.count - deleted);
	}
	free_selection(&selection);
	return good;
}

static int discard(int argc, char **argv)
{
	struct job job = {.program = argv[0]};
	const char *config_path = CM_CONFIG_DEFAULT_PATH, *deny_file = NULL;
	struct cm_config *config = NULL;
	unsigned int days = 0;
	bool yes = false, good = true;
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&config_path),
	    {"for", 0, "DAYS", "also exchange no mail with them for this time, like 7d", set_days,
	     &days, 1, DAYS_MAX},
	    CM_OPTION_YES(&yes),
	    CM_OPTION_JSON(&job.json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[OPTION]... DESTINATION...",
	    .summary = "Deletes waiting mail for these domains. The senders are not notified.",
	    .options = options,
	    .arguments_min = 1,
	    .arguments_max = argc,
	};
	int status = cm_options_parse(&line, argc, argv, &job.destinations);

	if (status >= 0)
		return status;
	if (days > 0) {
		config = cm_command_read_config(argv[0], config_path, &job.err);
		good = config != NULL;
		deny_file = good ? config->federation_deny_file : NULL;
		if (good && deny_file[0] == '\0') {
			cm_error_set(&job.err,
				     "%s: federation_deny_file is not set, so --for has "
				     "no list to write to: set it, such as to "
				     "/etc/chatmail-denied, and run chatmailctl config apply",
				     config_path);
			good = false;
		}
	}
	good = good &&
	       cm_confirm(yes, "Delete the messages that wait for these domains?", &job.err) &&
	       discard_messages(&job, deny_file, days);
	cm_config_free(&config);
	return end(&job, good);
}

int cm_command_queue(int argc, char **argv)
{
	static const struct cm_command commands[] = {
	    {"list", cm_queue_list, "list the domains for which mail waits, and the reason"},
	    {"retry", retry, "deliver waiting mail now"},
	    {"discard", discard, "delete waiting mail for a domain"},
	    {NULL, NULL, NULL},
	};

	return cm_command_run(commands, "Manages the waiting mail in Postfix's queue.", argc, argv);
}

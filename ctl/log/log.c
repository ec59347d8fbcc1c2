/*
 * log - chatmailctl log: what the relay's programs logged, without the names of people
 *
 * SYNOPSIS
 *	chatmailctl log [OPTION]...
 */
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "command.h"
#include "json_print.h"
#include "log_hide.h"
#include "log_line.h"
#include "log_option.h"
#include "log_source.h"
#include "log_trace.h"

#define HOUR 3600

/* Postfix keeps a message for two days, and its bounce for as long. */
#define MESSAGE_AGE (8 * 24 * HOUR)

/* How often files are looked at that may grow, in milliseconds. */
#define FOLLOW_INTERVAL 200

struct job {
	struct cm_log_files files;
	const char *message, *program;
	time_t since, until;
	bool errors, addresses, follow, json;
	struct cm_log_trace trace;
	uint64_t printed;
	struct cm_error err;
};

/* --- Which lines ---------------------------------------------------------------------------- */

/* "postfix/smtps/smtpd" is postfix, smtpd, and postfix/smtps. */
static bool is_program(const char *program, const char *name)
{
	static const char ours[] = "chatmail-";
	size_t length = strlen(name);
	const char *last = strrchr(program, '/');

	if (strncasecmp(program, name, length) == 0 &&
	    (program[length] == '\0' || program[length] == '/'))
		return true;
	if (strncmp(program, ours, strlen(ours)) == 0 &&
	    strcasecmp(program + strlen(ours), name) == 0)
		return true;
	return last != NULL && strcasecmp(last + 1, name) == 0;
}

/* Deliveries that failed are logged as ordinary events. */
static bool is_trouble(const struct cm_log_line *line)
{
	return line->level > CM_LOG_LEVEL_INFO || strstr(line->text, "status=deferred") != NULL ||
	       strstr(line->text, "status=bounced") != NULL ||
	       strstr(line->text, "status=expired") != NULL;
}

static bool is_wanted(struct job *job, const struct cm_log_line *line)
{
	if (line->time < job->since || (job->until != 0 && line->time > job->until))
		return false;
	/* First, because it learns. */
	if (job->message != NULL && !cm_log_trace_visit(&job->trace, line))
		return false;
	return (job->program == NULL || is_program(line->program, job->program)) &&
	       (!job->errors || is_trouble(line));
}

/* --- Printing ------------------------------------------------------------------------------- */

static bool print_json(struct job *job, const struct cm_log_line *line, const char *text)
{
	static const char *const levels[] = {"info", "warning", "error"};
	json_t *json = json_pack("{s:I, s:s, s:I, s:s, s:s}", "time", (json_int_t)line->time,
				 "program", line->program, "pid", (json_int_t)line->pid, "level",
				 levels[line->level], "text", text);

	return cm_json_print_line(json, &job->err);
}

static void print_text(const struct cm_log_line *line, const char *text)
{
	char date[sizeof("2026-12-31 23:59:59")] = "";
	struct tm tm;

	if (localtime_r(&line->time, &tm) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s %s", date, line->program);
	if (line->pid > 0)
		printf("[%ld]", line->pid);
	printf(": %s\n", text);
}

static bool print_line(struct job *job, const struct cm_log_line *line)
{
	char *text = job->addresses ? strdup(line->text) : cm_log_hide(line->text);
	bool good = text != NULL;

	if (good && job->json)
		good = print_json(job, line, text);
	else if (good)
		print_text(line, text);
	free(text);
	job->printed++;
	if (!good)
		cm_error_set(&job->err, "out of memory");
	return good;
}

/* --- Reading -------------------------------------------------------------------------------- */

/* Reads everything that there is, and prints what is wanted. */
static bool read_once(struct job *job, bool print)
{
	struct cm_log_sources *sources =
	    cm_log_sources_open(job->files.list, job->since, false, &job->err);
	struct cm_log_line *line = malloc(sizeof(*line));
	bool good = sources != NULL && line != NULL;

	if (line == NULL)
		cm_error_set(&job->err, "out of memory");
	while (good && cm_log_sources_next(sources, line) == CM_LOG_NEXT_LINE)
		if (is_wanted(job, line) && print)
			good = print_line(job, line);
	free(line);
	cm_log_sources_close(&sources);
	return good;
}

/* Ends when nobody reads the output any more, or journalctl ended. */
static bool follow(struct job *job)
{
	struct cm_log_sources *sources =
	    cm_log_sources_open(job->files.list, job->since, true, &job->err);
	struct cm_log_line *line = malloc(sizeof(*line));
	bool good = sources != NULL && line != NULL;

	while (good && !ferror(stdout)) {
		enum cm_log_next next = cm_log_sources_next(sources, line);

		if (next == CM_LOG_NEXT_END)
			break;
		if (next == CM_LOG_NEXT_LINE) {
			good = !is_wanted(job, line) || print_line(job, line);
			continue;
		}
		fflush(stdout);
		poll(NULL, 0, FOLLOW_INTERVAL);
	}
	free(line);
	cm_log_sources_close(&sources);
	return good;
}

/* --- Command line --------------------------------------------------------------------------- */

static int parse_options(int argc, char **argv, struct job *job)
{
	const struct cm_option options[] = {
	    {"message", 'm', "ID", "only lines about the message with this queue ID or Message-ID",
	     cm_option_text, &job->message, 0, 0},
	    {"since", 's', "TIME",
	     "begin at an age (30m, 2h, 7d) or a date (2026-12-31, \"2026-12-31\n"
	     "23:59\"); the default is 1h, and 8d with --message",
	     cm_log_option_moment, &job->since, 0, 0},
	    {"until", 'u', "TIME", "end there", cm_log_option_moment, &job->until, 0, 0},
	    {"program", 'p', "NAME", "only lines of this program: postfix, smtpd, dovecot, milter",
	     cm_option_text, &job->program, 0, 0},
	    {"errors", 'e', NULL, "only errors, warnings, and deliveries that failed",
	     cm_option_switch, &job->errors, 0, 0},
	    {"follow", 'f', NULL, "go on as lines are logged", cm_option_switch, &job->follow, 0,
	     0},
	    {"addresses", 0, NULL, "do not hide mail addresses, IP addresses and names of clients",
	     cm_option_switch, &job->addresses, 0, 0},
	    {"file", 0, "FILE",
	     "read this log instead of the machine's; may be given several times",
	     cm_log_option_file, &job->files, 0, 0},
	    {"json", 0, NULL, "print each line as a JSON object", cm_option_switch, &job->json, 0,
	     0},
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[OPTION]...",
	    .summary =
		"Prints what the relay's programs and the servers logged, without addresses.",
	    .options = options,
	};
	int status = cm_options_parse(&line, argc, argv, NULL);

	if (status >= 0)
		return status;
	if (job->follow && job->until != 0)
		return cm_options_complain(argv[0], "--follow or --until, not both");
	if (job->message != NULL && !cm_log_trace_init(&job->trace, job->message, &job->err))
		return cm_options_complain(argv[0], "--message: %s", job->err.text);
	return -1;
}

int cm_command_log(int argc, char **argv)
{
	struct job job = {.since = -1};
	int status = parse_options(argc, argv, &job);
	bool good = true;

	if (status >= 0)
		return status;
	if (job.since == -1)
		job.since = time(NULL) - (job.message != NULL ? MESSAGE_AGE : HOUR);
	/* What names a session comes after the session's own lines. */
	if (job.message != NULL)
		good = read_once(&job, false);
	good = good && (job.follow ? follow(&job) : read_once(&job, true));
	if (!good)
		return cm_command_fail(argv[0], &job.err);
	return job.printed > 0 ? CM_EXIT_OK : CM_EXIT_NO;
}

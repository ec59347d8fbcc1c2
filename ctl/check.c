/*
 * check - chatmailctl check: would the relay take this message?
 *
 * SYNOPSIS
 *	chatmailctl check --direction in|out --from ADDR --to ADDR... [-c INI] [-v] [--json] FILE|-
 *
 * Runs the milter's own policy and DKIM verification on a file. One line of output, "accept REASON"
 * or "CODE text"; exit status 0: accept, 1: refuse, 2: usage or internal failure.
 */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command.h"
#include "config.h"
#include "error.h"
#include "json_print.h"
#include "judge.h"
#include "options.h"

/* No relay accepts larger messages. */
#define FILE_MAX ((size_t)1 << 30)

struct job {
	const char *ini, *from, *file;
	enum cm_direction direction;
	bool direction_given, verbose, json;
	const char **to;
	size_t to_count;

	struct cm_config *config;
	struct cm_policy *policy;
	struct cm_dkim *dkim;
	struct cm_judge *judge;
};

static int parse_options(int argc, char **argv, struct job *job);
static char *read_file(const char *path, size_t *length_r);
static char *to_wire(char *data, size_t *length);
static bool prepare(struct job *job);
static bool judge(struct job *job, const char *data, size_t length, struct cm_verdict *verdict_r);
static int print_verdict(const struct job *job, const struct cm_verdict *verdict);
static void finish(struct job *job);

static bool no_memory(void)
{
	fputs("chatmailctl check: out of memory\n", stderr);
	return false;
}

int cm_command_check(int argc, char **argv)
{
	struct job job = {.ini = CM_CONFIG_DEFAULT_PATH};
	struct cm_verdict verdict;
	int status = CM_EXIT_TROUBLE;
	char *data = NULL;
	size_t length;

	job.to = calloc((size_t)argc, sizeof(*job.to));
	if (job.to == NULL) {
		no_memory();
		goto out;
	}
	status = parse_options(argc, argv, &job);
	if (status >= 0)
		goto out;
	status = CM_EXIT_TROUBLE;
	data = read_file(job.file, &length);
	if (data != NULL)
		data = to_wire(data, &length);
	if (data == NULL || !prepare(&job) || !judge(&job, data, length, &verdict))
		goto out;
	status = print_verdict(&job, &verdict);
out:
	finish(&job);
	free(data);
	return status;
}

static bool set_direction(const struct cm_option *option, const char *text, struct cm_error *err)
{
	struct job *job = option->value;

	job->direction_given = true;
	job->direction = strcmp(text, "out") == 0 ? CM_DIRECTION_OUT : CM_DIRECTION_IN;
	if (strcmp(text, "in") == 0 || strcmp(text, "out") == 0)
		return true;
	cm_error_set(err, "not in or out");
	return false;
}

static bool add_recipient(const struct cm_option *option, const char *text, struct cm_error *err)
{
	struct job *job = option->value;

	(void)err;
	job->to[job->to_count++] = text;
	return true;
}

/* Returns -1 to continue, otherwise the exit status. */
static int parse_options(int argc, char **argv, struct job *job)
{
	const struct cm_option options[] = {
	    {"direction", 'd', "in|out",
	     "in: from another server, with DKIM verification; out: from a user", set_direction,
	     job, 0, 0},
	    {"from", 'f', "ADDR", "envelope sender; \"<>\" is the null sender of bounces",
	     cm_option_text, &job->from, 0, 0},
	    {"to", 't', "ADDR", "envelope recipient; may be repeated", add_recipient, job, 0, 0},
	    CM_OPTION_CONFIG(&job->ini),
	    {"verbose", 'v', NULL, "also print the structure of the message and what was found",
	     cm_option_switch, &job->verbose, 0, 0},
	    CM_OPTION_JSON(&job->json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "--direction in|out --from ADDR --to ADDR... [-c INI] [-v] [--json] FILE|-",
	    .summary =
		"Checks whether the relay would accept the message in FILE (-: standard "
		"input), and prints\n\"accept REASON\" or \"CODE text\". Exit status: 0 accept, "
		"1 refuse, 2 error.",
	    .options = options,
	    .arguments_max = 1,
	};
	char **words;
	int status = cm_options_parse(&line, argc, argv, &words);

	if (status >= 0)
		return status;
	if (!job->direction_given || job->from == NULL || job->to_count == 0)
		return cm_options_complain(argv[0], "--direction, --from and --to are required");
	if (words[0] == NULL)
		return cm_options_complain(argv[0], "one FILE is required, or -");
	job->file = words[0];
	return -1;
}

/* The whole stream, malloc'd; NULL with errno set. */
static char *read_stream(FILE *stream, size_t *length_r)
{
	size_t size = 65536, length = 0;
	char *data = malloc(size);

	while (data != NULL) {
		char *larger;

		length += fread(data + length, 1, size - length, stream);
		if (length < size)
			break;
		errno = EFBIG;
		larger = size < FILE_MAX ? realloc(data, size * 2) : NULL;
		if (larger == NULL)
			goto failed;
		data = larger;
		size *= 2;
	}
	if (data == NULL || ferror(stream))
		goto failed;
	*length_r = length;
	return data;
failed:
	free(data);
	return NULL;
}

static char *read_file(const char *path, size_t *length_r)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *stream = standard ? stdin : fopen(path, "re");
	char *data = stream != NULL ? read_stream(stream, length_r) : NULL;

	if (data == NULL)
		fprintf(stderr, "chatmailctl check: %s: %s\n", standard ? "standard input" : path,
			strerror(errno));
	if (stream != NULL && !standard)
		fclose(stream);
	return data;
}

/* Converts a file with bare LF to SMTP's line ends, because signatures cover those. Takes over
   data. */
static char *to_wire(char *data, size_t *length)
{
	size_t more = 0, out_length = 0;
	char *out;

	for (size_t i = 0; i < *length; i++)
		more += data[i] == '\n' && (i == 0 || data[i - 1] != '\r');
	if (more == 0)
		return data;
	out = malloc(*length + more);
	if (out == NULL)
		no_memory();
	for (size_t i = 0; out != NULL && i < *length; i++) {
		if (data[i] == '\n' && (i == 0 || data[i - 1] != '\r'))
			out[out_length++] = '\r';
		out[out_length++] = data[i];
	}
	*length = out_length;
	free(data);
	return out;
}

/* The line that separates messages in an mbox file, with or without ">" before it: Postfix
   turns each such line at the beginning of a message into an X-Mailbox-Line field. "From :"
   may be meant as a field. */
static bool is_separator(const char *line, size_t length)
{
	size_t at = 0;

	while (at < length && line[at] == '>')
		at++;
	if (length - at < 5 || strncasecmp(line + at, "From ", 5) != 0)
		return false;
	at += 5;
	while (at < length && (line[at] == ' ' || line[at] == '\t'))
		at++;
	return at == length || line[at] != ':';
}

static size_t separators_length(const char *data, size_t length)
{
	size_t skipped = 0;

	while (is_separator(data + skipped, length - skipped)) {
		const char *end = memchr(data + skipped, '\n', length - skipped);

		skipped = end != NULL ? (size_t)(end - data) + 1 : length;
	}
	return skipped;
}

static bool prepare(struct job *job)
{
	struct cm_error err;

	job->config = cm_command_read_config("chatmailctl check", job->ini, &err);
	if (job->config == NULL)
		goto failed;
	job->policy = cm_policy_new(job->config, &err);
	if (job->policy == NULL)
		goto failed;
	if (job->direction == CM_DIRECTION_OUT)
		return true;
	job->dkim = cm_dkim_new(job->config->resolver, &err);
	if (job->dkim != NULL)
		return true;
failed:
	cm_command_fail("chatmailctl check", &err);
	return false;
}

/* Gives the envelope to the judge; false if it decides the message. */
static bool give_envelope(struct job *job)
{
	struct cm_verdict verdict;

	cm_judge_verdict(job->judge, &verdict);
	if (verdict.code != 0)
		return false;
	for (size_t i = 0; i < job->to_count; i++) {
		if (!cm_judge_recipient(job->judge, job->to[i]))
			return false;
	}
	return true;
}

static bool judge(struct job *job, const char *data, size_t length, struct cm_verdict *verdict_r)
{
	size_t skipped = separators_length(data, length);

	job->judge = cm_judge_begin(job->policy, job->dkim, job->direction, job->from, "");
	if (job->judge == NULL)
		return no_memory();
	if (give_envelope(job) && cm_judge_file(job->judge, data + skipped, length - skipped) ==
				      CM_MESSAGE_FILE_NO_MEMORY)
		return no_memory();
	cm_judge_end(job->judge, verdict_r);
	return true;
}

static int exit_status(const struct cm_verdict *verdict)
{
	if (verdict->reason == CM_REASON_INTERNAL)
		return CM_EXIT_TROUBLE;
	return cm_reason_accepts(verdict->reason) ? CM_EXIT_OK : CM_EXIT_NO;
}

/* The lines of the explanation. NULL if out of memory. */
static json_t *seen_lines(const struct cm_message *message)
{
	char *text = NULL, *rest, *line;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	json_t *lines;

	if (stream == NULL)
		return NULL;
	cm_message_explain(message, stream);
	lines = fclose(stream) == 0 ? json_array() : NULL;
	rest = text;
	while (lines != NULL && (line = strsep(&rest, "\n")) != NULL) {
		if (*line != '\0')
			json_array_append_new(lines, json_string(line));
	}
	free(text);
	return lines;
}

static int print_json(const struct job *job, const struct cm_verdict *verdict, bool accepts)
{
	json_t *object = json_pack("{s:b, s:s, s:i, s:s, s:s, s:s, s:s}", "accept", accepts,
				   "reason", cm_reason_name(verdict->reason), "code", verdict->code,
				   "enhanced", verdict->enhanced, "text", verdict->text, "found",
				   verdict->why != NULL ? verdict->why : "", "dkim",
				   cm_judge_dkim_why(job->judge));

	if (job->verbose &&
	    json_object_set_new(object, "seen", seen_lines(cm_judge_message(job->judge))) != 0) {
		json_decref(object);
		object = NULL;
	}
	return cm_json_print(object, NULL) ? exit_status(verdict) : CM_EXIT_TROUBLE;
}

static int print_verdict(const struct job *job, const struct cm_verdict *verdict)
{
	bool accepts = cm_reason_accepts(verdict->reason);

	if (job->json)
		return print_json(job, verdict, accepts);
	if (accepts)
		printf("accept %s\n", cm_reason_name(verdict->reason));
	else
		printf("%d %s%s%s\n", verdict->code, verdict->enhanced,
		       verdict->enhanced[0] != '\0' ? " " : "", verdict->text);
	if (job->verbose) {
		cm_message_explain(cm_judge_message(job->judge), stdout);
		if (*cm_judge_dkim_why(job->judge) != '\0')
			printf("dkim: %s\n", cm_judge_dkim_why(job->judge));
	}
	return exit_status(verdict);
}

static void finish(struct job *job)
{
	cm_judge_free(&job->judge);
	cm_dkim_free(&job->dkim);
	cm_policy_free(&job->policy);
	cm_config_free(&job->config);
	free(job->to);
}

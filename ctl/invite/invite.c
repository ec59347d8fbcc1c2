/*
 * invite - chatmailctl invite: manage invitations
 *
 * SYNOPSIS
 *
 *	chatmailctl invite create [options]
 *	chatmailctl invite list [options]
 *	chatmailctl invite show [options] ID
 *	chatmailctl invite revoke [options] ID...
 */
#include "invite.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config_value.h"
#include "json_print.h"
#include "options.h"
#include "registration.h"
#include "utf8.h"

#define COUNT_MAX    1000
#define EXPIRES_MAX  (UINT64_C(100) * 365 * 86400)
#define DEFAULT_LIFE (7 * 86400)

struct job {
	const char *program; /* "chatmailctl invite list", for messages */
	const char *config_path;
	const char *url; /* NULL: from mail_domain */
	const char *note;
	unsigned int uses, count;
	time_t life; /* seconds; 0: for ever */
	bool json, sheet;
	char **ids; /* operands */
	struct cm_config *config;
	struct cm_error err;
};

#define JOB(name)                                                                                  \
	{                                                                                          \
		.program = (name), .config_path = CM_CONFIG_DEFAULT_PATH, .note = "", .uses = 1,   \
		.count = 1, .life = DEFAULT_LIFE,                                                  \
	}

static int fail(const struct job *job)
{
	return cm_command_fail(job->program, &job->err);
}

/* 30m, 12h, 7d, 2w, 10s, never */
static bool parse_life(const char *text, time_t *life_r)
{
	static const struct {
		char unit;
		unsigned int seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
	size_t digits = strspn(text, "0123456789");

	if (strcmp(text, "never") == 0) {
		*life_r = 0;
		return true;
	}
	if (digits == 0 || digits > 9 || text[digits] == '\0' || text[digits + 1] != '\0')
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		uint64_t seconds = strtoull(text, NULL, 10) * units[i].seconds;

		if (text[digits] != units[i].unit)
			continue;
		*life_r = (time_t)seconds;
		return seconds > 0 && seconds <= EXPIRES_MAX;
	}
	return false;
}

static bool set_life(const struct cm_option *option, const char *text, struct cm_error *err)
{
	if (parse_life(text, option->value))
		return true;
	cm_error_set(err, "neither a time like 12h or 7d nor never");
	return false;
}

static bool set_note(const struct cm_option *option, const char *text, struct cm_error *err)
{
	if (strlen(text) <= CM_INVITATION_NOTE_MAX && cm_utf8_printable(text)) {
		*(const char **)option->value = text;
		return true;
	}
	cm_error_set(err, "must be at most %d bytes of UTF-8 on one line", CM_INVITATION_NOTE_MAX);
	return false;
}

static bool set_url(const struct cm_option *option, const char *text, struct cm_error *err)
{
	if (cm_value_is_url(text, "https://") && text[strlen(text) - 1] != '/') {
		*(const char **)option->value = text;
		return true;
	}
	cm_error_set(err, "not a URL like https://relay.example, without a slash at its end");
	return false;
}

/* Parses the line, reads the configuration and runs the command. Returns the exit status. */
static int run(struct job *job, const struct cm_command_line *line, int argc, char **argv,
	       int (*work)(struct job *job))
{
	int status = cm_options_parse(line, argc, argv, &job->ids);

	if (status >= 0)
		return status;
	job->config = cm_command_read_config(job->program, job->config_path, &job->err);
	status = job->config != NULL ? work(job) : fail(job);
	cm_config_free(&job->config);
	return status;
}

static char *relay_url(const struct job *job)
{
	const char *host = job->config->mail_host;
	bool brackets = strchr(host, ':') != NULL;
	char *url;

	if (job->url != NULL)
		return strdup(job->url);
	if (asprintf(&url, "https://%s%s%s", brackets ? "[" : "", host, brackets ? "]" : "") < 0)
		return NULL;
	return url;
}

static bool print_batch(const struct job *job, const struct cm_invitation_batch *batch)
{
	if (job->json)
		return cm_invite_print_json(batch);
	if (job->sheet)
		return cm_invite_print_sheet(batch);
	return cm_invite_print(batch);
}

static void warn_unless_invite(const struct job *job)
{
	const char *problem = NULL;

	if (cm_registration_is_closed(job->config))
		problem = "registration is closed, so invitations create no accounts";
	else if (job->config->registration == CM_REGISTRATION_OPEN)
		problem = "registration is open, so invitations are not needed";
	if (problem != NULL)
		fprintf(stderr, "%s: warning: %s: %s\n", job->program, job->config->path, problem);
}

/* Prints the invitations that were created before a failure: otherwise they would be lost. */
static int make_all(struct job *job)
{
	struct cm_new_invitation *made = calloc(job->count, sizeof(*made));
	struct cm_invitation_batch batch = {
	    .url = relay_url(job),
	    .domain = job->config->mail_domain,
	    .uses = job->uses,
	    .expires = job->life != 0 ? time(NULL) + job->life : 0,
	    .note = job->note,
	    .made = made,
	};
	bool good = made != NULL && batch.url != NULL;

	if (!good)
		cm_error_set(&job->err, "out of memory");
	while (good && batch.count < job->count) {
		struct cm_new_invitation *next = &made[batch.count];

		good = cm_invitation_create(job->config, batch.uses, batch.expires, batch.note,
					    next->id, next->token, &job->err);
		batch.count += good;
	}
	if (batch.count > 0 && !print_batch(job, &batch)) {
		cm_error_set(&job->err, "cannot print the links");
		good = false;
	}
	if (good)
		warn_unless_invite(job);
	if (made != NULL)
		explicit_bzero(made, job->count * sizeof(*made));
	free(made);
	free((char *)batch.url);
	return good ? CM_EXIT_OK : fail(job);
}

static int make(struct job *job)
{
	if (!job->json || !job->sheet)
		return make_all(job);
	cm_error_set(&job->err, "--json and --sheet: only one of them can be given");
	return fail(job);
}

struct listing {
	json_t *list;   /* NULL: text */
	const char *id; /* only this one; NULL: all */
	bool found;
};

static bool add_entry(json_t *list, const struct cm_invitation *invitation)
{
	json_t *entry =
	    json_pack("{s:s, s:I, s:I, s:I, s:s}", "id", invitation->id, "created",
		      (json_int_t)invitation->created, "uses", (json_int_t)invitation->uses, "left",
		      (json_int_t)invitation->left, "note", invitation->note);

	json_object_set_new(entry, "expires",
			    invitation->expires != 0 ? json_integer(invitation->expires)
						     : json_null());
	return json_array_append_new(list, entry) == 0;
}

static bool show_entry(const struct cm_invitation *invitation, void *context)
{
	struct listing *listing = context;
	char expires[CM_INVITE_TIME_SIZE], left[32];

	if (listing->id != NULL && strcmp(listing->id, invitation->id) != 0)
		return true;
	if (listing->list != NULL) {
		listing->found = add_entry(listing->list, invitation);
		return listing->found;
	}
	cm_invite_time(invitation->expires, expires);
	if (!listing->found)
		printf("%-12s  %14s  %-20s  %s\n", "ID", "LEFT", "EXPIRES", "NOTE");
	snprintf(left, sizeof(left), "%u of %u", invitation->left, invitation->uses);
	printf("%s  %14s  %-20s  %s\n", invitation->id, left,
	       invitation->expires != 0 && invitation->expires <= time(NULL) ? "expired" : expires,
	       invitation->note);
	listing->found = true;
	return true;
}

static int fail_absent(struct job *job, const char *id)
{
	cm_error_set(&job->err, "invitation %s: does not exist", id);
	(void)fail(job);
	return CM_EXIT_NO;
}

static int print_list(struct job *job, const char *id)
{
	struct listing listing = {.list = job->json ? json_array() : NULL, .id = id};
	bool good = cm_invitation_each(job->config, show_entry, &listing, &job->err);

	bool absent = good && id != NULL && !listing.found;

	if (good && !absent && listing.list != NULL)
		(void)cm_json_print(json_pack("{s:O}", "invitations", listing.list), &job->err);
	json_decref(listing.list);
	if (absent)
		return fail_absent(job, id);
	return good ? CM_EXIT_OK : fail(job);
}

static int list_all(struct job *job)
{
	return print_list(job, NULL);
}

static int show_one(struct job *job)
{
	return print_list(job, job->ids[0]);
}

static int revoke_all(struct job *job)
{
	json_t *revoked = json_array();
	int status = CM_EXIT_OK;

	for (char **id = job->ids; *id != NULL; id++) {
		switch (cm_invitation_revoke(job->config, *id, &job->err)) {
		case CM_INVITATION_OK:
			json_array_append_new(revoked, json_string(*id));
			if (!job->json)
				printf("revoked %s\n", *id);
			break;
		case CM_INVITATION_ABSENT:
			(void)fail_absent(job, *id);
			status = status == CM_EXIT_OK ? CM_EXIT_NO : status;
			break;
		default:
			status = fail(job);
		}
	}
	if (job->json && !cm_json_print(json_pack("{s:O}", "revoked", revoked), &job->err))
		status = fail(job);
	json_decref(revoked);
	return status;
}

/* --- The subcommands ------------------------------------------------------------------------ */

static int create(int argc, char **argv)
{
	struct job job = JOB(argv[0]);
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&job.config_path),
	    {"uses", 0, "N", "number of accounts that one invitation allows (1)", cm_option_number,
	     &job.uses, 1, CM_INVITATION_USES_MAX},
	    {"expires", 0, "TIME", "period of validity: 30m, 12h, 7d, never (7d)", set_life,
	     &job.life, 0, 0},
	    {"note", 0, "TEXT", "label; in lists and on cards, not on the web", set_note, &job.note,
	     0, 0},
	    {"count", 0, "N", "create that many invitations (1)", cm_option_number, &job.count, 1,
	     COUNT_MAX},
	    {"url", 0, "URL", "the relay's address in links (https:// and its name)", set_url,
	     &job.url, 0, 0},
	    {"sheet", 0, NULL, "print a page of cards to cut out, as HTML", cm_option_switch,
	     &job.sheet, 0, 0},
	    CM_OPTION_JSON(&job.json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[OPTION]...",
	    .summary = "Creates invitations. A link is shown only now: the relay keeps no copy.",
	    .options = options,
	};

	return run(&job, &line, argc, argv, make);
}

/* list and show: the invitations, or the one with the given ID. */
static int print(int argc, char **argv, const char *operand, const char *summary,
		 int (*work)(struct job *job))
{
	struct job job = JOB(argv[0]);
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&job.config_path),
	    CM_OPTION_JSON(&job.json),
	    {.name = NULL},
	};
	char synopsis[64];
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = synopsis,
	    .summary = summary,
	    .options = options,
	    .arguments_min = operand[0] != '\0',
	    .arguments_max = operand[0] != '\0',
	};

	snprintf(synopsis, sizeof(synopsis), "[-c INI] [--json]%s", operand);
	return run(&job, &line, argc, argv, work);
}

static int list(int argc, char **argv)
{
	return print(argc, argv, "", "Lists the invitations.", list_all);
}

static int show(int argc, char **argv)
{
	return print(argc, argv, " ID", "Shows one invitation.", show_one);
}

static int revoke(int argc, char **argv)
{
	struct job job = JOB(argv[0]);
	const struct cm_option options[] = {
	    CM_OPTION_CONFIG(&job.config_path),
	    CM_OPTION_JSON(&job.json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[-c INI] [--json] ID...",
	    .summary = "Revokes invitations. The accounts that were created with them stay.",
	    .options = options,
	    .arguments_min = 1,
	    .arguments_max = INT32_MAX,
	};

	return run(&job, &line, argc, argv, revoke_all);
}

int cm_command_invite(int argc, char **argv)
{
	static const struct cm_command commands[] = {
	    {"create", create, "create invitations, and print their links"},
	    {"list", list, "list the invitations"},
	    {"show", show, "show one invitation"},
	    {"revoke", revoke, "revoke invitations, but keep the accounts created with them"},
	    {NULL, NULL, NULL},
	};

	return cm_command_run(
	    commands, "Manages invitations, for relays with registration = invite.", argc, argv);
}

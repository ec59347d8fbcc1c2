/*
 * examine_accounts - can a user get an account now?
 *
 * A child becomes the user with which Dovecot creates accounts, and makes the same checks as
 * Dovecot: this user may not be able to read and write files that root can.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "examination.h"
#include "privileges.h"
#include "registration.h"

#define USER "vmail"

/* The child's result; it fits into one write to a pipe. */
struct verdict {
	bool user, mailboxes, secret; /* true: usable */
	enum cm_registration registration;
	char why[CM_ERROR_SIZE];
};

static void set_why(struct verdict *verdict, const char *text)
{
	if (verdict->why[0] == '\0')
		snprintf(verdict->why, sizeof(verdict->why), "%s", text);
}

static void judge(const struct cm_config *config, struct verdict *verdict)
{
	struct cm_error err = {""};
	struct cm_limits *limits;

	verdict->user = cm_privileges_drop(USER, &err);
	if (!verdict->user) {
		set_why(verdict, err.text);
		return;
	}
	verdict->mailboxes = access(config->mailboxes_dir, R_OK | W_OK | X_OK) == 0;
	if (!verdict->mailboxes) {
		cm_error_set_errno(&err, "%s: " USER " cannot create mailboxes",
				   config->mailboxes_dir);
		set_why(verdict, err.text);
	}
	verdict->secret =
	    config->turn_secret_file[0] == '\0' || access(config->turn_secret_file, R_OK) == 0;
	err.text[0] = '\0';
	limits = cm_limits_open(config->run_dir, &err);
	if (limits == NULL)
		set_why(verdict, err.text);
	err.text[0] = '\0';
	verdict->registration = cm_registration_now(config, limits != NULL, &err);
	set_why(verdict, err.text);
	cm_limits_close(&limits);
}

/* False if no child can be started. */
static bool ask_as_user(const struct cm_config *config, struct verdict *verdict_r)
{
	int ends[2], status;
	ssize_t got;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		struct verdict verdict = {.why = ""};

		judge(config, &verdict);
		_exit(write(ends[1], &verdict, sizeof(verdict)) == sizeof(verdict) ? 0 : 1);
	}
	close(ends[1]);
	got = pid > 0 ? read(ends[0], verdict_r, sizeof(*verdict_r)) : -1;
	close(ends[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return got == sizeof(*verdict_r);
}

/* The remedies name what creates the directories: systemd-tmpfiles(8), OpenRC's services. */
static void remedy_of_trouble(const struct cm_doctor *doctor, const struct verdict *verdict,
			      struct cm_check *check)
{
	const struct cm_config *config = doctor->config;

	if (!verdict->user)
		cm_check_remedy(check, "create the user: adduser --system --group --home "
				       "/home/vmail --no-create-home " USER);
	else if (!verdict->mailboxes)
		cm_check_remedy(check, "install -d -o " USER " -g " USER " -m 700 %s",
				config->mailboxes_dir);
	else
		cm_check_remedy(check,
				"install -d -o " USER " -g " USER
				" -m 750 %s, and make sure that it is created at boot",
				config->run_dir);
}

static const char *remedy_of_refusal(enum cm_registration registration)
{
	switch (registration) {
	case CM_REGISTRATION_REFUSED_LOAD:
		return "wait until the load falls, or raise max_load_1m";
	case CM_REGISTRATION_REFUSED_RATE:
		return "wait, or raise the rates of new accounts";
	default:
		return "free space, or lower the limit";
	}
}

static void report(const struct cm_doctor *doctor, const struct verdict *verdict,
		   struct cm_checks *checks)
{
	static const char key[] = "accounts", title[] = "new accounts";
	struct cm_check *check;

	if (!verdict->user || !verdict->mailboxes ||
	    verdict->registration == CM_REGISTRATION_TROUBLE) {
		check = cm_checks_add(checks, key, title, CM_HEALTH_FAULT, "%s", verdict->why);
		remedy_of_trouble(doctor, verdict, check);
	} else if (verdict->registration == CM_REGISTRATION_ALLOWED) {
		cm_checks_add(checks, key, title, CM_HEALTH_GOOD, "open");
	} else if (verdict->registration >= CM_REGISTRATION_REFUSED_LOAD) {
		check =
		    cm_checks_add(checks, key, title, CM_HEALTH_FAULT, "closed: %s", verdict->why);
		cm_check_remedy(check, "%s in %s", remedy_of_refusal(verdict->registration),
				doctor->config->path);
	} else {
		cm_checks_add(checks, key, title, CM_HEALTH_OFF, "%s: %s",
			      doctor->status->registration, verdict->why);
	}
	if (verdict->user && !verdict->secret) {
		check =
		    cm_checks_add(checks, "turn-secret", "TURN secret", CM_HEALTH_FAULT,
				  "%s: " USER " cannot read it", doctor->config->turn_secret_file);
		cm_check_remedy(check, "chgrp " USER " %s; chmod 640 %s",
				doctor->config->turn_secret_file, doctor->config->turn_secret_file);
	}
}

void cm_examine_accounts(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	struct verdict verdict = {.why = ""};

	if (geteuid() != 0) {
		/* Without the rates, which only the user of the mailboxes can open. */
		cm_checks_add(checks, "accounts", "new accounts",
			      strcmp(doctor->status->registration, "open") == 0 ? CM_HEALTH_GOOD
										: CM_HEALTH_OFF,
			      "%s%s%s", doctor->status->registration,
			      doctor->status->registration_why[0] != '\0' ? ": " : "",
			      doctor->status->registration_why);
		return;
	}
	if (ask_as_user(doctor->config, &verdict))
		report(doctor, &verdict, checks);
	else
		cm_checks_add(checks, "accounts", "new accounts", CM_HEALTH_WARNING,
			      "cannot be checked: %s", strerror(errno));
}

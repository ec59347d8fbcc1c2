/*
 * examine_servers - the servers behind the ports: the milters, Dovecot's delivery and its plugins
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dialogue.h"
#include "examination.h"
#include "ports.h"
#include "process.h"

#define MODULES "chatmail-dovecot-modules"

/* mfdef.h of libmilter: SMFIC_OPTNEG with all features of version 6, and SMFIC_QUIT. A packet
   is its length, a letter and data. */
static const unsigned char negotiation[] = {0, 0, 0, 13,  'O', 0,  0,   0,  6,
					    0, 0, 1, 255, 0,   31, 255, 255};
static const unsigned char farewell[] = {0, 0, 0, 1, 'Q'};

static void examine_milter(const struct cm_doctor *doctor, const char *key, const char *title,
			   const char *socket, const char *service, struct cm_checks *checks)
{
	unsigned char answer[5];
	struct cm_error err = {""};
	struct cm_dialogue *dialogue;
	char path[512];
	bool good = false;

	snprintf(path, sizeof(path), "%s/%s", doctor->queue_directory, socket);
	dialogue = cm_dialogue_unix(path, &err);
	if (dialogue != NULL) {
		good = cm_dialogue_write(dialogue, negotiation, sizeof(negotiation), &err) &&
		       cm_dialogue_read(dialogue, answer, sizeof(answer), &err);
		if (good && answer[4] != 'O') {
			cm_error_set(&err, "it does not speak the milter protocol");
			good = false;
		}
		if (good)
			(void)cm_dialogue_write(dialogue, farewell, sizeof(farewell), NULL);
	}
	cm_dialogue_close(&dialogue);
	if (good)
		cm_checks_add(checks, key, title, CM_HEALTH_GOOD, "answers at %s", path);
	else
		cm_remedy_service(
		    cm_checks_add(checks, key, title, CM_HEALTH_FAULT, "%s", err.text), "restart",
		    service);
}

void cm_examine_milter(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	examine_milter(doctor, "milter-socket", "milter", "chatmail/milter.sock", "chatmail-milter",
		       checks);
	if (doctor->config->dkim_signing == CM_DKIM_SIGNING_OPENDKIM &&
	    !doctor->config->mail_domain_is_ip)
		examine_milter(doctor, "opendkim-socket", "OpenDKIM", "opendkim/opendkim.sock",
			       "opendkim", checks);
}

/* --- Delivery ------------------------------------------------------------------------------- */

static bool ask(struct cm_dialogue *dialogue, const char *command, int *code_r,
		char text[CM_DIALOGUE_LINE], struct cm_error *err)
{
	if (command != NULL && !cm_dialogue_say(dialogue, err, "%s", command))
		return false;
	*code_r = cm_dialogue_reply(dialogue, text, err);
	return *code_r != 0;
}

/* Gives Dovecot a recipient that does not exist, as Postfix does. */
static bool try_delivery(const struct cm_doctor *doctor, struct cm_dialogue *dialogue,
			 struct cm_error *err)
{
	char text[CM_DIALOGUE_LINE], recipient[400];
	int code;

	snprintf(recipient, sizeof(recipient), "RCPT TO:<" CM_PORT_NOBODY "@%.255s>",
		 doctor->config->mail_domain);
	if (!ask(dialogue, NULL, &code, text, err) ||
	    !ask(dialogue, "LHLO localhost", &code, text, err) ||
	    !ask(dialogue, "MAIL FROM:<>", &code, text, err) ||
	    !ask(dialogue, recipient, &code, text, err))
		return false;
	if (code / 100 == 5)
		return true;
	cm_error_set(err, "reply to a mailbox that does not exist: %d %.200s", code, text);
	return false;
}

void cm_examine_delivery(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	struct cm_dialogue *dialogue;
	struct cm_error err;
	char path[512];
	bool good;

	snprintf(path, sizeof(path), "%s/private/dovecot-lmtp", doctor->queue_directory);
	dialogue = cm_dialogue_unix(path, &err);
	good = dialogue != NULL && try_delivery(doctor, dialogue, &err);
	cm_dialogue_close(&dialogue);
	if (good)
		cm_checks_add(checks, "delivery", "delivery", CM_HEALTH_GOOD,
			      "Dovecot's LMTP replies to Postfix");
	else
		cm_remedy_service(
		    cm_checks_add(checks, "delivery", "delivery", CM_HEALTH_FAULT, "%s", err.text),
		    "restart", "dovecot");
}

/* --- Plugins -------------------------------------------------------------------------------- */

/* True if the process has mapped a file whose path contains this; deleted_r: the file was
   deleted. */
static bool has_mapped(const char *pid, const char *part, bool *deleted_r)
{
	char path[64], line[1024];
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%.20s/maps", pid);
	maps = fopen(path, "re");
	if (maps == NULL)
		return false;
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, part) == NULL)
			continue;
		found = true;
		*deleted_r = *deleted_r || strstr(line, "(deleted)") != NULL;
	}
	fclose(maps);
	return found;
}

/* Sets denied_r if the process hides its program. */
static bool is_auth(const char *pid, bool *denied_r)
{
	char path[64], target[512];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%.20s/exe", pid);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0) {
		*denied_r = *denied_r || errno == EACCES;
		return false;
	}
	target[length] = '\0';
	return strstr(target, "/dovecot/auth") != NULL;
}

/* Sets whether the driver is loaded in Dovecot's auth processes. False if no such process is
   visible; denied_r: there may be one. */
static bool find_driver(bool *loaded_r, bool *deleted_r, bool *denied_r)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	*loaded_r = *deleted_r = *denied_r = false;
	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]) || !is_auth(entry->d_name, denied_r))
			continue;
		found = true;
		*loaded_r = has_mapped(entry->d_name, "authdb_chatmail", deleted_r) || *loaded_r;
		(void)has_mapped(entry->d_name, "/dovecot/auth", deleted_r);
	}
	if (proc != NULL)
		closedir(proc);
	return found;
}

/* The result of our package's program about the installed plugins; it does not exist where the
   plugins are in Dovecot's own directory. */
static bool plugins_fit(struct cm_checks *checks)
{
	const char *const command[] = {MODULES, "check", NULL};
	struct cm_process_result result;
	struct cm_error err;
	struct cm_check *check;
	bool good;

	if (access("/usr/lib/chatmail/dovecot", F_OK) < 0 ||
	    !cm_process_run(command, true, &result, &err))
		return true;
	good = result.status == 0 || result.status == CM_PROCESS_NOT_FOUND;
	if (!good) {
		result.output[strcspn(result.output, "\n")] = '\0';
		check = cm_checks_add(checks, "plugins", "plugins", CM_HEALTH_FAULT,
				      "not built for the installed Dovecot: %.200s", result.output);
		cm_check_remedy(check,
				"do not restart Dovecot before this succeeds: " MODULES " select");
	}
	free(result.output);
	return good;
}

void cm_examine_dovecot(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	bool found, loaded, deleted, denied;
	struct cm_check *check;

	(void)doctor;
	if (!plugins_fit(checks))
		return;
	found = find_driver(&loaded, &deleted, &denied);
	if (!found && !denied) {
		check = cm_checks_add(checks, "plugins", "plugins", CM_HEALTH_FAULT,
				      "no process of Dovecot authenticates");
		cm_remedy_service(check, "restart", "dovecot");
	} else if (!found && geteuid() == 0) {
		cm_checks_add(checks, "plugins", "plugins", CM_HEALTH_OFF,
			      "only with CAP_SYS_PTRACE can root see what Dovecot has loaded");
	} else if (!found) {
		cm_checks_add(checks, "plugins", "plugins", CM_HEALTH_WARNING,
			      "only root can see which modules Dovecot has loaded");
	} else if (!loaded) {
		check = cm_checks_add(checks, "plugins", "plugins", CM_HEALTH_FAULT,
				      "the running Dovecot has not loaded the chatmail driver");
		cm_remedy_service(check, "restart", "dovecot");
	} else if (deleted) {
		check = cm_checks_add(checks, "plugins", "plugins", CM_HEALTH_WARNING,
				      "an upgrade has replaced files that Dovecot still uses");
		cm_remedy_service(check, "restart", "dovecot");
	} else {
		cm_checks_add(checks, "plugins", "plugins", CM_HEALTH_GOOD,
			      "loaded in the running Dovecot");
	}
}

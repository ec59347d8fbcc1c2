/*
 * examine_imap - ports 143 and 993, as a client uses them
 */
#include <stdio.h>
#include <string.h>

#include "ports.h"

/* Only a hostile server sends more untagged replies to one command. */
#define LINES_MAX 64

static const struct cm_port imap = {"imap", "port 143", "imap_port", "Dovecot", "dovecot"};
static const struct cm_port imaps = {"imaps", "port 993", "imaps_port", "Dovecot", "dovecot"};

static bool hear(const struct cm_port *port, struct cm_dialogue *dialogue,
		 char line[CM_DIALOGUE_LINE], struct cm_checks *checks)
{
	struct cm_error err;

	if (cm_dialogue_line(dialogue, line, &err))
		return true;
	cm_port_fault(port, checks, "%s", err.text);
	return false;
}

/* Sends a command and reads up to its tagged reply, which is then in line. */
static bool ask(const struct cm_port *port, struct cm_dialogue *dialogue, const char *command,
		char line[CM_DIALOGUE_LINE], struct cm_checks *checks)
{
	struct cm_error err;

	if (!cm_dialogue_say(dialogue, &err, "a %s", command)) {
		cm_port_fault(port, checks, "%s", err.text);
		return false;
	}
	for (unsigned int lines = 0; lines < LINES_MAX; lines++) {
		if (!hear(port, dialogue, line, checks))
			return false;
		if (strncmp(line, "a ", 2) == 0)
			return true;
	}
	cm_port_foreign(port, checks, "it does not speak IMAP");
	return false;
}

static bool greet(const struct cm_port *port, struct cm_dialogue *dialogue,
		  struct cm_checks *checks)
{
	char line[CM_DIALOGUE_LINE];

	if (!hear(port, dialogue, line, checks))
		return false;
	if (strncmp(line, "* OK", 4) == 0)
		return true;
	cm_port_foreign(port, checks, "it does not speak IMAP: %.100s", line);
	return false;
}

void cm_examine_imap(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	struct cm_dialogue *dialogue = cm_port_open(doctor, &imap, checks);
	char line[CM_DIALOGUE_LINE];

	if (dialogue == NULL)
		return;
	if (greet(&imap, dialogue, checks) && ask(&imap, dialogue, "STARTTLS", line, checks)) {
		if (strncmp(line, "a OK", 4) != 0)
			cm_port_foreign(&imap, checks, "STARTTLS is refused: %.100s", line + 2);
		else if (cm_port_secure(doctor, &imap, dialogue, NULL, checks) &&
			 ask(&imap, dialogue, "CAPABILITY", line, checks))
			cm_port_good(&imap, checks, "IMAP, STARTTLS");
	}
	cm_dialogue_close(&dialogue);
}

void cm_examine_imaps(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	struct cm_dialogue *dialogue = cm_port_open(doctor, &imaps, checks);
	char line[CM_DIALOGUE_LINE], command[400];

	if (dialogue == NULL)
		return;
	snprintf(command, sizeof(command), "LOGIN \"" CM_PORT_NOBODY "@%.255s\" chatmailctl-status",
		 doctor->config->mail_domain);
	if (cm_port_secure(doctor, &imaps, dialogue, NULL, checks) &&
	    greet(&imaps, dialogue, checks) && ask(&imaps, dialogue, command, line, checks) &&
	    cm_port_login_refused(&imaps, checks, strncmp(line, "a NO", 4) == 0, line + 2))
		cm_port_good(&imaps, checks,
			     "IMAP over TLS; the chatmail driver replies to logins");
	cm_dialogue_close(&dialogue);
}

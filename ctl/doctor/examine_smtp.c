/*
 * examine_smtp - ports 25, 587 and 465, as another server and as a client use them
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "ports.h"

/* RFC 6761: this domain never exists. */
#define STRANGER "doctor@chatmail-doctor.invalid"

static const struct cm_port smtp = {"smtp", "port 25", "smtp_port", "Postfix", "postfix"};
static const struct cm_port submission = {"submission", "port 587", "submission_port", "Postfix",
					  "postfix"};
static const struct cm_port smtps = {"smtps", "port 465", "smtps_port", "Postfix", "postfix"};

struct session {
	const struct cm_doctor *doctor;
	const struct cm_port *port;
	struct cm_checks *checks;
	struct cm_dialogue *dialogue;
	bool has_auth; /* logins are offered */
	int code;
	char text[CM_DIALOGUE_LINE];
};

/* Postfix closes a user's connection while it cannot ask Dovecot about logins. */
static void fault_of_connection(struct session *session, const struct cm_error *err)
{
	struct cm_check *check;

	if (session->port == &smtp) {
		cm_port_fault(session->port, session->checks, "%s", err->text);
		return;
	}
	check = cm_checks_add(session->checks, session->port->key, session->port->title,
			      CM_HEALTH_FAULT, "%s", err->text);
	cm_check_remedy(check, "restart dovecot, which answers Postfix about logins, then postfix");
}

/* Reads a reply. False after it added a fault. */
static bool hear(struct session *session)
{
	struct cm_error err;

	session->code = cm_dialogue_reply(session->dialogue, session->text, &err);
	if (session->code == 0)
		fault_of_connection(session, &err);
	return session->code != 0;
}

static bool ask(struct session *session, const char *command)
{
	struct cm_error err;

	if (cm_dialogue_say(session->dialogue, &err, "%s", command))
		return hear(session);
	fault_of_connection(session, &err);
	return false;
}

static bool offers(const struct session *session, const char *keyword)
{
	size_t length = strlen(keyword);

	for (const char *line = session->text; line != NULL;
	     line = strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : NULL)
		if (strncasecmp(line, keyword, length) == 0 && strchr("\n =", line[length]) != NULL)
			return true;
	return false;
}

/* Postfix replies 4xx to everything while it cannot ask its milter. */
static void fault_of_reply(struct session *session, const char *what)
{
	session->text[strcspn(session->text, "\n")] = '\0';
	if (session->code / 100 == 4) {
		struct cm_check *check = cm_checks_add(
		    session->checks, session->port->key, session->port->title, CM_HEALTH_FAULT,
		    "%s is deferred: %d %.200s", what, session->code, session->text);
		cm_remedy_service(check, "restart", "chatmail-milter");
	} else {
		cm_port_foreign(session->port, session->checks, "reply to %s: %d %.200s", what,
				session->code, session->text);
	}
}

static bool introduce(struct session *session)
{
	if (!ask(session, "EHLO chatmail-doctor.invalid"))
		return false;
	if (session->code != 250) {
		fault_of_reply(session, "the connection");
		return false;
	}
	session->has_auth = offers(session, "AUTH");
	return true;
}

static bool greet(struct session *session)
{
	if (!hear(session))
		return false;
	if (session->code == 220)
		return introduce(session);
	fault_of_reply(session, "the connection");
	return false;
}

static bool start_tls(struct session *session)
{
	if (!offers(session, "STARTTLS")) {
		cm_port_foreign(session->port, session->checks, "STARTTLS is not offered");
		return false;
	}
	if (!ask(session, "STARTTLS"))
		return false;
	if (session->code != 220) {
		fault_of_reply(session, "STARTTLS");
		return false;
	}
	return cm_port_secure(session->doctor, session->port, session->dialogue, NULL,
			      session->checks) &&
	       introduce(session);
}

/* Tries mail to another domain without a login. */
static bool relays_for_nobody(struct session *session)
{
	if (!ask(session, "MAIL FROM:<>"))
		return false;
	if (session->code / 100 != 2)
		return true;
	if (!ask(session, "RCPT TO:<" STRANGER ">"))
		return false;
	if (session->code / 100 == 5)
		return ask(session, "RSET");
	if (session->code / 100 == 4) {
		fault_of_reply(session, "mail for another domain");
		return false;
	}
	cm_port_foreign(session->port, session->checks,
			"OPEN RELAY: mail to any domain is accepted from anybody");
	return false;
}

/* Tries cleartext without a signature, which only the milter refuses. */
static bool asks_the_milter(struct session *session)
{
	char command[CM_DIALOGUE_LINE];

	snprintf(command, sizeof(command), "RCPT TO:<" CM_PORT_NOBODY "@%s>",
		 session->doctor->config->mail_domain);
	if (!ask(session, "MAIL FROM:<>") || !ask(session, command))
		return false;
	if (session->code / 100 != 2) {
		fault_of_reply(session, "mail for the relay's own domain");
		return false;
	}
	if (!ask(session, "DATA"))
		return false;
	if (session->code == 354 &&
	    !ask(session, "From: " STRANGER "\r\nTo: " STRANGER "\r\nSubject: test\r\n"
			  "Content-Type: text/plain\r\n\r\nchatmailctl status\r\n."))
		return false;
	if (session->code / 100 == 5)
		return true;
	if (session->code / 100 == 2)
		cm_port_foreign(session->port, session->checks,
				"cleartext is accepted: Postfix does not ask chatmail-milter");
	else
		fault_of_reply(session, "a message");
	return false;
}

void cm_examine_smtp(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	struct session session = {doctor, &smtp, checks, NULL, false, 0, ""};

	session.dialogue = cm_port_open(doctor, &smtp, checks);
	if (session.dialogue == NULL)
		return;
	if (greet(&session) && start_tls(&session) && relays_for_nobody(&session) &&
	    asks_the_milter(&session))
		cm_port_good(&smtp, checks,
			     "SMTP, STARTTLS; refuses cleartext, and mail for other domains");
	cm_dialogue_close(&session.dialogue);
}

/* Tries a login that must be refused, with our driver's text. */
static bool asks_the_driver(struct session *session)
{
	char plain[600], word[900], command[1000];
	int length;

	if (!session->has_auth) {
		cm_port_foreign(session->port, session->checks, "logins are not offered");
		return false;
	}
	length = snprintf(plain, sizeof(plain), "%c" CM_PORT_NOBODY "@%.255s%cchatmailctl-status",
			  0, session->doctor->config->mail_domain, 0);
	if (length < 0 || (size_t)length >= sizeof(plain))
		return false;
	EVP_EncodeBlock((unsigned char *)word, (const unsigned char *)plain, length);
	snprintf(command, sizeof(command), "AUTH PLAIN %s", word);
	if (!ask(session, command))
		return false;
	return cm_port_login_refused(session->port, session->checks, session->code == 535,
				     session->text);
}

static void examine_submission(struct session *session)
{
	bool wrapped = session->port == &smtps;

	session->dialogue = cm_port_open(session->doctor, session->port, session->checks);
	if (session->dialogue == NULL)
		return;
	if ((!wrapped || cm_port_secure(session->doctor, session->port, session->dialogue, NULL,
					session->checks)) &&
	    greet(session) && (wrapped || start_tls(session)) && relays_for_nobody(session) &&
	    asks_the_driver(session))
		cm_port_good(session->port, session->checks,
			     wrapped ? "submission over TLS, only after a login"
				     : "submission, STARTTLS, only after a login");
	cm_dialogue_close(&session->dialogue);
}

void cm_examine_submission(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	struct session session = {doctor, &submission, checks, NULL, false, 0, ""};

	examine_submission(&session);
}

void cm_examine_smtps(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	struct session session = {doctor, &smtps, checks, NULL, false, 0, ""};

	examine_submission(&session);
}

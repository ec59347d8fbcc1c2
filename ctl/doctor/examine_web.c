/*
 * examine_web - ports 443 and 80, as browsers and clients use them
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ports.h"

static const struct cm_port https = {"https", "port 443, web", "https_port", "nginx", "nginx"};
static const struct cm_port https_imap = {"https-imap", "port 443, IMAP", "https_port", "nginx",
					  "nginx"};
static const struct cm_port https_smtp = {"https-smtp", "port 443, SMTP", "https_port", "nginx",
					  "nginx"};
static const struct cm_port http = {"http", "port 80", "http_port", "nginx", "nginx"};

/* Requests a page; returns the status, or 0 after it added a fault. The server closes the
   connection. */
static int get(const struct cm_doctor *doctor, const struct cm_port *port, bool secure,
	       const char *path, struct cm_checks *checks)
{
	struct cm_dialogue *dialogue = cm_port_open(doctor, port, checks);
	const char *host = doctor->config->mail_host;
	char line[CM_DIALOGUE_LINE];
	struct cm_error err;
	int status = 0;

	if (dialogue == NULL)
		return 0;
	if (!secure || cm_port_secure(doctor, port, dialogue, "http/1.1", checks)) {
		if (!cm_dialogue_say(dialogue, &err,
				     "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n"
				     "User-Agent: chatmailctl-status\r\n",
				     path, host) ||
		    !cm_dialogue_line(dialogue, line, &err))
			cm_port_fault(port, checks, "%s", err.text);
		else if (strncmp(line, "HTTP/1.", 7) != 0)
			cm_port_foreign(port, checks, "it does not speak HTTP: %.100s", line);
		else
			status = atoi(line + strcspn(line, " "));
	}
	cm_dialogue_close(&dialogue);
	return status;
}

void cm_examine_https(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	int status = get(doctor, &https, true, "/", checks), account;

	if (status == 0)
		return;
	if (status != 200) {
		cm_port_foreign(&https, checks, "reply to the start page: %d", status);
		return;
	}
	if (doctor->config->web_listen[0] == '\0') {
		cm_port_good(&https, checks, "HTTPS, the start page");
		return;
	}
	/* Not POST, which creates accounts. */
	account = get(doctor, &https, true, "/new", checks);
	if (account == 0)
		return;
	if (account / 100 == 5 || account == 404) {
		struct cm_check *check =
		    cm_checks_add(checks, https.key, https.title, CM_HEALTH_FAULT,
				  "no accounts over the web: reply to /new: %d", account);
		cm_remedy_service(check, "restart", "chatmail-httpd");
		return;
	}
	cm_port_good(&https, checks, "HTTPS, the start page and /new");
}

/* The view of a client that can use no other port. */
static void examine_alpn(const struct cm_doctor *doctor, const struct cm_port *port,
			 const char *protocol, const char *greeting, struct cm_checks *checks)
{
	struct cm_dialogue *dialogue = cm_port_open(doctor, port, checks);
	char line[CM_DIALOGUE_LINE];
	struct cm_error err;

	if (dialogue == NULL)
		return;
	if (cm_port_secure(doctor, port, dialogue, protocol, checks)) {
		if (!cm_dialogue_line(dialogue, line, &err))
			cm_port_fault(port, checks, "%s", err.text);
		else if (strncmp(line, greeting, strlen(greeting)) != 0)
			cm_port_foreign(port, checks, "reply to ALPN %s: %.100s", protocol, line);
		else
			cm_port_good(port, checks, "by ALPN");
	}
	cm_dialogue_close(&dialogue);
}

void cm_examine_https_imap(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	examine_alpn(doctor, &https_imap, "imap", "* OK", checks);
}

void cm_examine_https_smtp(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	examine_alpn(doctor, &https_smtp, "smtp", "220", checks);
}

void cm_examine_http(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	int status = get(doctor, &http, false, "/", checks);

	if (status == 0)
		return;
	if (status == 301)
		cm_port_good(&http, checks, "HTTP, redirects to HTTPS");
	else
		cm_port_foreign(&http, checks, "HTTP status %d, not 301", status);
}

#include "ports.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "registration.h"

struct cm_dialogue *cm_port_open(const struct cm_doctor *doctor, const struct cm_port *port,
				 struct cm_checks *checks)
{
	struct cm_error err;
	struct cm_dialogue *dialogue =
	    cm_dialogue_tcp(doctor->address, cm_doctor_port(doctor, port->setting), &err);

	if (dialogue == NULL) {
		struct cm_check *check =
		    cm_checks_add(checks, port->key, port->title, CM_HEALTH_FAULT, "%s", err.text);

		cm_remedy_service(check, "restart", port->service);
		if (check != NULL && check->remedy != NULL) {
			char *first = check->remedy;

			check->remedy = NULL;
			cm_check_remedy(
			    check,
			    "%s; if %s runs, its configuration differs: chatmailctl config diff",
			    first, port->program);
			free(first);
		}
	}
	return dialogue;
}

static bool is_the_file(const struct cm_doctor *doctor, X509 *certificate)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length;

	return X509_digest(certificate, EVP_sha256(), digest, &length) == 1 &&
	       length == sizeof(doctor->pair.fingerprint) &&
	       memcmp(digest, doctor->pair.fingerprint, length) == 0;
}

bool cm_port_secure(const struct cm_doctor *doctor, const struct cm_port *port,
		    struct cm_dialogue *dialogue, const char *alpn, struct cm_checks *checks)
{
	struct cm_check *check;
	struct cm_error err;

	if (!cm_dialogue_tls(dialogue, doctor->config->mail_host, alpn, &err)) {
		cm_port_fault(port, checks, "%s", err.text);
		return false;
	}
	if (doctor->has_pair && !is_the_file(doctor, cm_dialogue_certificate(dialogue))) {
		check = cm_checks_add(checks, port->key, port->title, CM_HEALTH_FAULT,
				      "the certificate is not that of %s",
				      doctor->config->tls_certificate);
		cm_check_remedy(check,
				"make the servers read it again: chatmailctl certificate deployed");
		return false;
	}
	return true;
}

bool cm_port_login_refused(const struct cm_port *port, struct cm_checks *checks, bool refused,
			   const char *answer)
{
	bool ours = false;
	struct cm_check *check;

	for (enum cm_registration why = CM_REGISTRATION_REFUSED_CLOSED;
	     why < CM_REGISTRATION_TROUBLE; why++)
		ours = ours || strstr(answer, cm_registration_sentence(why)) != NULL;
	if (refused && ours)
		return true;
	check = cm_checks_add(checks, port->key, port->title, CM_HEALTH_FAULT,
			      refused ? "logins are not decided by the chatmail driver: %.200s"
				      : "logins fail: %.200s",
			      answer);
	cm_remedy_service(check, "restart", "dovecot");
	return false;
}

void cm_port_good(const struct cm_port *port, struct cm_checks *checks, const char *what)
{
	cm_checks_add(checks, port->key, port->title, CM_HEALTH_GOOD, "%s", what);
}

void cm_port_fault(const struct cm_port *port, struct cm_checks *checks, const char *format, ...)
{
	char text[CM_ERROR_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	cm_remedy_service(
	    cm_checks_add(checks, port->key, port->title, CM_HEALTH_FAULT, "%s", text), "restart",
	    port->service);
}

void cm_port_foreign(const struct cm_port *port, struct cm_checks *checks, const char *format, ...)
{
	char text[CM_ERROR_SIZE];
	va_list arguments;
	struct cm_check *check;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	check = cm_checks_add(checks, port->key, port->title, CM_HEALTH_FAULT, "%s", text);
	cm_check_remedy(check,
			"this is not the relay's configuration: chatmailctl config apply, then "
			"restart %s",
			port->program);
}

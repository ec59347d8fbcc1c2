/*
 * ports - the first steps of a client on any of the relay's ports
 */
#ifndef CM_PORTS_H
#define CM_PORTS_H

#include "dialogue.h"
#include "examination.h"

struct cm_port {
	const char *key, *title;
	const char *setting; /* contains the port's number */
	const char *program; /* "Postfix" */
	const char *service; /* "postfix" */
};

/* Connects. NULL after it added a fault. */
struct cm_dialogue *cm_port_open(const struct cm_doctor *doctor, const struct cm_port *port,
				 struct cm_checks *checks);

/* Starts TLS and checks the certificate. False after it added a fault. */
bool cm_port_secure(const struct cm_doctor *doctor, const struct cm_port *port,
		    struct cm_dialogue *dialogue, const char *alpn, struct cm_checks *checks);

/* The local part of the test login: no account can have it (registration.h). */
#define CM_PORT_NOBODY "postmaster"

/* Checks the reply to such a login: was it refused with the text of the relay's own driver?
   False after it added a fault. */
bool cm_port_login_refused(const struct cm_port *port, struct cm_checks *checks, bool refused,
			   const char *answer);

/* Adds the line of a port that works. */
void cm_port_good(const struct cm_port *port, struct cm_checks *checks, const char *what);

/* Adds a fault whose remedy is to restart the program. */
void cm_port_fault(const struct cm_port *port, struct cm_checks *checks, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds a fault of the configuration: this is not a server that `config apply` configured. */
void cm_port_foreign(const struct cm_port *port, struct cm_checks *checks, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

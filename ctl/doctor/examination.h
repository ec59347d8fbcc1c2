/*
 * examination - the input of each examination, and their list
 */
#ifndef CM_EXAMINATION_H
#define CM_EXAMINATION_H

#include "checks.h"
#include "config.h"
#include "settings.h"
#include "status_gather.h"
#include "tls_pair.h"

struct cm_doctor {
	const struct cm_config *config;
	const struct cm_settings *settings;
	const struct cm_status *status; /* gathered before */
	const char *queue_directory;    /* Postfix's */
	const char *const *overrides;   /* of settings, "name=value"; ends with NULL */
	const char *dovecot;            /* its version; NULL: as installed */
	const char *templates;
	const char *const *addresses; /* the relay's public ones; empty: this machine's */
	bool quick;                   /* make no connections */
	unsigned int only;            /* one bit for each enum cm_subject to examine; 0: all */

	/* Filled by cm_doctor_examine(). */
	char address[64]; /* where clients connect */
	struct cm_tls_pair pair;
	bool has_pair;
};

/* One examination: adds its lines. */
typedef void cm_examine_fn(const struct cm_doctor *doctor, struct cm_checks *checks);

cm_examine_fn cm_examine_programs;
cm_examine_fn cm_examine_configuration;
cm_examine_fn cm_examine_smtp;
cm_examine_fn cm_examine_submission;
cm_examine_fn cm_examine_smtps;
cm_examine_fn cm_examine_imap;
cm_examine_fn cm_examine_imaps;
cm_examine_fn cm_examine_https;
cm_examine_fn cm_examine_https_imap;
cm_examine_fn cm_examine_https_smtp;
cm_examine_fn cm_examine_http;
cm_examine_fn cm_examine_milter;
cm_examine_fn cm_examine_dovecot;
cm_examine_fn cm_examine_delivery;
cm_examine_fn cm_examine_backends;
cm_examine_fn cm_examine_accounts;
cm_examine_fn cm_examine_queue;
cm_examine_fn cm_examine_moves;
cm_examine_fn cm_examine_notifications;
cm_examine_fn cm_examine_expiry;
cm_examine_fn cm_examine_certificate;
cm_examine_fn cm_examine_machine;
cm_examine_fn cm_examine_dns;
cm_examine_fn cm_examine_push;
cm_examine_fn cm_examine_turn;
cm_examine_fn cm_examine_iroh;

/* The value of a setting that every configuration has. */
const char *cm_doctor_setting(const struct cm_doctor *doctor, const char *name);
unsigned int cm_doctor_port(const struct cm_doctor *doctor, const char *name);

/* "systemctl restart dovecot", or the equivalent of this machine's init system. */
void cm_remedy_service(struct cm_check *check, const char *verb, const char *service);

#endif

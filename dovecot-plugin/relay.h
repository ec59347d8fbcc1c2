/*
 * relay - the relay that a Dovecot process works for
 *
 * Each process opens one configuration, one statistics mapping and one table of rates when they are
 * first needed. If that fails, it is logged without addresses and retried later, so that a repair
 * needs no restart.
 */
#ifndef CM_RELAY_H
#define CM_RELAY_H

#include "address.h"
#include "config.h"
#include "registration_limits.h"
#include "stats.h"

/* The prefix of the plugins' log lines. */
#define CM_LOG_PREFIX "chatmail: "

struct event;

/* The event for log lines about the relay, and about accounts where Dovecot's own event would
   contain their names. Owned by this module. */
struct event *cm_relay_event(void);

/* chatmail.ini, from CM_CONFIG_ENVIRONMENT or the default path. NULL if it cannot be read,
   which is logged. Owned by this module. */
const struct cm_config *cm_relay_config(void);

/* Counts nothing if the statistics cannot be opened, which is logged. */
void cm_relay_count(enum cm_stat counter, uint64_t amount);

/* NULL if the rates of new accounts cannot be kept, which is logged. */
struct cm_limits *cm_relay_limits(void);

/* True if text is an address of this relay. */
bool cm_relay_address(const struct cm_config *config, const char *text,
		      struct cm_address *address_r);

void cm_relay_deinit(void);

#endif

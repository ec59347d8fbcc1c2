/*
 * log - one line at a time, to syslog (facility mail) or to standard error
 *
 * Addresses and IPs go through cm_log_address(), which hides them unless log_addresses = true.
 * Passwords, tokens and keys are never given to this module. Control bytes in a line are replaced
 * by '?', so no client can forge a line. Thread-safe after cm_log_init().
 */
#ifndef CM_LOG_H
#define CM_LOG_H

#include <stdbool.h>
#include <syslog.h>

enum cm_log_target {
	CM_LOG_SYSLOG,
	CM_LOG_STDERR,
};

/* ident, borrowed, begins each line. Until this is called, lines go to standard error and begin
   with "chatmail". */
void cm_log_init(const char *ident, enum cm_log_target target);

/* Sets whether cm_log_address() shows addresses; by default it does not. May be called again
   (SIGHUP). */
void cm_log_show_addresses(bool show);

/* priority: LOG_ERR, LOG_WARNING, LOG_INFO or LOG_DEBUG. Lines over 1,000 bytes end in "...". */
void cm_log(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The address or IP itself, or "(hidden)". */
const char *cm_log_address(const char *address);

#endif

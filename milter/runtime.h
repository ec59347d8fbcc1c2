/*
 * runtime - the configuration, policy, resolver and DKIM key in force, while messages come and go
 *
 * Every message holds what was in force when it began until it ends, so that loading another
 * configuration disturbs none, and a program that stops knows what is under way.
 */
#ifndef CM_RUNTIME_H
#define CM_RUNTIME_H

#include <stdbool.h>

#include "config.h"
#include "dkim.h"
#include "error.h"
#include "policy.h"
#include "signer.h"
#include "stats.h"

struct cm_runtime;

/* Reads the DKIM key while the program is root still, for cm_runtime_load(), which may not read it
   then. Errors show there. */
void cm_runtime_read_key(const char *ini);

/* Reads the configuration and uses it for messages that begin from now on. False with err filled
   if it cannot be used: then what was in force stays in force. The senders' rates go on, and so
   does a resolver with its cache whose key has not changed. A DKIM key that cannot be read again
   stays in use; without any, which is a warning, nothing leaves. */
bool cm_runtime_load(const char *ini, cm_config_warning_fn *warn, void *context,
		     struct cm_error *err);

/* True if log_addresses is set in what is in force. */
bool cm_runtime_logs_addresses(void);

/* A message begins. NULL if the program is stopping. */
struct cm_runtime *cm_runtime_enter(void);
/* It ends; sets the pointer to NULL. */
void cm_runtime_leave(struct cm_runtime **generation);

struct cm_policy *cm_runtime_policy(struct cm_runtime *generation);
struct cm_dkim *cm_runtime_dkim(struct cm_runtime *generation);
/* True if the milter signs what leaves. Then the signer is NULL if there is no usable key. */
bool cm_runtime_signs(const struct cm_runtime *generation);
const struct cm_signer *cm_runtime_signer(const struct cm_runtime *generation);
/* NULL if the statistics cannot be opened: then nothing is counted. */
struct cm_stats *cm_runtime_stats(struct cm_runtime *generation);

/* From now on no message begins; what was in force is freed with the last message. */
void cm_runtime_stop(void);

/* Waits at most so long for the messages under way. True if there are none left. */
bool cm_runtime_wait_idle(unsigned int milliseconds);

#endif

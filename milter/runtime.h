/*
 * runtime - the current configuration, policy, resolver and DKIM key, shared by messages
 *
 * A message keeps the runtime that was current when it began, so loading another configuration
 * does not disturb it, and a stopping program knows which messages are in progress.
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

/* Reads the DKIM key while the program still is root, for cm_runtime_load(), which may lack
   the permission. cm_runtime_load() reports errors. */
void cm_runtime_read_key(const char *ini);

/* Reads the configuration and uses it for messages that begin from now on. False with err
   filled if it cannot be used: then the old one stays current. The senders' rates are kept,
   and so are a resolver and its cache if its key has not changed. A DKIM key that cannot be
   read again stays in use. If there is no key at all, a warning is logged and no mail leaves. */
bool cm_runtime_load(const char *ini, cm_config_warning_fn *warn, void *context,
		     struct cm_error *err);

/* True if log_addresses is set in the current configuration. */
bool cm_runtime_logs_addresses(void);

/* Begins a message. NULL if the program is stopping. */
struct cm_runtime *cm_runtime_enter(void);
/* Ends the message; sets the pointer to NULL. */
void cm_runtime_leave(struct cm_runtime **runtime);

struct cm_policy *cm_runtime_policy(struct cm_runtime *runtime);
struct cm_dkim *cm_runtime_dkim(struct cm_runtime *runtime);
/* True if the milter signs outgoing mail. Then signer is NULL if there is no usable key. */
bool cm_runtime_signs(const struct cm_runtime *runtime);
const struct cm_signer *cm_runtime_signer(const struct cm_runtime *runtime);
/* NULL if the statistics cannot be opened: then nothing is counted. */
struct cm_stats *cm_runtime_stats(struct cm_runtime *runtime);

/* From now on no message begins. The last message frees the old configuration. */
void cm_runtime_stop(void);

/* Waits for the messages in progress, at most for the given time. True if all have ended. */
bool cm_runtime_wait_idle(unsigned int milliseconds);

#endif

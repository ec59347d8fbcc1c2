/*
 * first_worker - starts one of auth's workers before anybody logs in
 *
 * auth of Dovecot 2.4 learns from its first worker how many workers it may have. Until the first
 * one answers, it asks for a worker for each login, and logins beyond the limit fail when many
 * clients return at once after a start.
 */
#ifndef CM_FIRST_WORKER_H
#define CM_FIRST_WORKER_H

struct userdb_module;

/* Waits until a worker has answered, some seconds at most. Called from the init() of the userdb
   driver, when auth does not listen yet; does nothing in a worker. */
void cm_first_worker_wait(const struct userdb_module *module);

#endif

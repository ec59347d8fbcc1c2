/*
 * first_worker - a worker of auth's that runs before anybody logs in
 *
 * auth of Dovecot 2.4 learns from its first worker how many workers there may be. Until that one
 * has answered, it asks for a worker for each login, and the logins beyond the limit fail: whenever
 * many clients come back at once after a start.
 */
#ifndef CM_FIRST_WORKER_H
#define CM_FIRST_WORKER_H

struct userdb_module;

/* Waits until a worker has answered, some seconds at most. Called from the init() of the userdb
   driver, when auth does not listen yet; does nothing in a worker. */
void cm_first_worker_wait(const struct userdb_module *module);

#endif

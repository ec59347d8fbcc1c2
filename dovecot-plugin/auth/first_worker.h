/*
 * first_worker - start one of auth's workers before the first login
 *
 * auth of Dovecot 2.4 learns from its first worker how many workers it may have. Until the first
 * one replies, it starts a worker for each login, and logins beyond the limit fail when many
 * clients reconnect at once after a start.
 */
#ifndef CM_FIRST_WORKER_H
#define CM_FIRST_WORKER_H

struct userdb_module;

/* Waits until a worker has replied, for some seconds at most. Called from the init() of the
   userdb driver, before auth listens; does nothing in a worker. */
void cm_first_worker_wait(const struct userdb_module *module);

#endif

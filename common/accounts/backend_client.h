/*
 * backend_client - the requests of a front to a backend
 *
 * They use LMTP and IMAP on the network between the two, which must be private because nothing is
 * encrypted there. Each request opens a connection, waits CM_BACKEND_CONNECT_TIMEOUT seconds for
 * it, and at most CM_BACKEND_TIMEOUT seconds for each line. After a timeout, requests of the same
 * thread to the same backend fail at once for a while (backend_outage.h).
 */
#ifndef CM_BACKEND_CLIENT_H
#define CM_BACKEND_CLIENT_H

#include "account.h"
#include "error.h"

#define CM_BACKEND_IMAP_PORT  10143
#define CM_BACKEND_LMTP_PORT  10024
#define CM_BACKEND_DSYNC_PORT 10245
#define CM_BACKEND_TIMEOUT    10

/* Long enough for two lost packets. */
#define CM_BACKEND_CONNECT_TIMEOUT 4

/* Longest text of a refusal that is kept. */
#define CM_BACKEND_TEXT_SIZE 256

/* Asks whether the backend accepts mail for an address: CM_ACCOUNT_OK, _ABSENT, or _TROUBLE
   with err filled. err must not be NULL and never names the address. */
enum cm_account_status cm_backend_has(const char *host, const char *address, struct cm_error *err);

enum cm_backend_login {
	CM_BACKEND_LOGIN_OK,      /* the account exists; this login may have created it */
	CM_BACKEND_LOGIN_REFUSED, /* text_r is the backend's reason */
	CM_BACKEND_LOGIN_TROUBLE, /* err is filled */
};

/* Logs in and out again. The backend creates a missing account if it may. */
enum cm_backend_login cm_backend_login(const char *host, const char *address, const char *password,
				       char text_r[CM_BACKEND_TEXT_SIZE], struct cm_error *err);

/* What the tagged line "a OK ...", "a NO ..." of a LOGIN means; text_r is filled on REFUSED. */
enum cm_backend_login cm_backend_judge(const char *line, char text_r[CM_BACKEND_TEXT_SIZE]);

#endif

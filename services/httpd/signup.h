/*
 * signup - an account over the web
 *
 * The account is created at once, whether registration is open or by invitation. Upstream's /new
 * only invents credentials; their first login creates the account. Here the user gets a refusal
 * as a sentence instead of a failed login; the rates count the requesting address; and N requests
 * get N accounts.
 */
#ifndef CM_HTTPD_SIGNUP_H
#define CM_HTTPD_SIGNUP_H

#include "address.h"
#include "registration.h"
#include "route.h"

struct cm_signup {
	struct cm_address address;
	char *password; /* malloc'd; release with cm_signup_deinit() */
};

/* Creates an account with a random name and password, for the client in the request, with its
   token if registration = invite. Counts it. err is filled on CM_REGISTRATION_TROUBLE. */
enum cm_registration cm_signup(const struct cm_httpd_context *context,
			       const struct cm_httpd_request *request, struct cm_signup *signup_r,
			       struct cm_error *err);

/* Wipes and frees. */
void cm_signup_deinit(struct cm_signup *signup);

#endif

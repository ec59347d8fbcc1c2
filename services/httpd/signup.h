/*
 * signup - an account over the web
 *
 * The account is made at once, whether registration is open or by invitation. Upstream's /new only
 * invents credentials and leaves the account to their first login. Here the refusal, if there is
 * one, reaches the user as a sentence instead of as a failed login; the rates are taken from the
 * address that asked; and N requests get N accounts.
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

/* Makes an account with a random name and password, for the client at the other end, with its token
   if registration = invite. Counts it. err is filled on CM_REGISTRATION_TROUBLE. */
enum cm_registration cm_signup(const struct cm_httpd_context *context,
			       const struct cm_httpd_request *request, struct cm_signup *signup_r,
			       struct cm_error *err);

/* Wipes and frees. */
void cm_signup_deinit(struct cm_signup *signup);

#endif

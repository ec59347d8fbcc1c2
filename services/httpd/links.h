/*
 * links - the links that clients take, and what a request may put into them
 */
#ifndef CM_HTTPD_LINKS_H
#define CM_HTTPD_LINKS_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"
#include "config.h"
#include "invitation.h"

/* The link that logs in (dclogin:), malloc'd; NULL if out of memory. */
char *cm_link_login(const struct cm_config *config, const struct cm_address *address,
		    const char *password);

/* The link that makes an account (dcaccount:), malloc'd; NULL if out of memory. From the request,
 * its Host field and the token of its query, only a well-formed port and token are used. */
char *cm_link_account(const struct cm_config *config, const char *host_field, const char *token);

/* A body that is a token; false if it is anything else. */
bool cm_link_token(const char *body, size_t length, char token_r[CM_INVITATION_TOKEN_LENGTH + 1]);

#endif

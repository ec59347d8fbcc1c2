/*
 * links - links for clients, and the parts of a request that they may contain
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

/* The link that creates an account (dcaccount:), malloc'd; NULL if out of memory. From the
   request only a well-formed port in its Host field and a well-formed token in its query are
   used. */
char *cm_link_account(const struct cm_config *config, const char *host_field, const char *token);

/* Reads a body that is a token; false if it is not. */
bool cm_link_token(const char *body, size_t length, char token_r[CM_INVITATION_TOKEN_LENGTH + 1]);

#endif

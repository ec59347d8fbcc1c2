/*
 * authdb - Dovecot's passdb and userdb driver `chatmail`
 */
#ifndef CM_AUTHDB_H
#define CM_AUTHDB_H

#include "auth-common.h"

#include "auth-request.h"

#include "compat/compat.h"

extern struct passdb_module_interface cm_passdb;
extern struct passdb_module_interface cm_passdb_last; /* driver `chatmail-last` */
extern struct userdb_module_interface cm_userdb;

/* The name by which Postfix asks. */
static inline bool cm_is_smtp(const struct auth_request *request)
{
	return null_strcmp(CM_AUTH_PROTOCOL(request), "smtp") == 0;
}

#endif

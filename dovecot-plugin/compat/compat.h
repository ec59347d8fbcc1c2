/*
 * compat - names that differ between Dovecot 2.3 and 2.4
 *
 * Everything else in these plugins is the same source for both. Only macros, so that including
 * this does not pull in Dovecot's auth headers.
 */
#ifndef CM_COMPAT_H
#define CM_COMPAT_H

#include "lib.h"

#if DOVECOT_PREREQ(2, 4, 0)

#define CM_AUTH_PROTOCOL(request)         ((request)->fields.protocol)
#define CM_AUTH_LOG_UNKNOWN_USER(request) auth_request_db_log_unknown_user(request)
/* The fields of the passdb and userdb blocks in dovecot.conf. Negative on failure. */
#define CM_AUTH_SET_PASSDB_FIELDS(request) auth_request_set_passdb_fields(request, NULL)
#define CM_AUTH_SET_USERDB_FIELDS(request) auth_request_set_userdb_fields(request, NULL)

#define CM_AUTH_CLIENT_FD(connection) ((connection)->conn.fd_in)

#define CM_NOTIFY_UNREGISTER(context) notify_unregister(context)

#else

#define CM_AUTH_PROTOCOL(request)          ((request)->fields.service)
#define CM_AUTH_LOG_UNKNOWN_USER(request)  auth_request_log_unknown_user(request, AUTH_SUBSYS_DB)
#define CM_AUTH_SET_PASSDB_FIELDS(request) 0
#define CM_AUTH_SET_USERDB_FIELDS(request) 0

#define CM_AUTH_CLIENT_FD(connection) ((connection)->fd)

#define CM_NOTIFY_UNREGISTER(context) notify_unregister(*(context))

#endif

#endif

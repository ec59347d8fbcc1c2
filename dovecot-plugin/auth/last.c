/*
 * last - the passdb after `chatmail`: contains no users, and reports internal failures to Postfix
 *
 * Postfix answers 535 to every failure that Dovecot's auth reports, and 454 only if the connection
 * to auth breaks. So after an internal failure of an earlier passdb, which may be a worker that
 * died, this one shuts down the connection. It belongs to one smtpd process, which has no other
 * request there, and which connects again for the next one.
 */
#include "auth-common.h"

#include "passdb.h"

#include "auth-request-handler.h"

#include "auth-request-handler-private.h"
#include "connection.h"

#include "auth-client-connection.h"

#include "authdb.h"

#include <sys/socket.h>

/* Dovecot then closes the connection as if Postfix had. */
static void hang_up(const struct auth_request_handler *handler)
{
	int fd = handler == NULL || handler->destroyed ? -1 : CM_AUTH_CLIENT_FD(handler->conn);

	if (fd >= 0)
		(void)shutdown(fd, SHUT_RDWR);
}

static void verify_plain(struct auth_request *request, const char *password ATTR_UNUSED,
			 verify_plain_callback_t *callback)
{
	if (request->passdbs_seen_internal_failure && cm_is_smtp(request))
		hang_up(request->handler);
	callback(PASSDB_RESULT_USER_UNKNOWN, request);
}

static void lookup_credentials(struct auth_request *request,
			       lookup_credentials_callback_t *callback)
{
	passdb_handle_credentials(PASSDB_RESULT_USER_UNKNOWN, NULL, NULL, callback, request);
}

struct passdb_module_interface cm_passdb_last = {
    .name = "chatmail-last",
    .verify_plain = verify_plain,
    .lookup_credentials = lookup_credentials,
};

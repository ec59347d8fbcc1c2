/*
 * push_queue - pending notifications, one small file each
 *
 * Upstream's format: <mailboxes_dir>/pending_notifications/<random id> holding
 * "address\nunix time\ntoken". Written by the Dovecot mail plugin, read by chatmail-notifyd.
 * Temporary files start with ".tmp." and are ignored by readers.
 */
#ifndef CM_PUSH_QUEUE_H
#define CM_PUSH_QUEUE_H

#include <stdbool.h>
#include <time.h>

#include "address.h"
#include "config.h"
#include "error.h"
#include "tokens.h"

#define CM_PUSH_QUEUE_DIR        "pending_notifications"
#define CM_PUSH_QUEUE_TMP_PREFIX ".tmp."
/* A larger file is not an entry. */
#define CM_PUSH_ENTRY_MAX (CM_ADDRESS_MAX + 1 + 24 + 1 + CM_TOKEN_MAX + 1)

struct cm_push_entry {
	struct cm_address address;
	time_t time; /* when the message arrived */
	char token[CM_TOKEN_MAX + 1];
};

/* The directory's path, malloc'd; NULL if out of memory. */
char *cm_push_queue_path(const struct cm_config *config);

/* Queues one notification: temporary file, then rename, so a reader sees the whole entry. Not
   fsynced: a lost push costs less than a slow delivery. The directory is created if it is
   missing. */
bool cm_push_queue_add(const struct cm_config *config, const struct cm_address *address,
		       const char *token, time_t now, struct cm_error *err);

/* Parses the bytes of an entry. False if they are invalid. */
bool cm_push_entry_parse(const char *text, size_t length, struct cm_push_entry *entry_r);

#endif

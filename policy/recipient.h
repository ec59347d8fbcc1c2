/*
 * recipient - the mailbox of an envelope recipient
 */
#ifndef CM_RECIPIENT_H
#define CM_RECIPIENT_H

#include <stdbool.h>

#include "address.h"

/* path: the RCPT TO argument, with or without angle brackets. "a+b@domain" belongs to a. False
   if the mailbox is not obvious: the mail server rewrites quoted names, routes, and names
   without a domain by its own rules. */
bool cm_recipient_mailbox(const char *path, struct cm_address *mailbox_r);

#endif

/*
 * address_lines - template values with a line for each of several addresses
 */
#ifndef CM_ADDRESS_LINES_H
#define CM_ADDRESS_LINES_H

#include "settings.h"

/* {{lines:NAME}}, malloc'd. NULL for other names, and if out of memory.

   coturn_listening: the addresses that coturn binds, and those that a router translates to
   them.

   coturn_own_peers: refuses the machine's own addresses to coturn's peers.

   cleartext_fronts: lets fronts log in without TLS, in the syntax of Dovecot 2.4. */
char *cm_address_lines(const struct cm_settings *settings, const char *name);

#endif

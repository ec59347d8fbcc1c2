/*
 * from_header - the one address of a From header, if every reader would find the same one (RFC
 * 5322 3.4)
 *
 * It accepts `address`, `<address>`, `display name <address>` with a display name of atoms,
 * quoted strings, comments (bounces have one) and raw UTF-8, and `address <address>` if both are
 * the same. Groups, lists, routes, encoded words (RFC 2047) in the address, and other addresses in
 * a bare display name or in a comment are refused. Only the address leaves (header_rewrite.h), so
 * these forms are also accepted in outgoing mail.
 */
#ifndef CM_FROM_HEADER_H
#define CM_FROM_HEADER_H

#include "address.h"

/* Longest From header. */
#define CM_FROM_MAX 2000

/* value: folded or not, NUL-terminated. NULL on success, otherwise the fault. */
const char *cm_from_parse(const char *value, struct cm_address *address_r);

#endif

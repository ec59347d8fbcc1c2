/*
 * address_list - read the addresses of a To, Cc or similar field, and nothing else (RFC 5322 3.4
 * with the obsolete forms of 4.4)
 *
 * The field is rewritten from the result, so this reader is lenient: it skips display names,
 * comments, group names, addresses with an encoded word or beyond ASCII, and everything else except
 * addresses.
 */
#ifndef CM_ADDRESS_LIST_H
#define CM_ADDRESS_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* One address as written, but without white space and comments; valid for
   cm_address_parse_quoted(). */
typedef void cm_address_found_fn(void *context, const char *text, size_t length);

/* value: folded or not, NUL-terminated. Calls found for each address. False if a quoted string, a
   comment or an angle bracket does not end; addresses found before remain valid. */
bool cm_address_list_read(const char *value, cm_address_found_fn *found, void *context);

#endif

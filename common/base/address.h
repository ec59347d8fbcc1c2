/*
 * address - mail addresses, parsed and checked, in one normal form
 *
 * The normal form is lower case (ASCII letters only) without angle brackets. Any envelope address
 * of an ordinary mail system is accepted: a local part of atoms and dots (RFC 5321 4.1.2;
 * well-formed UTF-8 too, RFC 6531) and a domain name or an address literal in brackets (RFC
 * 5321 4.1.3). '/', NUL, control bytes and white space are refused, so an address is always usable
 * as one component of a path. The normal form has no quotes around a local part (RFC 5322 3.4.1).
 */
#ifndef CM_ADDRESS_H
#define CM_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/* RFC 5321 4.5.3.1: a path is at most 256 bytes, with its angle brackets. */
#define CM_ADDRESS_MAX       254
#define CM_ADDRESS_LOCAL_MAX 64

struct cm_address {
	char text[CM_ADDRESS_MAX + 1]; /* the whole address in normal form */
	size_t local_length;           /* bytes before the '@' */
};

/* Parses exactly length bytes (no angle brackets). False if they are not an address. */
bool cm_address_parse(const char *text, size_t length, struct cm_address *address_r);

/* The same, but the local part may be in quotes, as "a..b"@c must be in a message. */
bool cm_address_parse_quoted(const char *text, size_t length, struct cm_address *address_r);

/* The same for an SMTP path: "<a@b>", "a@b" or "<"a"@b>". The null path "<>" is not an
   address. */
bool cm_address_parse_path(const char *path, struct cm_address *address_r);

/* The domain in normal form, including the brackets of a literal. Points into the address. */
const char *cm_address_domain(const struct cm_address *address);

/* True for "user@[192.0.2.1]" and "user@[IPv6:2001:db8::1]". */
bool cm_address_is_literal(const struct cm_address *address);

/* True if the address contains the start of an encoded word (RFC 2047). No program writes it there,
   and some readers decode the word and show its text. */
bool cm_address_has_encoded_word(const struct cm_address *address);

/* Any other address may hold a sentence, with Unicode spaces in its domain. */
bool cm_address_is_ascii(const struct cm_address *address);

bool cm_address_equal(const struct cm_address *a, const struct cm_address *b);

/* True if the domain is a host name in the preferred syntax (labels of letters, digits, '-' and
   '_', RFC 1123 2.1) or a bracketed address literal. Case does not matter. */
bool cm_domain_valid(const char *domain, size_t length);

#endif

/*
 * config_value - the kinds of values in chatmail.ini
 *
 * Each call returns true if the whole text is such a value.
 */
#ifndef CM_CONFIG_VALUE_H
#define CM_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits, from min to max. */
bool cm_value_read_number(const char *text, unsigned int min, unsigned int max,
			  unsigned int *value_r);

/* The same, optionally followed by "d". */
bool cm_value_read_days(const char *text, unsigned int min, unsigned int max,
			unsigned int *value_r);

/* Digits and M, MB, G or GB (any case, powers of 1024). unit: that of a bare number, in bytes. */
bool cm_value_read_size(const char *text, uint64_t unit, uint64_t *value_r);

/* A number from 0 to a million, with or without a fraction. */
bool cm_value_read_real(const char *text, double *value_r);

/* true, yes, on, 1 or false, no, off, 0, in any case. */
bool cm_value_read_flag(const char *text, bool *value_r);

/* An IPv4 or IPv6 address without brackets, of exactly length bytes. */
bool cm_value_is_ip(const char *text, size_t length);

/* NAME=VALUE pairs separated by &, of bytes that need no escape in a URL or in HTML. */
bool cm_value_is_query(const char *text);

/* An IP address without brackets, optionally followed by /BITS. */
bool cm_value_is_network(const char *text);

/* A domain name, or an IP address without brackets. */
bool cm_value_is_host(const char *text);

/* The scheme ("https://") and more text, without white space. */
bool cm_value_is_url(const char *text, const char *scheme);

/* ADDRESS or ADDRESS@PORT. */
bool cm_value_is_resolver(const char *text);

/* unix: and an absolute path that a socket and nginx accept, or HOST:PORT. */
bool cm_value_is_web(const char *text);

/* An absolute path that every server reads unchanged: no blanks, no byte with a meaning in one
   of their languages, no "." or ".." component, and not "/". The error message for it: */
#define CM_VALUE_PATH "an absolute path of letters, digits and ._+@=~:-, without . or .."
bool cm_value_is_path(const char *text);

/* The same, or such a path followed by an address literal, like the mailboxes of a relay
   without a name: "/home/vmail/mail/[192.0.2.1]". */
bool cm_value_is_mail_path(const char *text);

/* Text that is safe in the configuration of any server: no server treats a part of it as a
   variable, a comment, a quote, a file to read or the end of a word or statement. */
bool cm_value_is_plain(const char *text);

/* HOST:PORT, an IPv6 address in brackets. */
bool cm_value_is_listen(const char *text);

#endif

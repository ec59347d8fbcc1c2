/*
 * redact - text of other programs without the addresses in it
 *
 * For log lines of other programs, which must not name users.
 */
#ifndef CM_REDACT_H
#define CM_REDACT_H

#define CM_REDACTED "(hidden)"

/* text with CM_REDACTED in place of each mail address and each IP address, of at least three
   characters, in it. malloc'd; NULL if memory is out. All characters around an '@' that may stand
   in a local part or a domain count as the address. So a word too many may be replaced, but a path
   keeps its other components. */
char *cm_redact(const char *text);

#endif

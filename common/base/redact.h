/*
 * redact - remove addresses from log lines of other programs
 */
#ifndef CM_REDACT_H
#define CM_REDACT_H

#define CM_REDACTED "(hidden)"

/* Returns text with each mail address and each IP address of at least three characters
   replaced by CM_REDACTED. malloc'd; NULL if out of memory. All characters around an '@' that
   may stand in a local part or a domain count as the address. So too many words may be
   replaced, but a path keeps its other components. */
char *cm_redact(const char *text);

#endif

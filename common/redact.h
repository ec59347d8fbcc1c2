/*
 * redact - text of other programs without the addresses in it
 *
 * For log lines that we do not write ourselves, but may keep from naming somebody.
 */
#ifndef CM_REDACT_H
#define CM_REDACT_H

#define CM_REDACTED "(hidden)"

/* text with CM_REDACTED in place of each mail address and each IP address, of at least three
   characters, in it. malloc'd; NULL if memory is out. Anything beside an '@' that a local part or a
   domain could be made of belongs to a mail address, so a word too much may be gone, but a path
   keeps its other parts. */
char *cm_redact(const char *text);

#endif

/*
 * log_hide - lines of mail servers without what names people
 */
#ifndef CM_LOG_HIDE_H
#define CM_LOG_HIDE_H

/* What cm_redact() hides, and besides: the host names of clients, what they call themselves, and
   names of users without a domain. malloc'd; NULL if out of memory. */
char *cm_log_hide(const char *text);

#endif

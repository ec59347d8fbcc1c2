/*
 * log_hide - lines of mail servers without what names people
 */
#ifndef CM_LOG_HIDE_H
#define CM_LOG_HIDE_H

/* The text without what cm_redact() hides, host names of clients, the names by which they introduce
   themselves, and names of users without a domain. malloc'd; NULL if out of memory. */
char *cm_log_hide(const char *text);

#endif

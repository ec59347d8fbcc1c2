/*
 * format - printf() to a new string
 */
#ifndef CM_FORMAT_H
#define CM_FORMAT_H

/* malloc'd; NULL if out of memory. */
char *cm_format(const char *text, ...) __attribute__((format(printf, 1, 2)));

#endif

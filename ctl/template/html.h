/*
 * html - write text to a page
 */
#ifndef CM_HTML_H
#define CM_HTML_H

#include <stdio.h>

/* Writes text, with the five characters that have a meaning in HTML escaped. */
void cm_html_escape(FILE *stream, const char *text);

#endif

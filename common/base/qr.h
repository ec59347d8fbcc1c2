/*
 * qr - QR codes as text for a terminal and as SVG for a page
 */
#ifndef CM_QR_H
#define CM_QR_H

#include <stdbool.h>
#include <stdio.h>

/* Prints the code of text with half blocks of Unicode, two rows a line, with the white margin
   that a reader needs. If colour is true, black on white whatever the terminal's colours are;
   otherwise white is drawn as blocks, for a dark terminal. False if the text does not fit a
   code. */
bool cm_qr_print(FILE *stream, const char *text, bool colour);

/* An <svg> element, malloc'd: black modules on a white square, scalable, with label as its
   accessible name (escaped by the caller). NULL if the text does not fit a code or out of
   memory. */
char *cm_qr_svg(const char *text, const char *label);

#endif

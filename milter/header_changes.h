/*
 * header_changes - asks the mail server to change the header of a message
 */
#ifndef CM_HEADER_CHANGES_H
#define CM_HEADER_CHANGES_H

#include <stdbool.h>

#include <libmilter/mfapi.h>

#include "header_rewrite.h"

/* At the end of the message (smfi_chgheader(3)). False if the mail server rejected a change: then
 * the message must not pass. */
bool cm_header_changes_apply(SMFICTX *context, const struct cm_header_rewrite *rewrite);

#endif

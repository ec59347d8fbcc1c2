/*
 * header_changes - request changes of a message's header from the mail server
 */
#ifndef CM_HEADER_CHANGES_H
#define CM_HEADER_CHANGES_H

#include <stdbool.h>

#include <libmilter/mfapi.h>

#include "header_rewrite.h"

/* At the end of the message (smfi_chgheader(3)). False if the mail server rejected a change:
   then the message must not pass. */
bool cm_header_changes_apply(SMFICTX *context, const struct cm_header_rewrite *rewrite);

#endif

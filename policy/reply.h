/*
 * reply - the SMTP reply for each reason
 *
 * The codes and key phrases are upstream's, because clients look for them: Delta Chat explains a
 * refusal in the chat if the reply contains "invalid unencrypted mail".
 */
#ifndef CM_REPLY_H
#define CM_REPLY_H

#include "policy.h"

/* Fills the whole verdict. envelope_from and header_from may be NULL; bytes in them that are
   not printable ASCII become '?', long ones are shortened. */
void cm_reply(struct cm_verdict *verdict, enum cm_reason reason, const char *why,
	      const char *envelope_from, const char *header_from);

#endif

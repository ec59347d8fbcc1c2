/*
 * reason - why a message was accepted or refused, and the SMTP reply for it (reasons.def)
 */
#ifndef CM_REASON_H
#define CM_REASON_H

#include <stdbool.h>

/* Placeholders in a reply's text for the envelope sender and for the address in From. */
#define CM_REPLY_ENVELOPE "\1"
#define CM_REPLY_HEADER   "\2"

#define CM_REPLY_ENCRYPTION_NEEDED "Encryption Needed: Invalid Unencrypted Mail"

enum cm_reason {
#define CM_REASON(id, name, code, enhanced, text, help) CM_REASON_##id,
#include "reasons.def"
#undef CM_REASON
	CM_REASON_COUNT
};

struct cm_reason_row {
	const char *name; /* "encrypted", "rate-limit", ... */
	int code;         /* of the SMTP reply */
	const char *enhanced;
	const char *text;
	const char *help; /* one line for the operator */
};

/* A constant row; every reason has one. */
const struct cm_reason_row *cm_reason_row(enum cm_reason reason);

const char *cm_reason_name(enum cm_reason reason);

/* True if the reply's code is 250. */
bool cm_reason_accepts(enum cm_reason reason);

#endif

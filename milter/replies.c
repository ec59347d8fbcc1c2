#include "replies.h"

#include <stdio.h>

#define ENCRYPTION_NEEDED "Encryption Needed: Invalid Unencrypted Mail"

/* In a text these stand for the envelope sender and for the address in From. */
#define ENVELOPE "\1"
#define HEADER   "\2"

static const struct {
	bool accepts;
	int code;
	const char *enhanced; /* "" where upstream's reply has none */
	const char *text;
} replies[CM_REASON_COUNT] = {
#define ACCEPTED(id)                 [CM_REASON_##id] = {true, 250, "2.0.0", "Ok"}
#define REFUSED(id, code, dsn, text) [CM_REASON_##id] = {false, code, dsn, text}
    ACCEPTED(ENCRYPTED),
    ACCEPTED(SECURE_JOIN),
    ACCEPTED(SETUP_MESSAGE),
    ACCEPTED(BOUNCE),
    ACCEPTED(CLEARTEXT_ALLOWED),
    REFUSED(ENVELOPE_FROM, 500, "", "Invalid from address <" ENVELOPE ">"),
    /* The colon makes it no enhanced status code (RFC 3463 2), but this is upstream's reply. */
    REFUSED(RATE_LIMIT, 450, "", "4.7.1: Too much mail from <" ENVELOPE ">"),
    REFUSED(TOO_MANY_RECIPIENTS, 452, "4.5.3", "Too many recipients"),
    REFUSED(BLOCKED_SENDER, 554, "5.7.1", "Mail from this sender is not accepted here"),
    REFUSED(FROM_HEADER, 500, "", "Invalid FROM header"),
    REFUSED(FROM_MISMATCH, 500, "", "Invalid FROM <" HEADER "> for <" ENVELOPE ">"),
    REFUSED(NO_DKIM, 554, "5.7.1", "No DKIM signature found"),
    REFUSED(INVALID_DKIM, 554, "5.7.1", "No valid DKIM signature found"),
    REFUSED(DKIM_TEMPORARY, 451, "4.7.5", "DKIM signature cannot be checked now, try again later"),
    REFUSED(NOT_ENCRYPTED, 523, "", ENCRYPTION_NEEDED),
    REFUSED(AMBIGUOUS_HEADER, 523, "", ENCRYPTION_NEEDED),
    REFUSED(MIME_STRUCTURE, 523, "", ENCRYPTION_NEEDED),
    REFUSED(MIME_BOUNDS, 523, "", ENCRYPTION_NEEDED),
    REFUSED(CLEARTEXT_IN_MIME, 523, "", ENCRYPTION_NEEDED),
    REFUSED(ARMOR, 523, "", ENCRYPTION_NEEDED),
    REFUSED(PACKETS, 523, "", ENCRYPTION_NEEDED),
    REFUSED(INTERNAL, 451, "4.3.0", "Temporary trouble, try again later"),
};

static const char *const names[CM_REASON_COUNT] = {
#define CM_REASON(id, name, help) [CM_REASON_##id] = name,
#include "reasons.def"
#undef CM_REASON
};

const char *cm_reason_name(enum cm_reason reason)
{
	return names[reason];
}

bool cm_reason_accepts(enum cm_reason reason)
{
	return replies[reason].accepts;
}

/* Appends an address with bytes that are not printable ASCII as '?'. 254 bytes of it are enough for
   any that is one. */
static size_t append_address(char *text, size_t length, const char *address)
{
	for (size_t i = 0; address != NULL && address[i] != '\0' && i < CM_ADDRESS_MAX; i++)
		text[length++] = address[i] > ' ' && address[i] < 0x7f ? address[i] : '?';
	return length;
}

void cm_reply(struct cm_verdict *verdict, enum cm_reason reason, const char *why,
	      const char *envelope_from, const char *header_from)
{
	size_t length = 0;

	/* No text has more than two addresses and 88 bytes of its own. */
	_Static_assert(sizeof verdict->text > 2 * CM_ADDRESS_MAX + 88, "a reply's text fits");
	verdict->reason = reason;
	verdict->code = replies[reason].code;
	verdict->why = why;
	snprintf(verdict->enhanced, sizeof verdict->enhanced, "%s", replies[reason].enhanced);
	for (const char *c = replies[reason].text; *c != '\0'; c++) {
		if (*c == *ENVELOPE)
			length = append_address(verdict->text, length, envelope_from);
		else if (*c == *HEADER)
			length = append_address(verdict->text, length, header_from);
		else
			verdict->text[length++] = *c;
	}
	verdict->text[length] = '\0';
}

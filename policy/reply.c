#include "reply.h"

#include <assert.h>
#include <stdio.h>

#include "address.h"

/* Appends an address, with '?' for bytes that are not printable ASCII. No valid address has
   more than 254 bytes. */
static size_t append_address(char *text, size_t length, const char *address)
{
	for (size_t i = 0; address != NULL && address[i] != '\0' && i < CM_ADDRESS_MAX; i++)
		text[length++] = address[i] > ' ' && address[i] < 0x7f ? address[i] : '?';
	return length;
}

void cm_reply(struct cm_verdict *verdict, enum cm_reason reason, const char *why,
	      const char *envelope_from, const char *header_from)
{
	const struct cm_reason_row *row = cm_reason_row(reason);
	size_t length = 0;

	/* No text has more than two addresses and 88 bytes of its own. */
	static_assert(sizeof(verdict->text) > 2 * CM_ADDRESS_MAX + 88, "a reply's text fits");
	verdict->drops_sender = false;
	verdict->reason = reason;
	verdict->code = row->code;
	verdict->why = why;
	snprintf(verdict->enhanced, sizeof(verdict->enhanced), "%s", row->enhanced);
	for (const char *c = row->text; *c != '\0'; c++) {
		if (*c == *CM_REPLY_ENVELOPE)
			length = append_address(verdict->text, length, envelope_from);
		else if (*c == *CM_REPLY_HEADER)
			length = append_address(verdict->text, length, header_from);
		else
			verdict->text[length++] = *c;
	}
	verdict->text[length] = '\0';
}

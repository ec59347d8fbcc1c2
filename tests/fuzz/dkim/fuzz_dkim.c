/*
 * fuzz_dkim - a message's DKIM signatures, and a key record to verify them with
 *
 * Input: the key record, a NUL, the message with LF or CRLF line ends.
 */
#include "fuzz.h"

#include <string.h>

#include "dkim_message.h"

/* The time when the seeds were signed: 2030-01-01. */
#define NOW ((time_t)1893456000)

/* Passes the header field by field, as libmilter does. Returns the text after it. */
static const char *give_fields(struct cm_dkim_message *message, char *text)
{
	char *end;

	while (*text != '\0' && *text != '\n' && *text != '\r') {
		char *colon;

		for (end = strchr(text, '\n'); end != NULL && (end[1] == ' ' || end[1] == '\t');)
			end = strchr(end + 1, '\n');
		if (end == NULL)
			end = text + strlen(text) - 1;
		*end = '\0';
		colon = strchr(text, ':');
		if (colon != NULL) {
			*colon = '\0';
			cm_dkim_message_field(message, text, colon + 1);
		}
		text = end + 1;
	}
	while (*text == '\r' || *text == '\n')
		text++;
	return text;
}

static struct cm_dkim_message *take(const char *text, size_t length, size_t piece)
{
	struct cm_dkim_message *message = cm_dkim_message_new();
	char *copy = malloc(length + 1);
	const char *body;

	require(message != NULL && copy != NULL);
	memcpy(copy, text, length);
	copy[length] = '\0';
	body = give_fields(message, copy);
	cm_dkim_message_end_fields(message, "peer.test", NOW);
	for (length -= (size_t)(body - copy); length > 0;) {
		size_t part = piece < length ? piece : length;

		cm_dkim_message_body(message, body, part);
		body += part;
		length -= part;
	}
	cm_dkim_message_end_body(message);
	free(copy);
	return message;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *record = (const char *)data;
	size_t record_length = size == 0 ? 0 : strnlen(record, size);
	struct cm_dkim_message *whole, *pieces;

	if (record_length == size)
		return 0;
	whole = take(record + record_length + 1, size - record_length - 1, size);
	pieces = take(record + record_length + 1, size - record_length - 1, 1 + size % 7);
	require(!cm_dkim_message_failed(whole) && !cm_dkim_message_failed(pieces));
	require(cm_dkim_message_candidates(whole) <= CM_DKIM_SIGNATURES_MAX);
	require(cm_dkim_message_candidates(whole) == cm_dkim_message_candidates(pieces));
	for (size_t i = 0; i < cm_dkim_message_candidates(whole); i++) {
		const char *why = "", *name = cm_dkim_message_key_name(whole, i);
		enum cm_dkim_answer answer;

		require(cm_dkim_message_is_signed(whole));
		require(strlen(name) < CM_DKIM_NAME_SIZE);
		require(strstr(name, "._domainkey.") != NULL);
		require(strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789-_.") == strlen(name));
		require(cm_dkim_message_body_matches(whole, i) ==
			cm_dkim_message_body_matches(pieces, i));
		answer = cm_dkim_message_verify(whole, i, record, record_length, &why);
		require(answer != CM_DKIM_ANSWER_TROUBLE);
		require((why == NULL) == (answer == CM_DKIM_ANSWER_VALID));
		require(answer == cm_dkim_message_verify(pieces, i, record, record_length, &why));
	}
	cm_dkim_message_free(&whole);
	cm_dkim_message_free(&pieces);
	return 0;
}

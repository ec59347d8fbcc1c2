#include "message.h"

#include "rfc5322.h"

#include <inttypes.h>
#include <string.h>

/* Prints the readers' findings, for `chatmailctl check -v`. Types and parameters were checked
   to be printable before they were stored. */

static void explain_packets(const struct cm_packets *packets, FILE *stream)
{
	for (uint64_t i = 0; i < packets->count && i < CM_PACKETS_REMEMBERED; i++) {
		const struct cm_packet *packet = &packets->remembered[i];

		fprintf(stream,
			"    packet %" PRIu64 ": %s version %u, %" PRIu64 " bytes, %s format%s\n",
			i + 1, cm_packet_name(packet->tag), packet->version, packet->length,
			packet->old_format ? "old" : "new",
			packet->partial ? ", partial lengths" : "");
	}
	if (packets->count > CM_PACKETS_REMEMBERED)
		fprintf(stream, "    ... %" PRIu64 " packets in all\n", packets->count);
}

static void explain_armor(const struct cm_armor *armor, FILE *stream)
{
	if (armor->state == CM_ARMOR_BEFORE)
		return;
	fprintf(stream, "    armor: %u headers, %s checksum%s\n", armor->headers,
		armor->checksum ? "with" : "without",
		armor->state == CM_ARMOR_AFTER ? "" : ", not complete");
	explain_packets(&armor->packets, stream);
}

static void explain_parts(const struct cm_message *message, FILE *stream)
{
	const struct cm_mime *mime = &message->mime;

	for (unsigned int i = 0; mime->state != CM_MIME_PREAMBLE && i <= mime->index; i++) {
		const struct cm_part *part = &mime->part[i];

		fprintf(stream, "  part %u: %s, %s, %zu lines\n", i + 1,
			part->type[0] != '\0' ? part->type : "no type",
			cm_transfer_encoding_name(part->encoding), part->lines);
	}
	if (message->body_rule == CM_BODY_PGP_MIME)
		explain_armor(&message->body.pgp.armor, stream);
}

/* Field names are the sender's text: malformed ones are not printed. */
static void explain_header(const struct cm_header_rewrite *rewrite, FILE *stream)
{
	size_t changed = 0, removed = 0;

	for (size_t i = 0; i < rewrite->count; i++) {
		removed += rewrite->field[i].value == NULL;
		changed += rewrite->field[i].value != NULL && rewrite->field[i].changed;
	}
	fprintf(stream, "header: %zu fields stay, %zu change, %zu go\n",
		rewrite->count - changed - removed, changed, removed);
	for (size_t i = 0; i < rewrite->count; i++) {
		const struct cm_rewritten_field *field = &rewrite->field[i];

		if (field->changed && cm_header_name_valid(field->name, strlen(field->name)))
			fprintf(stream, "  %s %s\n", field->name,
				field->value == NULL ? "goes" : "changes");
	}
}

void cm_message_explain(const struct cm_message *message, FILE *stream)
{
	fprintf(stream, "direction: %s, %zu recipients, %zu headers, %" PRIu64 " bytes of body\n",
		message->direction == CM_DIRECTION_OUT ? "out" : "in", message->recipients,
		message->headers.count, message->body_bytes);
	if (message->direction == CM_DIRECTION_OUT)
		explain_header(&message->rewrite, stream);
	if (message->has_from)
		fprintf(stream, "from: %s\n", message->from.text);
	if (message->content_type.value[0] != '\0') {
		fprintf(stream, "type: %s\n", message->content_type.value);
		if (message->mime.format != NULL)
			explain_parts(message, stream);
	}
	if (message->body_ended)
		fprintf(stream, "second reader: %s\n",
			message->asked_gmime ? "GMime" : "none needed, the usual form");
	if (message->finding.why != NULL)
		fprintf(stream, "found: %s\n", message->finding.why);
	fprintf(stream, "rule: %s\n", cm_reason_name(message->finding.reason));
}

/*
 * content - the rules about the kind of a message, and the readers of its body
 */
#include "message.h"

#include "rfc5322.h"
#include "second_reader.h"
#include "usual_form.h"

#include <string.h>
#include <strings.h>

/* Returns false: the content has been decided. */
static bool not_encrypted(struct cm_message *message, enum cm_reason reason, const char *why)
{
	cm_finding_set(&message->finding, reason, why);
	cm_message_judge_finding(message);
	return false;
}

bool cm_rule_content_type(struct cm_message *message)
{
	const struct cm_headers *headers = &message->headers;
	const char *value = cm_headers_get(headers, "Content-Type");
	const char *why;

	if (value == NULL)
		return not_encrypted(message, CM_REASON_NOT_ENCRYPTED, "no Content-Type header");
	why = cm_mime_value_parse(value, true, message->rules->strict, &message->content_type);
	if (why != NULL)
		return not_encrypted(message, CM_REASON_AMBIGUOUS_HEADER, why);
	if (headers->ambiguous.why != NULL)
		return not_encrypted(message, headers->ambiguous.reason, headers->ambiguous.why);
	return true;
}

/* The fields that decide how to read the body, for GMime. */
static bool begin_skeleton(struct cm_message *message)
{
	static const char *const structural[] = {"Content-Type", "Content-Transfer-Encoding"};

	for (size_t i = 0; i < sizeof(structural) / sizeof(structural[0]); i++) {
		const char *value = cm_headers_get(&message->headers, structural[i]);

		if (value != NULL && !cm_skeleton_header(&message->skeleton, structural[i], value,
							 &message->finding))
			return false;
	}
	return cm_skeleton_line(&message->skeleton, "", 0, &message->finding);
}

/* True if the body may contain only the encrypted data: in outgoing mail, and wherever another
   reader may see other parts than we do, or, without MIME-Version, none (RFC 2045 4). */
static bool is_body_strict(const struct cm_message *message)
{
	return message->rules->strict || message->content_type.unusual ||
	       cm_headers_get(&message->headers, "MIME-Version") == NULL;
}

/* Returns false: the kind of content is known. */
static bool begin_body(struct cm_message *message, enum cm_body_rule rule,
		       const struct cm_mime_format *format, void *context, bool strict)
{
	const char *boundary = cm_mime_value_parameter(&message->content_type, "boundary");
	const char *why = cm_headers_check_mime(&message->headers, message->rules->strict);

	message->body_rule = rule;
	if (why != NULL)
		return not_encrypted(message, CM_REASON_AMBIGUOUS_HEADER, why);
	if (boundary == NULL || !cm_mime_boundary_valid(boundary, message->rules->strict))
		return not_encrypted(message, CM_REASON_MIME_STRUCTURE,
				     "no valid boundary parameter");
	if (!begin_skeleton(message)) {
		cm_message_judge_finding(message);
		return false;
	}
	cm_mime_init(&message->mime, format, context, boundary, strict, &message->skeleton,
		     &message->finding);
	return false;
}

bool cm_rule_encrypted(struct cm_message *message)
{
	const char *protocol = cm_mime_value_parameter(&message->content_type, "protocol");
	bool strict = is_body_strict(message);

	if (strcmp(message->content_type.value, "multipart/encrypted") != 0)
		return true;
	if (protocol == NULL || strcasecmp(protocol, "application/pgp-encrypted") != 0)
		return not_encrypted(message, CM_REASON_MIME_STRUCTURE,
				     "multipart/encrypted without OpenPGP's protocol parameter");
	cm_pgp_mime_init(&message->body.pgp, strict, &message->finding);
	return begin_body(message, CM_BODY_PGP_MIME, &cm_pgp_mime_format, &message->body.pgp,
			  strict);
}

bool cm_rule_secure_join(struct cm_message *message)
{
	const char *header = cm_headers_get(&message->headers, "Secure-Join");
	const char *step = cm_secure_join_step(header);

	if (strcmp(message->content_type.value, "multipart/mixed") != 0)
		return true;
	if (step == NULL)
		return not_encrypted(message, CM_REASON_NOT_ENCRYPTED,
				     "multipart/mixed that is not a secure-join request");
	cm_secure_join_init(&message->body.join, step, &message->finding);
	return begin_body(message, CM_BODY_SECURE_JOIN, &cm_secure_join_format, &message->body.join,
			  is_body_strict(message));
}

bool cm_rule_report(struct cm_message *message)
{
	const char *type = cm_mime_value_parameter(&message->content_type, "report-type");

	if (strcmp(message->content_type.value, "multipart/report") != 0)
		return true;
	if (type == NULL || strcasecmp(type, "delivery-status") != 0)
		return not_encrypted(message, CM_REASON_NOT_ENCRYPTED,
				     "a report that is not about a delivery");
	if (*message->envelope_text != '\0')
		return not_encrypted(message, CM_REASON_NOT_ENCRYPTED,
				     "a report that does not come from the null sender");
	/* Its first part has any text, so other readers may see HTML there. */
	if (message->content_type.unusual)
		return not_encrypted(message, CM_REASON_AMBIGUOUS_HEADER,
				     "a report whose boundary some programs misread");
	cm_report_init(&message->body.report, &message->finding);
	message->has_report = true;
	return begin_body(message, CM_BODY_REPORT, &cm_report_format, &message->body.report, false);
}

bool cm_rule_not_encrypted(struct cm_message *message)
{
	return not_encrypted(message, CM_REASON_NOT_ENCRYPTED,
			     "neither multipart/encrypted nor a secure-join request");
}

bool cm_content_write(struct cm_message *message, const void *data, size_t length)
{
	return cm_mime_write(&message->mime, data, length) || cm_message_judge_finding(message);
}

/* False with the finding set if another reader might see another structure. */
static bool is_unambiguous(struct cm_message *message)
{
	const char *protocol = cm_mime_value_parameter(&message->content_type, "protocol");

	if (cm_usual_structure(&message->skeleton, &message->mime))
		return true;
	message->asked_gmime = true;
	return cm_second_reader_structure(&message->skeleton, &message->mime,
					  message->content_type.value, protocol, &message->finding);
}

/* Delta Chat 1.160 to 2.44 copy the message's Message-ID to the part of a secure-join request.
   Another one would be words that no program writes. */
static bool has_one_message_id(struct cm_message *message)
{
	const char *own = cm_headers_get(&message->headers, "Message-ID");

	for (size_t i = 0; i < CM_MIME_PARTS_MAX; i++) {
		const char *copy = message->mime.part[i].message_id;

		if (*copy != '\0' && (own == NULL || !cm_text_is(own, copy)))
			return cm_finding_set(&message->finding, CM_REASON_CLEARTEXT_IN_MIME,
					      "a Message-ID of a part that is not the message's");
	}
	return true;
}

bool cm_content_end(struct cm_message *message)
{
	if (!cm_mime_end(&message->mime) || !has_one_message_id(message) ||
	    !is_unambiguous(message))
		return cm_message_judge_finding(message);
	switch (message->body_rule) {
	case CM_BODY_PGP_MIME:
		cm_message_accept_content(message, CM_REASON_ENCRYPTED);
		break;
	case CM_BODY_SECURE_JOIN:
		cm_message_accept_content(message, CM_REASON_SECURE_JOIN);
		break;
	default:
		cm_message_accept_content(message, CM_REASON_BOUNCE);
	}
	return true;
}

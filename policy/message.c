#include "message.h"

#include "reply.h"

#include <stdlib.h>
#include <string.h>

/* Runs the rules of the phase. True if the message may continue. */
static bool ask(struct cm_message *message, enum cm_phase phase)
{
	const struct cm_rules *rules = message->rules;

	for (size_t i = 0; i < rules->count; i++) {
		if (rules->rule[i].phase == phase && !rules->rule[i].asks(message))
			break;
	}
	return message->state != CM_VERDICT_DECIDED;
}

/* The text between the angle brackets. */
static char *copy_path(const char *path)
{
	size_t length = strlen(path);

	if (length >= 2 && path[0] == '<' && path[length - 1] == '>')
		return strndup(path + 1, length - 2);
	return strdup(path);
}

struct cm_message *cm_message_begin(struct cm_policy *policy, enum cm_direction direction,
				    const char *envelope_from)
{
	struct cm_message *message = malloc(sizeof(*message));

	if (message == NULL)
		return NULL;
	memset(message, 0, offsetof(struct cm_message, content_type));
	message->policy = policy;
	message->direction = direction;
	message->rules = direction == CM_DIRECTION_OUT ? &cm_rules_out : &cm_rules_in;
	message->finding.reason = CM_REASON_INTERNAL;
	message->envelope_text = copy_path(envelope_from);
	if (message->envelope_text == NULL) {
		free(message);
		return NULL;
	}
	message->has_envelope = cm_address_parse_path(envelope_from, &message->envelope);
	message->only_to_self = true;
	message->dkim = CM_DKIM_NONE;
	cm_headers_init(&message->headers);
	cm_header_rewrite_init(&message->rewrite,
			       message->has_envelope ? &message->envelope : NULL);
	cm_skeleton_init(&message->skeleton);
	message->content_type.value[0] = '\0';
	message->content_type.parameter_count = 0;
	message->mime.format = NULL;
	ask(message, CM_PHASE_SENDER);
	return message;
}

void cm_message_free(struct cm_message **message)
{
	if (message == NULL || *message == NULL)
		return;
	cm_headers_free(&(*message)->headers);
	cm_header_rewrite_free(&(*message)->rewrite);
	cm_skeleton_free(&(*message)->skeleton);
	if ((*message)->has_report)
		cm_report_free(&(*message)->body.report);
	free((*message)->client);
	free((*message)->envelope_text);
	free(*message);
	*message = NULL;
}

bool cm_message_recipient(struct cm_message *message, const char *path)
{
	if (message->state == CM_VERDICT_DECIDED)
		return false;
	if (message->headers_ended)
		return cm_message_refuse(message, CM_REASON_INTERNAL,
					 "a recipient after the end of the headers");
	message->recipients++;
	message->recipient = path;
	return ask(message, CM_PHASE_RECIPIENT);
}

bool cm_message_header(struct cm_message *message, const char *name, const char *value)
{
	bool strict = message->rules->strict;

	if (message->state == CM_VERDICT_DECIDED)
		return false;
	if (message->headers_ended)
		return cm_message_refuse(message, CM_REASON_INTERNAL,
					 "a header after the end of the headers");
	if (!cm_headers_add(&message->headers, name, value, strict, &message->finding))
		return cm_message_refuse(message, message->finding.reason, message->finding.why);
	if (message->direction == CM_DIRECTION_OUT &&
	    !cm_header_rewrite_add(&message->rewrite, message->headers.last->name,
				   message->headers.last->value))
		return cm_message_refuse(message, CM_REASON_INTERNAL, "out of memory");
	return true;
}

bool cm_message_end_of_headers(struct cm_message *message)
{
	if (message->state == CM_VERDICT_DECIDED)
		return false;
	if (message->headers_ended)
		return cm_message_refuse(message, CM_REASON_INTERNAL,
					 "a second end of the headers");
	message->headers_ended = true;
	return ask(message, CM_PHASE_HEADER) && ask(message, CM_PHASE_CONTENT);
}

bool cm_message_body(struct cm_message *message, const void *data, size_t length)
{
	if (message->state == CM_VERDICT_DECIDED)
		return false;
	if (message->body_rule == CM_BODY_UNKNOWN)
		return cm_message_refuse(message, CM_REASON_INTERNAL,
					 "a body before the end of the headers");
	message->body_bytes += length;
	return message->body_rule == CM_BODY_IGNORED || cm_content_write(message, data, length);
}

/* The body is complete. */
static void end_body(struct cm_message *message)
{
	if (message->state == CM_VERDICT_DECIDED || message->body_ended)
		return;
	message->body_ended = true;
	if (message->body_rule == CM_BODY_UNKNOWN)
		cm_message_refuse(message, CM_REASON_INTERNAL,
				  "a message without an end of its headers");
	else if (message->body_rule != CM_BODY_IGNORED)
		cm_content_end(message);
}

bool cm_message_needs_dkim(struct cm_message *message)
{
	end_body(message);
	return message->state == CM_VERDICT_CONTENT && message->rules->needs_dkim(message);
}

bool cm_message_client(struct cm_message *message, const char *address)
{
	free(message->client);
	message->client = strdup(address);
	return message->client != NULL;
}

void cm_message_end(struct cm_message *message, enum cm_dkim_status dkim,
		    struct cm_verdict *verdict_r)
{
	end_body(message);
	message->dkim = dkim;
	if (message->state == CM_VERDICT_CONTENT)
		ask(message, CM_PHASE_END);
	message->state = CM_VERDICT_DECIDED;
	cm_message_verdict(message, verdict_r);
	verdict_r->drops_sender = cm_reason_accepts(verdict_r->reason) &&
				  message->rules->proves_sender != NULL &&
				  !message->rules->proves_sender(message);
}

void cm_message_verdict(const struct cm_message *message, struct cm_verdict *verdict_r)
{
	if (message->state != CM_VERDICT_DECIDED) {
		*verdict_r = (struct cm_verdict){.reason = message->finding.reason};
		return;
	}
	cm_reply(verdict_r, message->finding.reason, message->finding.why, message->envelope_text,
		 message->has_from ? message->from.text : NULL);
}

const struct cm_header_rewrite *cm_message_header_rewrite(const struct cm_message *message)
{
	return &message->rewrite;
}

const char *cm_message_from_domain(const struct cm_message *message)
{
	return cm_address_domain(&message->from);
}

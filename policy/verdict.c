/*
 * verdict - the state of a message's verdict
 */
#include "message.h"

bool cm_message_refuse(struct cm_message *message, enum cm_reason reason, const char *why)
{
	if (message->state != CM_VERDICT_DECIDED) {
		message->state = CM_VERDICT_DECIDED;
		/* After an error the message must not be accepted by the rules at the end. */
		if (cm_reason_accepts(reason))
			reason = CM_REASON_INTERNAL;
		message->finding = (struct cm_finding){reason, why};
	}
	return false;
}

bool cm_message_accept_content(struct cm_message *message, enum cm_reason reason)
{
	message->state = CM_VERDICT_CONTENT;
	message->finding.reason = reason;
	return false;
}

bool cm_message_judge_finding(struct cm_message *message)
{
	enum cm_reason reason = message->finding.reason;

	if (reason == CM_REASON_INTERNAL || reason == CM_REASON_FROM_HEADER ||
	    !message->headers_ended || !message->rules->takes_cleartext(message))
		return cm_message_refuse(message, reason, message->finding.why);
	message->body_rule = CM_BODY_IGNORED;
	cm_message_accept_content(message, CM_REASON_CLEARTEXT_ALLOWED);
	return true;
}

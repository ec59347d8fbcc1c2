/*
 * shared_rules - the rules for both directions, except those about the content (content.c)
 */
#include "message.h"

#include "from_header.h"
#include "second_reader.h"
#include "usual_form.h"

bool cm_rule_recipient_limit(struct cm_message *message)
{
	return message->recipients <= message->policy->config->max_recipients ||
	       cm_message_refuse(message, CM_REASON_TOO_MANY_RECIPIENTS,
				 "more recipients than announced");
}

bool cm_rule_one_from(struct cm_message *message)
{
	const char *value = cm_headers_get(&message->headers, "From");
	const char *why = "no From header";

	if (value != NULL)
		why = cm_from_parse(value, &message->from);
	if (why == NULL && !cm_usual_from(value, &message->from)) {
		message->asked_gmime = true;
		if (!cm_second_reader_from(value, &message->from))
			why = "GMime reads another address in From";
	}
	message->has_from = why == NULL;
	return why == NULL || cm_message_refuse(message, CM_REASON_FROM_HEADER, why);
}

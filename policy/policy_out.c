/*
 * policy_out - rules for mail from our users
 */
#include "message.h"

#include "account.h"
#include "clock.h"
#include "recipient.h"
#include "rfc5322.h"

#include <string.h>

static cm_rule_fn plain_sender, note_self, look_for_recipient, within_rate, from_is_sender,
    setup_message, request_fields, reaches_somebody;

static const struct cm_rule rules[] = {
    {CM_PHASE_SENDER, plain_sender},               /* 500 Invalid from address */
    {CM_PHASE_RECIPIENT, cm_rule_recipient_limit}, /* 452 Too many recipients */
    {CM_PHASE_RECIPIENT, within_rate},             /* 450 Too much mail */
    {CM_PHASE_RECIPIENT, note_self},
    {CM_PHASE_RECIPIENT, look_for_recipient},
    {CM_PHASE_HEADER, cm_rule_one_from},      /* 500 Invalid FROM header */
    {CM_PHASE_HEADER, from_is_sender},        /* 500 Invalid FROM <a> for <b> */
    {CM_PHASE_CONTENT, cm_rule_content_type}, /* 523 */
    {CM_PHASE_CONTENT, setup_message},        /* accept */
    {CM_PHASE_CONTENT, request_fields},
    {CM_PHASE_CONTENT, cm_rule_encrypted},     /* accept, or 523 */
    {CM_PHASE_CONTENT, cm_rule_secure_join},   /* accept, or 523 */
    {CM_PHASE_CONTENT, cm_rule_not_encrypted}, /* 523 */
    {CM_PHASE_END, reaches_somebody},          /* 550 No such user here, 554 This relay does not */
};

static bool never(const struct cm_message *message)
{
	(void)message;
	return false;
}

const struct cm_rules cm_rules_out = {
    .rule = rules,
    .count = sizeof(rules) / sizeof(rules[0]),
    .strict = true,
    .takes_cleartext = never,
    .needs_dkim = never,
};

/* No account has an address beyond ASCII, and none leaves in a header. */
static bool plain_sender(struct cm_message *message)
{
	return (message->has_envelope && cm_address_is_ascii(&message->envelope)) ||
	       cm_message_refuse(message, CM_REASON_ENVELOPE_FROM,
				 "MAIL FROM is not a plain address");
}

static bool note_self(struct cm_message *message)
{
	struct cm_address recipient;

	if (!cm_address_parse_path(message->recipient, &recipient) ||
	    !cm_address_equal(&recipient, &message->envelope))
		message->only_to_self = false;
	return true;
}

static void look_for_mailbox(struct cm_message *message, const struct cm_address *mailbox)
{
	enum cm_account_status status;
	bool refuses;

	if (cm_address_equal(mailbox, &message->envelope))
		return;
	status = cm_account_recipient(message->policy->config, mailbox, &refuses, NULL);
	message->has_mailbox = status == CM_ACCOUNT_OK || status == CM_ACCOUNT_TROUBLE;
	message->lacks_mailbox |= !message->has_mailbox;
}

/* One recipient whom the message can reach is enough: then no further one is looked up. If a lookup
   fails, the recipient counts as reachable, and the delivery finds out. The sender's own copy
   counts neither way. */
static bool look_for_recipient(struct cm_message *message)
{
	struct cm_address mailbox;

	if (message->has_mailbox)
		return true;
	if (!cm_recipient_mailbox(message->recipient, &mailbox))
		message->has_mailbox = true;
	else if (cm_account_is_local(message->policy->config, &mailbox))
		look_for_mailbox(message, &mailbox);
	else if (cm_federation_allows(message->policy->federation, cm_address_domain(&mailbox)))
		message->has_mailbox = true;
	else
		message->lacks_federation = true;
	return true;
}

/* Once for each message, with the first accepted recipient: by then Postfix has compared the
   envelope sender with the login, so no user can use up another user's rate. */
static bool within_rate(struct cm_message *message)
{
	const struct cm_config *config = message->policy->config;

	return message->recipients > 1 ||
	       cm_rate_limit_take(message->policy->rate_limit, message->envelope.text,
				  config->max_user_send_per_minute,
				  config->max_user_send_burst_size,
				  (uint64_t)cm_clock_nanoseconds()) ||
	       cm_message_refuse(message, CM_REASON_RATE_LIMIT, "the sender is over its rate");
}

static bool from_is_sender(struct cm_message *message)
{
	return cm_address_equal(&message->from, &message->envelope) ||
	       cm_message_refuse(message, CM_REASON_FROM_MISMATCH,
				 "From is not the envelope sender");
}

static bool setup_message(struct cm_message *message)
{
	const char *subject = cm_headers_get(&message->headers, "Subject");

	if (message->recipients != 1 || !message->only_to_self ||
	    strcmp(message->content_type.value, "multipart/mixed") != 0 || subject == NULL ||
	    !cm_text_is(subject, "Autocrypt Setup Message"))
		return true;
	message->body_rule = CM_BODY_IGNORED;
	return cm_message_accept_content(message, CM_REASON_SETUP_MESSAGE);
}

static bool request_fields(struct cm_message *message)
{
	if (strcmp(message->content_type.value, "multipart/mixed") != 0)
		cm_header_rewrite_delete_request(&message->rewrite);
	return true;
}

/* Clients show a refusal, but no bounce: Delta Chat drops unencrypted mail. */
static bool reaches_somebody(struct cm_message *message)
{
	if (message->has_mailbox)
		return true;
	if (message->lacks_federation)
		return cm_message_refuse(message, CM_REASON_RECIPIENT_FEDERATION, NULL);
	return !message->lacks_mailbox ||
	       cm_message_refuse(message, CM_REASON_NO_SUCH_USER, "none of the recipients exists");
}

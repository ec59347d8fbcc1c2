/*
 * policy_in - rules for mail from other relays to our users
 */
#include "message.h"

#include "account.h"
#include "recipient.h"
#include "rfc5322.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static cm_rule_fn sender_not_blocked, sender_federated, from_federated, look_into_mailbox,
    from_not_blocked, bounce, signed_by_from, recipient_exists, bare_from;
static bool takes_cleartext(const struct cm_message *message);
static bool needs_dkim(const struct cm_message *message);
static bool proves_sender(const struct cm_message *message);

static const struct cm_rule rules[] = {
    {CM_PHASE_SENDER, sender_not_blocked},         /* 554 Mail from this sender */
    {CM_PHASE_SENDER, sender_federated},           /* 554 This relay does not exchange mail */
    {CM_PHASE_RECIPIENT, cm_rule_recipient_limit}, /* 452 Too many recipients */
    {CM_PHASE_RECIPIENT, look_into_mailbox},       /* 451 if that fails */
    {CM_PHASE_HEADER, cm_rule_one_from},           /* 500 Invalid FROM header */
    {CM_PHASE_HEADER, from_not_blocked},           /* 554 Mail from this sender */
    {CM_PHASE_HEADER, from_federated},             /* 554 This relay does not exchange mail */
    {CM_PHASE_CONTENT, cm_rule_content_type},      /* 523 */
    {CM_PHASE_CONTENT, bounce},                    /* accept, or 523 */
    {CM_PHASE_CONTENT, cm_rule_encrypted},         /* accept, or 523 */
    {CM_PHASE_CONTENT, cm_rule_secure_join},       /* accept, or 523 */
    {CM_PHASE_CONTENT, cm_rule_not_encrypted},     /* 523, or accept: takes_cleartext() */
    {CM_PHASE_END, signed_by_from},                /* 554 No (valid) DKIM signature found */
    {CM_PHASE_END, recipient_exists},              /* 550 No such user here */
    {CM_PHASE_END, bare_from},
};

const struct cm_rules cm_rules_in = {
    .rule = rules,
    .count = sizeof(rules) / sizeof(rules[0]),
    .strict = false,
    .takes_cleartext = takes_cleartext,
    .needs_dkim = needs_dkim,
    .proves_sender = proves_sender,
};

static bool sender_not_blocked(struct cm_message *message)
{
	return !message->has_envelope ||
	       !cm_peer_list_match(message->policy->blocked, &message->envelope) ||
	       cm_message_refuse(message, CM_REASON_BLOCKED_SENDER,
				 "the envelope sender is listed");
}

static bool federated(struct cm_message *message, const struct cm_address *address)
{
	return cm_federation_allows(message->policy->federation, cm_address_domain(address)) ||
	       cm_message_refuse(message, CM_REASON_FEDERATION, NULL);
}

/* The envelope sender of a mailing list has another domain than the author: both are checked. */
static bool sender_federated(struct cm_message *message)
{
	return !message->has_envelope || federated(message, &message->envelope);
}

/* Only an existing mailbox accepts cleartext: otherwise the mail server would send it back,
   signed by us. If the mailbox is not obvious, assume that it exists and refuses. */
static bool look_into_mailbox(struct cm_message *message)
{
	const struct cm_config *config = message->policy->config;
	enum cm_account_status status = CM_ACCOUNT_ABSENT;
	struct cm_address mailbox;
	bool refuses = true;

	if (!cm_recipient_mailbox(message->recipient, &mailbox)) {
		message->refuses_clear = message->has_mailbox = true;
		return true;
	}
	if (cm_account_is_local(config, &mailbox))
		status = cm_account_recipient(config, &mailbox, &refuses, NULL);
	message->has_mailbox |= status == CM_ACCOUNT_OK;
	message->refuses_clear |= status != CM_ACCOUNT_OK || refuses;
	return status != CM_ACCOUNT_TROUBLE ||
	       cm_message_refuse(message, CM_REASON_INTERNAL,
				 "cannot look into a recipient's mailbox");
}

static bool takes_cleartext(const struct cm_message *message)
{
	return !message->refuses_clear;
}

static bool from_not_blocked(struct cm_message *message)
{
	return !cm_peer_list_match(message->policy->blocked, &message->from) ||
	       cm_message_refuse(message, CM_REASON_BLOCKED_SENDER,
				 "the address in From is listed");
}

static bool from_federated(struct cm_message *message)
{
	return federated(message, &message->from);
}

/* RFC 3834 5: set, and not to "no". */
static bool is_automatic(const struct cm_message *message)
{
	const char *value = cm_headers_get(&message->headers, "Auto-Submitted");

	return value != NULL && !cm_text_is(value, "") && !cm_text_is(value, "no");
}

static bool bounce(struct cm_message *message)
{
	return !is_automatic(message) || message->from.local_length != strlen("mailer-daemon") ||
	       strncasecmp(message->from.text, "mailer-daemon", message->from.local_length) != 0 ||
	       cm_rule_report(message);
}

/* An address literal has no DNS to publish a key in. If it is our own, its users send by logging
   in, and a server that uses it is spoofing. */
static bool needs_dkim(const struct cm_message *message)
{
	return !cm_address_is_literal(&message->from) ||
	       cm_account_is_local(message->policy->config, &message->from);
}

static bool signed_by_from(struct cm_message *message)
{
	if (!needs_dkim(message) || message->dkim == CM_DKIM_VALID)
		return true;
	switch (message->dkim) {
	case CM_DKIM_NONE:
		return cm_message_refuse(message, CM_REASON_NO_DKIM, "no DKIM signature");
	case CM_DKIM_INVALID:
		return cm_message_refuse(message, CM_REASON_INVALID_DKIM,
					 "no valid DKIM signature of the From domain");
	default:
		return cm_message_refuse(message, CM_REASON_DKIM_TEMPORARY,
					 "DKIM could not be checked now");
	}
}

/* The peer creates the bounce: only the peer knows the real author. */
static bool recipient_exists(struct cm_message *message)
{
	return message->has_mailbox ||
	       cm_message_refuse(message, CM_REASON_NO_SUCH_USER, "none of the recipients exists");
}

/* The display name of a bounce would show a stranger's text under the name of a mail system. */
static bool bare_from(struct cm_message *message)
{
	char value[CM_ADDRESS_MAX + sizeof(" <>")];

	if (message->finding.reason != CM_REASON_BOUNCE)
		return true;
	snprintf(value, sizeof(value), " <%s>", message->from.text);
	return cm_header_rewrite_set(&message->rewrite, "From", value) ||
	       cm_message_refuse(message, CM_REASON_INTERNAL, "out of memory");
}

/* A literal proves only an address, so the connection must come from that address. */
static bool is_from_client(const struct cm_message *message)
{
	unsigned char literal[sizeof(struct in6_addr)], client[sizeof(struct in6_addr)];
	const char *domain = cm_address_domain(&message->envelope);
	char host[INET6_ADDRSTRLEN];
	size_t length;
	int family;

	domain += strncasecmp(domain, "[IPv6:", 6) == 0 ? 6 : 1;
	length = strlen(domain) - 1;
	if (message->client == NULL || length >= sizeof(host))
		return false;
	memcpy(host, domain, length);
	host[length] = '\0';
	family = strchr(host, ':') != NULL ? AF_INET6 : AF_INET;
	return inet_pton(family, host, literal) == 1 &&
	       inet_pton(family, message->client, client) == 1 &&
	       memcmp(literal, client,
		      family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr)) == 0;
}

/* The signature proves the From domain, and so an envelope sender of the same domain. */
static bool proves_sender(const struct cm_message *message)
{
	if (!message->has_envelope)
		return *message->envelope_text == '\0';
	return strcasecmp(cm_address_domain(&message->envelope),
			  cm_address_domain(&message->from)) == 0 &&
	       (!cm_address_is_literal(&message->envelope) || is_from_client(message));
}

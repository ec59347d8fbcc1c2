#include "policy.h"

#include "account.h"
#include "blocked_senders.h"
#include "from_header.h"
#include "message.h"
#include "rate_limit.h"
#include "reply.h"
#include "rfc5322.h"
#include "second_reader.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct cm_policy {
	const struct cm_config *config;
	struct cm_rate_limit *rate_limit;
	struct cm_blocked_senders *blocked;
};

/* Takes limit, and blocked, which may be NULL for want of memory. */
static struct cm_policy *policy_new(const struct cm_config *config, struct cm_rate_limit *limit,
				    struct cm_blocked_senders *blocked, struct cm_error *err)
{
	struct cm_policy *policy = calloc(1, sizeof *policy);

	if (policy == NULL || blocked == NULL) {
		cm_error_set(err, "out of memory");
		cm_rate_limit_free(&limit);
		cm_blocked_senders_free(&blocked);
		free(policy);
		return NULL;
	}
	policy->config = config;
	policy->rate_limit = limit;
	policy->blocked = blocked;
	cm_second_reader_start();
	return policy;
}

struct cm_policy *cm_policy_new(const struct cm_config *config, struct cm_error *err)
{
	struct cm_rate_limit *limit = cm_rate_limit_new(err);

	if (limit == NULL)
		return NULL;
	return policy_new(config, limit, cm_blocked_senders_new(config->blocked_senders_file), err);
}

struct cm_policy *cm_policy_renew(const struct cm_policy *old, const struct cm_config *config,
				  struct cm_error *err)
{
	return policy_new(config, cm_rate_limit_share(old->rate_limit),
			  cm_blocked_senders_renew(old->blocked, config->blocked_senders_file),
			  err);
}

void cm_policy_free(struct cm_policy **policy)
{
	if (policy == NULL || *policy == NULL)
		return;
	cm_rate_limit_free(&(*policy)->rate_limit);
	cm_blocked_senders_free(&(*policy)->blocked);
	free(*policy);
	*policy = NULL;
}

static bool is_out(const struct cm_message *message)
{
	return message->direction == CM_DIRECTION_OUT;
}

static bool refuse(struct cm_message *message, enum cm_reason reason, const char *why)
{
	if (!message->decided) {
		message->decided = true;
		message->accepted = false;
		message->reason = reason;
		message->why = why;
	}
	return false;
}

static bool accept_content(struct cm_message *message, enum cm_reason reason)
{
	message->accepted = true;
	message->reason = reason;
	return true;
}

/* The readers found that this is no message which may pass as such. That refuses it, unless it is
   incoming and all its recipients take cleartext. */
static bool judge_finding(struct cm_message *message)
{
	const struct cm_finding *finding = &message->finding;

	if (finding->reason == CM_REASON_INTERNAL || finding->reason == CM_REASON_FROM_HEADER ||
	    is_out(message) || message->refuses_clear || !message->headers_ended)
		return refuse(message, finding->reason, finding->why);
	message->body_rule = CM_BODY_IGNORED;
	message->why = finding->why;
	return accept_content(message, CM_REASON_CLEARTEXT_ALLOWED);
}

static bool not_encrypted(struct cm_message *message, enum cm_reason reason, const char *why)
{
	cm_finding_set(&message->finding, reason, why);
	return judge_finding(message);
}

static void check_sender(struct cm_message *message)
{
	if (!is_out(message)) {
		if (message->has_envelope &&
		    cm_blocked_senders_match(message->policy->blocked, &message->envelope))
			refuse(message, CM_REASON_BLOCKED_SENDER, "the envelope sender is listed");
		return;
	}
	if (!message->has_envelope)
		refuse(message, CM_REASON_ENVELOPE_FROM, "MAIL FROM is not a plain address");
}

/* At the end of the headers, when Postfix has taken a recipient: only then has it compared the
   envelope sender with the login, and nobody can use up another one's rate. */
static bool check_rate(struct cm_message *message)
{
	const struct cm_policy *policy = message->policy;

	if (!is_out(message) ||
	    cm_rate_limit_take(policy->rate_limit, message->envelope.text,
			       policy->config->max_user_send_per_minute,
			       policy->config->max_user_send_burst_size, cm_rate_limit_now()))
		return true;
	return refuse(message, CM_REASON_RATE_LIMIT, "the sender is over its rate");
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
	struct cm_message *message = malloc(sizeof *message);

	if (message == NULL)
		return NULL;
	memset(message, 0, offsetof(struct cm_message, content_type));
	message->policy = policy;
	message->direction = direction;
	message->envelope_text = copy_path(envelope_from);
	if (message->envelope_text == NULL) {
		free(message);
		return NULL;
	}
	message->has_envelope = cm_address_parse_path(envelope_from, &message->envelope);
	message->only_to_self = true;
	cm_headers_init(&message->headers);
	cm_header_rewrite_init(&message->rewrite);
	message->body_rule = CM_BODY_UNKNOWN;
	message->content_type.value[0] = '\0';
	message->content_type.parameter_count = 0;
	message->mime.format = NULL;
	cm_skeleton_init(&message->skeleton);
	message->body_bytes = 0;
	message->body_ended = false;
	message->finding = (struct cm_finding){0};
	message->decided = message->accepted = false;
	message->reason = CM_REASON_INTERNAL;
	message->why = NULL;
	check_sender(message);
	return message;
}

void cm_message_free(struct cm_message **message)
{
	if (message == NULL || *message == NULL)
		return;
	cm_headers_free(&(*message)->headers);
	cm_header_rewrite_free(&(*message)->rewrite);
	cm_skeleton_free(&(*message)->skeleton);
	free((*message)->envelope_text);
	free(*message);
	*message = NULL;
}

/* The address whose mailbox the recipient's mail goes to: "a+b@domain" is a's. False if that is not
   plain to see: of quoted names, routes, and names without a domain the mail server makes addresses
   by rules of its own. */
static bool find_mailbox(const char *path, struct cm_address *mailbox_r)
{
	const char *plus;

	if (!cm_address_parse_path(path, mailbox_r) || strpbrk(mailbox_r->text, "%!") != NULL)
		return false;
	plus = strchr(mailbox_r->text, '+');
	if (plus == NULL)
		return true;
	memmove(mailbox_r->text + (plus - mailbox_r->text), cm_address_domain(mailbox_r) - 1,
		strlen(cm_address_domain(mailbox_r)) + 2);
	mailbox_r->local_length = (size_t)(plus - mailbox_r->text);
	return mailbox_r->local_length > 0;
}

static enum cm_account_status refuses_clear(const struct cm_config *config, const char *path)
{
	struct cm_address mailbox;

	if (!find_mailbox(path, &mailbox))
		return CM_ACCOUNT_OK;
	if (!cm_account_is_local(config, &mailbox))
		return CM_ACCOUNT_ABSENT;
	return cm_account_enforces_encryption(config, &mailbox, NULL);
}

bool cm_message_recipient(struct cm_message *message, const char *path)
{
	const struct cm_config *config = message->policy->config;
	struct cm_address recipient;

	if (message->decided)
		return false;
	if (++message->recipients > config->max_recipients)
		return refuse(message, CM_REASON_TOO_MANY_RECIPIENTS,
			      "more recipients than announced");
	if (!cm_address_parse_path(path, &recipient) || !message->has_envelope ||
	    !cm_address_equal(&recipient, &message->envelope))
		message->only_to_self = false;
	if (is_out(message) || message->refuses_clear)
		return true;
	switch (refuses_clear(config, path)) {
	case CM_ACCOUNT_OK:
		message->refuses_clear = true;
		return true;
	case CM_ACCOUNT_ABSENT:
		return true;
	default:
		return refuse(message, CM_REASON_INTERNAL,
			      "cannot look into a recipient's mailbox");
	}
}

bool cm_message_header(struct cm_message *message, const char *name, const char *value)
{
	if (message->decided)
		return false;
	if (!cm_headers_add(&message->headers, name, value, is_out(message), &message->finding))
		return refuse(message, message->finding.reason, message->finding.why);
	if (is_out(message) && !cm_header_rewrite_add(&message->rewrite, name, value))
		return refuse(message, CM_REASON_INTERNAL, "out of memory");
	return true;
}

static bool check_from(struct cm_message *message)
{
	const char *value = message->headers.value[CM_HEADER_FROM];
	const char *why;

	if (value == NULL)
		return refuse(message, CM_REASON_FROM_HEADER, "no From header");
	why = cm_from_parse(value, is_out(message), &message->from);
	if (why != NULL)
		return refuse(message, CM_REASON_FROM_HEADER, why);
	if (!cm_second_reader_from(value, &message->from))
		return refuse(message, CM_REASON_FROM_HEADER,
			      "GMime reads another address in From");
	message->has_from = true;
	if (is_out(message)) {
		if (!cm_address_equal(&message->from, &message->envelope))
			return refuse(message, CM_REASON_FROM_MISMATCH,
				      "From is not the envelope sender");
	} else if (cm_blocked_senders_match(message->policy->blocked, &message->from)) {
		return refuse(message, CM_REASON_BLOCKED_SENDER, "the address in From is listed");
	}
	return true;
}

/* RFC 3834 5: set, and not to "no". */
static bool is_automatic(const struct cm_message *message)
{
	const char *value = message->headers.value[CM_HEADER_AUTO_SUBMITTED];

	return value != NULL && !cm_text_is(value, "") && !cm_text_is(value, "no");
}

static bool is_bounce(const struct cm_message *message)
{
	return !is_out(message) && is_automatic(message) &&
	       strcmp(message->content_type.value, "multipart/report") == 0 &&
	       message->from.local_length == strlen("mailer-daemon") &&
	       strncasecmp(message->from.text, "mailer-daemon", message->from.local_length) == 0;
}

static bool is_setup_message(const struct cm_message *message)
{
	return is_out(message) && message->recipients == 1 && message->only_to_self &&
	       strcmp(message->content_type.value, "multipart/mixed") == 0 &&
	       cm_text_is(cm_headers_get(&message->headers, CM_HEADER_SUBJECT),
			  "Autocrypt Setup Message");
}

static bool read_content_type(struct cm_message *message)
{
	const char *value = message->headers.value[CM_HEADER_CONTENT_TYPE];
	const char *why;

	if (value == NULL)
		return cm_finding_set(&message->finding, CM_REASON_NOT_ENCRYPTED,
				      "no Content-Type header");
	why = cm_mime_value_parse(value, true, is_out(message), &message->content_type);
	if (why != NULL)
		return cm_finding_set(&message->finding, CM_REASON_AMBIGUOUS_HEADER, why);
	if (message->headers.ambiguous.why != NULL)
		return cm_finding_set(&message->finding, message->headers.ambiguous.reason,
				      message->headers.ambiguous.why);
	return true;
}

/* The kept headers that say how to read the body, for GMime. */
static bool begin_skeleton(struct cm_message *message)
{
	static const enum cm_header structural[] = {
	    CM_HEADER_CONTENT_TYPE,
	    CM_HEADER_CONTENT_TRANSFER_ENCODING,
	};

	for (size_t i = 0; i < sizeof structural / sizeof structural[0]; i++) {
		const char *value = message->headers.value[structural[i]];

		if (value != NULL &&
		    !cm_skeleton_header(&message->skeleton, cm_header_name(structural[i]), value,
					&message->finding))
			return false;
	}
	return cm_skeleton_line(&message->skeleton, "", 0, &message->finding);
}

/* Nothing else than the encrypted data may stand in the body: neither in what leaves, nor where
   another reader may see other parts than we do. */
static bool is_body_strict(const struct cm_message *message)
{
	return is_out(message) || message->content_type.unusual;
}

static bool begin_body(struct cm_message *message, const struct cm_mime_format *format,
		       void *context)
{
	const char *boundary = cm_mime_value_parameter(&message->content_type, "boundary");
	const char *why = cm_headers_check_mime(&message->headers, is_out(message));

	if (why != NULL)
		return not_encrypted(message, CM_REASON_AMBIGUOUS_HEADER, why);
	if (boundary == NULL || !cm_mime_boundary_valid(boundary, is_out(message)))
		return not_encrypted(message, CM_REASON_MIME_STRUCTURE,
				     "no valid boundary parameter");
	if (!begin_skeleton(message))
		return judge_finding(message);
	cm_mime_init(&message->mime, format, context, boundary, is_body_strict(message),
		     &message->skeleton, &message->finding);
	return true;
}

static bool begin_encrypted(struct cm_message *message)
{
	const char *protocol = cm_mime_value_parameter(&message->content_type, "protocol");

	if (protocol == NULL || strcasecmp(protocol, "application/pgp-encrypted") != 0)
		return not_encrypted(message, CM_REASON_MIME_STRUCTURE,
				     "multipart/encrypted without OpenPGP's protocol parameter");
	cm_pgp_mime_init(&message->body.pgp, is_body_strict(message), &message->finding);
	message->body_rule = CM_BODY_PGP_MIME;
	return begin_body(message, &cm_pgp_mime_format, &message->body.pgp);
}

static bool begin_mixed(struct cm_message *message)
{
	const char *header = cm_headers_get(&message->headers, CM_HEADER_SECURE_JOIN);
	const char *step = cm_secure_join_step(header);

	if (step == NULL)
		return not_encrypted(message, CM_REASON_NOT_ENCRYPTED,
				     "multipart/mixed that is no secure-join request");
	cm_secure_join_init(&message->body.join, step, &message->finding);
	message->body_rule = CM_BODY_SECURE_JOIN;
	return begin_body(message, &cm_secure_join_format, &message->body.join);
}

bool cm_message_end_of_headers(struct cm_message *message)
{
	if (message->decided)
		return false;
	message->headers_ended = true;
	if (!check_rate(message) || !check_from(message))
		return false;
	if (!read_content_type(message))
		return judge_finding(message);
	if (is_bounce(message) || is_setup_message(message)) {
		message->body_rule = CM_BODY_IGNORED;
		return accept_content(message,
				      is_out(message) ? CM_REASON_SETUP_MESSAGE : CM_REASON_BOUNCE);
	}
	if (strcmp(message->content_type.value, "multipart/encrypted") == 0)
		return begin_encrypted(message);
	if (strcmp(message->content_type.value, "multipart/mixed") == 0)
		return begin_mixed(message);
	return not_encrypted(message, CM_REASON_NOT_ENCRYPTED,
			     "neither multipart/encrypted nor a secure-join request");
}

bool cm_message_body(struct cm_message *message, const void *data, size_t length)
{
	if (message->decided)
		return false;
	if (message->body_rule == CM_BODY_UNKNOWN)
		return refuse(message, CM_REASON_INTERNAL, "a body before the end of the headers");
	message->body_bytes += length;
	if (message->body_rule == CM_BODY_IGNORED)
		return true;
	if (!cm_mime_write(&message->mime, data, length))
		return judge_finding(message);
	return true;
}

/* The body is complete. */
static void end_body(struct cm_message *message)
{
	if (message->decided || message->body_ended)
		return;
	message->body_ended = true;
	if (message->body_rule == CM_BODY_IGNORED)
		return;
	if (message->body_rule == CM_BODY_UNKNOWN)
		refuse(message, CM_REASON_INTERNAL, "a message without an end of its headers");
	else if (!cm_mime_end(&message->mime) ||
		 !cm_second_reader_structure(
		     &message->skeleton, &message->mime, message->content_type.value,
		     cm_mime_value_parameter(&message->content_type, "protocol"),
		     &message->finding))
		judge_finding(message);
	else
		accept_content(message, message->body_rule == CM_BODY_PGP_MIME
					    ? CM_REASON_ENCRYPTED
					    : CM_REASON_SECURE_JOIN);
}

/* An address literal has no DNS to publish a key in. If it is our own, its users send by logging
   in, and who comes as another server is none of them. */
static bool is_excused_from_dkim(const struct cm_message *message)
{
	return cm_address_is_literal(&message->from) &&
	       !cm_account_is_local(message->policy->config, &message->from);
}

bool cm_message_needs_dkim(struct cm_message *message)
{
	end_body(message);
	return message->accepted && !is_out(message) && !is_excused_from_dkim(message);
}

static void judge_dkim(struct cm_message *message, enum cm_dkim_status dkim)
{
	switch (dkim) {
	case CM_DKIM_VALID:
		return;
	case CM_DKIM_NONE:
		refuse(message, CM_REASON_NO_DKIM, "no DKIM signature");
		return;
	case CM_DKIM_INVALID:
		refuse(message, CM_REASON_INVALID_DKIM,
		       "no valid DKIM signature of the From domain");
		return;
	case CM_DKIM_TEMPORARY:
	default:
		refuse(message, CM_REASON_DKIM_TEMPORARY, "DKIM could not be checked now");
	}
}

void cm_message_end(struct cm_message *message, enum cm_dkim_status dkim,
		    struct cm_verdict *verdict_r)
{
	if (cm_message_needs_dkim(message))
		judge_dkim(message, dkim);
	message->decided = true;
	cm_message_verdict(message, verdict_r);
}

void cm_message_verdict(const struct cm_message *message, struct cm_verdict *verdict_r)
{
	if (!message->decided) {
		*verdict_r = (struct cm_verdict){.reason = message->reason};
		return;
	}
	cm_reply(verdict_r, message->reason, message->why, message->envelope_text,
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

/*
 * message - the inside of struct cm_message, only for the files of the policy
 *
 * message.c takes a message through its phases. The rules of each phase are in two lists,
 * policy_out.c and policy_in.c. The rules that both lists have are in shared_rules.c and, about the
 * content and its readers, in content.c. verdict.c keeps the state of the verdict.
 */
#ifndef CM_MESSAGE_H
#define CM_MESSAGE_H

#include "address.h"
#include "finding.h"
#include "header_rewrite.h"
#include "headers.h"
#include "mime.h"
#include "pgp_mime.h"
#include "policy.h"
#include "policy_state.h"
#include "report.h"
#include "secure_join.h"
#include "skeleton.h"

/* When a rule is run. */
enum cm_phase {
	CM_PHASE_SENDER,
	CM_PHASE_RECIPIENT, /* for each recipient, in message->recipient */
	CM_PHASE_HEADER,    /* at its end */
	CM_PHASE_CONTENT,   /* then: what kind of message is it? */
	CM_PHASE_END,       /* the content is accepted */
};

/* Returns true to continue with the next rule of the phase; false ends the phase: there is a
   verdict, or the kind of content is known. */
typedef bool cm_rule_fn(struct cm_message *message);

struct cm_rule {
	enum cm_phase phase;
	cm_rule_fn *asks;
};

/* The rules for one direction. */
struct cm_rules {
	const struct cm_rule *rule; /* run in this order */
	size_t count;
	bool strict; /* no free text besides the encrypted data */
	/* True if unencrypted content may pass: called once the recipients are known. */
	bool (*takes_cleartext)(const struct cm_message *message);
	/* True if the accepted content needs a valid DKIM signature. */
	bool (*needs_dkim)(const struct cm_message *message);
	/* True if a bounce may go to the envelope sender of the accepted message. */
	bool (*proves_sender)(const struct cm_message *message);
};

extern const struct cm_rules cm_rules_out, cm_rules_in;

/* The content as it is being read. */
enum cm_body_rule {
	CM_BODY_UNKNOWN,     /* before the end of the headers */
	CM_BODY_IGNORED,     /* the content is accepted whatever the body is */
	CM_BODY_PGP_MIME,    /* must be an encrypted message */
	CM_BODY_SECURE_JOIN, /* must be a secure-join request */
	CM_BODY_REPORT,      /* must be a bounce */
};

enum cm_verdict_state {
	CM_VERDICT_OPEN,
	CM_VERDICT_CONTENT, /* the content is accepted for finding.reason */
	CM_VERDICT_DECIDED, /* finding is the verdict */
};

struct cm_message {
	struct cm_policy *policy;
	const struct cm_rules *rules;
	enum cm_direction direction;

	enum cm_verdict_state state;
	struct cm_finding finding; /* the readers' findings, then the verdict */

	char *envelope_text; /* as received, without angle brackets; for replies */
	bool has_envelope;   /* envelope is an address; false for the null sender */
	struct cm_address envelope;
	struct cm_address from;
	bool has_from;
	bool asked_gmime; /* about From or the structure */
	size_t recipients;
	const char *recipient; /* the current recipient's path */
	bool only_to_self;     /* outgoing: every recipient so far is the sender */
	bool refuses_clear;    /* incoming: a recipient has enforceE2EEincoming or does not exist */
	bool has_mailbox;      /* a recipient exists, or may exist */
	bool lacks_mailbox;    /* outgoing: a recipient does not exist */
	bool lacks_federation; /* outgoing: no mail is exchanged with a recipient's domain */
	char *client;          /* incoming: the peer's numeric address; NULL: unknown */
	enum cm_dkim_status dkim;

	struct cm_headers headers;
	struct cm_header_rewrite rewrite; /* outgoing */
	bool headers_ended;
	enum cm_body_rule body_rule;
	struct cm_skeleton skeleton;
	uint64_t body_bytes;
	bool body_ended;
	bool has_report; /* body.report is in use */

	/* Large, and not initialized until needed: see cm_message_begin(). */
	struct cm_mime_value content_type;
	struct cm_mime mime;
	union {
		struct cm_pgp_mime pgp;
		struct cm_secure_join join;
		struct cm_report report;
	} body;
};

/* verdict.c: decides the message, unless it is decided. Returns false. */
bool cm_message_refuse(struct cm_message *message, enum cm_reason reason, const char *why);

/* The content is accepted; the rules at the end remain. Returns false, so that no other rule
   about the content is run. */
bool cm_message_accept_content(struct cm_message *message, enum cm_reason reason);

/* Decides by message->finding: the message does not count as encrypted, or its header is
   wrong. It is refused unless the rules allow cleartext. False if it is refused. */
bool cm_message_judge_finding(struct cm_message *message);

/* Rules for both directions: shared_rules.c and content.c. */
cm_rule_fn cm_rule_recipient_limit, cm_rule_one_from, cm_rule_content_type, cm_rule_encrypted,
    cm_rule_secure_join, cm_rule_report, cm_rule_not_encrypted;

/* Reads a piece of the body, or its end, when the kind of content is known. False if the
   message is refused. */
bool cm_content_write(struct cm_message *message, const void *data, size_t length);
bool cm_content_end(struct cm_message *message);

#endif

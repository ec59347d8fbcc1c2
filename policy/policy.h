/*
 * policy - may this message pass?
 *
 * The rules of the relay (README, "What passes and what does not"), as a library without sockets:
 * the milter, `chatmailctl check`, the tests, the fuzzers and the benchmark all call this. A
 * message comes piece by piece, in SMTP order, and is decided as early as possible. No call
 * blocks on the network; dkim/dkim.h verifies DKIM, and its result is passed in at the end.
 *
 * The order of calls is begin, recipient*, header*, end_of_headers, body*, end. Every call up to
 * end returns true while the message may continue; false means that the message is decided
 * (cm_message_verdict()) and no more input is needed.
 */
#ifndef CM_POLICY_H
#define CM_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "config.h"
#include "dkim_status.h"
#include "header_rewrite.h"
#include "reason.h"

enum cm_direction {
	CM_DIRECTION_OUT, /* submitted by a logged-in user */
	CM_DIRECTION_IN,  /* from another mail server */
};

/* The SMTP reply. code is 250 for an accept; enhanced is "" or like "4.5.3". text contains no
   doubled '%' and no CR or LF. */
struct cm_verdict {
	enum cm_reason reason;
	int code;
	char enhanced[8];
	char text[600];
	/* The finding behind the reason, a constant sentence for the log; or NULL. */
	const char *why;
	/* Accepted incoming mail with an unproven envelope sender: it must be replaced by the
	   null sender, so that no bounce goes to a forged sender. */
	bool drops_sender;
};

/* State that outlives a message: configuration, rate limits, blocked senders. Shared by all
   threads. */
struct cm_policy;

/* The configuration is borrowed and must outlive the policy. NULL with err filled on failure. */
struct cm_policy *cm_policy_new(const struct cm_config *config, struct cm_error *err);
void cm_policy_free(struct cm_policy **policy);

/* A policy with another configuration that shares old's rate limits, and old's
   list of blocked senders if the file is the same. Messages that began under old continue with
   it; free it when they are done. */
struct cm_policy *cm_policy_renew(const struct cm_policy *old, const struct cm_config *config,
				  struct cm_error *err);

/* One message. Not shared between threads. */
struct cm_message;

/* envelope_from is the MAIL FROM argument, with or without angle brackets; "<>" is the null
   sender. NULL only if out of memory (reply 4xx). The envelope sender may decide already: see
   cm_message_verdict(). */
struct cm_message *cm_message_begin(struct cm_policy *policy, enum cm_direction direction,
				    const char *envelope_from);
void cm_message_free(struct cm_message **message);

/* Incoming: the peer's IP address as text, "192.0.2.1" or "2001:db8::1". Without it, an
   address literal as sender is not trusted. False if out of memory. */
bool cm_message_client(struct cm_message *message, const char *address);

/* The first recipient counts against an outgoing sender's rate: by then Postfix has compared
   the sender with the login. If the first one decides the message, the verdict applies to all. */
bool cm_message_recipient(struct cm_message *message, const char *path);

/* value in libmilter's form: without the line end, leading space kept, folding as "\n" or
   "\r\n" plus white space. */
bool cm_message_header(struct cm_message *message, const char *name, const char *value);
bool cm_message_end_of_headers(struct cm_message *message);
bool cm_message_body(struct cm_message *message, const void *data, size_t length);

/* After the last body byte: true if a DKIM result is needed to decide (incoming only).
   Completes the check of the body. */
bool cm_message_needs_dkim(struct cm_message *message);

/* The final verdict. dkim counts only for incoming mail. Always sets *verdict_r; every
   internal failure is CM_REASON_INTERNAL with a 451. */
void cm_message_end(struct cm_message *message, enum cm_dkim_status dkim,
		    struct cm_verdict *verdict_r);

/* The early verdict after a call returned false. Its code is 0 while the message is undecided.
   It may be called right after begin, which may decide by the envelope sender. */
void cm_message_verdict(const struct cm_message *message, struct cm_verdict *verdict_r);

/* The domain of the single From address in normal form, valid after end_of_headers returned
   true. */
const char *cm_message_from_domain(const struct cm_message *message);

/* The new header of an outgoing message, complete after end_of_headers returned true. Points
   to the message; for an incoming bounce, the fields that change. */
const struct cm_header_rewrite *cm_message_header_rewrite(const struct cm_message *message);

/* Prints the MIME parts, the packets and the deciding rule for the operator. */
void cm_message_explain(const struct cm_message *message, FILE *stream);

#endif

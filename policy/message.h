/*
 * message - the inside of struct cm_message, for policy.c and explain.c alone
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
#include "secure_join.h"
#include "skeleton.h"

/* How the body is judged. */
enum cm_body_rule {
	CM_BODY_UNKNOWN,     /* before the end of the headers */
	CM_BODY_IGNORED,     /* accept->reason stands already */
	CM_BODY_PGP_MIME,    /* must be an encrypted message */
	CM_BODY_SECURE_JOIN, /* must be a secure-join request */
};

struct cm_message {
	struct cm_policy *policy;
	enum cm_direction direction;

	char *envelope_text; /* as given, without angle brackets; for replies */
	bool has_envelope;   /* envelope is an address; false for the null sender */
	struct cm_address envelope;
	struct cm_address from;
	bool has_from;
	size_t recipients;
	bool only_to_self;  /* outgoing: every recipient so far is the sender */
	bool refuses_clear; /* incoming: a recipient has enforceE2EEincoming */

	struct cm_headers headers;
	struct cm_header_rewrite rewrite; /* outgoing */
	bool headers_ended;
	enum cm_body_rule body_rule;
	struct cm_mime_value content_type;
	struct cm_mime mime;
	struct cm_skeleton skeleton;
	union {
		struct cm_pgp_mime pgp;
		struct cm_secure_join join;
	} body;
	uint64_t body_bytes;
	bool body_ended;

	struct cm_finding finding; /* what the readers found */
	bool decided;              /* reason and why stand */
	bool accepted;             /* by the content; DKIM is still to say */
	enum cm_reason reason;
	const char *why;
};

#endif

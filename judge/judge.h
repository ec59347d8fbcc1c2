/*
 * judge - the verdict on one message: the policy, and DKIM for incoming mail
 *
 * The milter and `chatmailctl check` both use it, so neither needs to know when a signature is
 * required. Only cm_judge_end() blocks on the network.
 *
 * The order of calls is begin, recipient*, header*, end_of_headers, body*, end. Every call up to
 * end returns true while the message may continue; false means that the message is decided
 * (cm_judge_verdict()): later calls change nothing.
 */
#ifndef CM_JUDGE_H
#define CM_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

#include "dkim.h"
#include "message_file.h"
#include "policy.h"

struct cm_judge;

/* policy and dkim are borrowed; dkim, which may be NULL for outgoing mail, verifies
   signatures. envelope_from as in cm_message_begin(); client is the numeric address of the
   message's sender, "" if it is unknown. NULL only if out of memory (answer 4xx). The envelope
   sender may decide already: see cm_judge_verdict(). */
struct cm_judge *cm_judge_begin(struct cm_policy *policy, struct cm_dkim *dkim,
				enum cm_direction direction, const char *envelope_from,
				const char *client);
void cm_judge_free(struct cm_judge **judge);

/* Like cm_message_recipient(), cm_message_header(), cm_message_end_of_headers() and
   cm_message_body(). */
bool cm_judge_recipient(struct cm_judge *judge, const char *path);
bool cm_judge_header(struct cm_judge *judge, const char *name, const char *value);
bool cm_judge_end_of_headers(struct cm_judge *judge);
bool cm_judge_body(struct cm_judge *judge, const void *data, size_t length);

/* Passes on header and body of a message in a file, until the verdict is known. */
enum cm_message_file_status cm_judge_file(struct cm_judge *judge, const char *data, size_t length);

/* After the last byte: true if cm_judge_end() will wait for the DNS. */
bool cm_judge_waits(struct cm_judge *judge);

/* The final verdict, always set. */
void cm_judge_end(struct cm_judge *judge, struct cm_verdict *verdict_r);

/* The verdict so far; its code is 0 until a rule decides. */
void cm_judge_verdict(const struct cm_judge *judge, struct cm_verdict *verdict_r);

/* The result of DKIM verification, a sentence without addresses; "" if it did not run. */
const char *cm_judge_dkim_why(const struct cm_judge *judge);

/* For cm_message_explain() and cm_message_header_rewrite(). Valid as long as the judge. */
const struct cm_message *cm_judge_message(const struct cm_judge *judge);

#endif

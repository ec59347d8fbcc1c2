/*
 * dkim_message - one message's DKIM signatures and hashes, without the DNS
 *
 * Header fields are kept until the header ends, when it is known which of them are signed; the
 * body is hashed as it passes. Only the keys of candidates are queried: at most
 * CM_DKIM_SIGNATURES_MAX signatures of the wanted domain that are acceptable so far. Signatures
 * of other domains cannot help, so they cost neither a hash nor a query.
 *
 * Order of calls:  new  field*  end_fields  body*  end_body  verify*
 */
#ifndef CM_DKIM_MESSAGE_H
#define CM_DKIM_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "dkim_key.h"
#include "dkim_signature.h"

/* A message whose header is longer has no acceptable signature. */
#define CM_DKIM_HEADER_BYTES_MAX  (256 * 1024)
#define CM_DKIM_HEADER_FIELDS_MAX 1000

struct cm_dkim_message;

/* NULL if out of memory. */
struct cm_dkim_message *cm_dkim_message_new(void);
void cm_dkim_message_free(struct cm_dkim_message **message);

/* name and value as received: value without the line end, leading space kept. */
void cm_dkim_message_field(struct cm_dkim_message *message, const char *name, const char *value);

/* Finds the candidates of the domain (any case) and hashes the header for each. */
void cm_dkim_message_end_fields(struct cm_dkim_message *message, const char *domain, time_t now);

void cm_dkim_message_body(struct cm_dkim_message *message, const void *data, size_t length);
void cm_dkim_message_end_body(struct cm_dkim_message *message);

/* True if any step ran out of memory: then the result is unknown. */
bool cm_dkim_message_failed(const struct cm_dkim_message *message);

/* True if there was a DKIM-Signature field, valid or not. */
bool cm_dkim_message_is_signed(const struct cm_dkim_message *message);

/* Why the last rejected signature was rejected: a string constant, or NULL. */
const char *cm_dkim_message_why(const struct cm_dkim_message *message);

size_t cm_dkim_message_candidates(const struct cm_dkim_message *message);
const char *cm_dkim_message_key_name(const struct cm_dkim_message *message, size_t candidate);

/* After end_body: false if the body differs from the signed one, so that no key is needed. */
bool cm_dkim_message_body_matches(const struct cm_dkim_message *message, size_t candidate);

/* Verifies the candidate with a key record. */
enum cm_dkim_answer cm_dkim_message_verify(const struct cm_dkim_message *message, size_t candidate,
					   const char *record, size_t length, const char **why_r);

#endif

/*
 * signer - DKIM signatures for outgoing mail (RFC 6376, RFC 8463)
 *
 * c=relaxed/simple, one signature for each key. It signs the fields that upstream's OpenDKIM signs,
 * each as often as it occurs and once more (oversigned, RFC 6376 8.15), so that nobody can add one.
 *
 * It signs the message as it leaves Postfix, whose SMTP client breaks lines of more than
 * CM_SIGNER_LINE_MAX bytes, in the header and in the body.
 *
 * Order of calls:  begin  header*  body*  end
 */
#ifndef CM_SIGNER_H
#define CM_SIGNER_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "error.h"
#include "signing_key.h"

/* Postfix's smtp_line_length_limit, in bytes without the line end (RFC 5321 4.5.3.1.6). */
#define CM_SIGNER_LINE_MAX 998

/* The keys and the domain; immutable, so any number of threads may use it. */
struct cm_signer;

/* The place of the files from systemd's LoadCredential=dkim:DIRECTORY: below the directory in
   this variable, with this prefix. */
#define CM_SIGNER_CREDENTIALS "CREDENTIALS_DIRECTORY"

/* Reads the keys as cm_signing_keys_read() does, from the directory or, if that is impossible, from
   systemd's credentials. NULL with err filled, about the directory, on failure. */
struct cm_signer *cm_signer_new(const char *directory, const char *selector, const char *domain,
				struct cm_error *err);
/* Adds an owner, who calls cm_signer_free(). Returns signer. */
struct cm_signer *cm_signer_share(struct cm_signer *signer);
void cm_signer_free(struct cm_signer **signer);

/* True if it was made from these three values. */
bool cm_signer_is_of(const struct cm_signer *signer, const char *directory, const char *selector,
		     const char *domain);

/* The keys, for listings; they live as long as the signer. */
const struct cm_signing_keys *cm_signer_keys(const struct cm_signer *signer);

/* One message's signatures. */
struct cm_signature;

/* NULL if out of memory. The signer must outlive it. */
struct cm_signature *cm_signature_begin(const struct cm_signer *signer);
void cm_signature_free(struct cm_signature **signature);

/* name and value as they leave: value without the line end, leading space kept, folds as LF or
   CRLF. */
void cm_signature_header(struct cm_signature *signature, const char *name, const char *value);
void cm_signature_body(struct cm_signature *signature, const void *data, size_t length);

/* Signs. False with err filled if this or an earlier call failed. */
bool cm_signature_end(struct cm_signature *signature, time_t now, struct cm_error *err);

/* After cm_signature_end(): the number of DKIM-Signature fields, and the value of one of them,
   with its leading space, folded by LF and TAB. */
size_t cm_signature_count(const struct cm_signature *signature);
const char *cm_signature_value(const struct cm_signature *signature, size_t number);

#endif

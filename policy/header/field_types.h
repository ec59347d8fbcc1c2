/*
 * field_types - the types of outgoing_fields.c: each reads a field's value and writes the part
 * that may leave
 *
 * All are of the type cm_field_type_fn. They read every form that a program may write (comments,
 * obsolete forms, folding) and write one. If a value does not match its type, the field is
 * deleted; the message is never refused for that.
 */
#ifndef CM_FIELD_TYPES_H
#define CM_FIELD_TYPES_H

#include "outgoing_fields.h"

/* One address; the sender's own and no other; several; several, or Delta Chat's own empty group
   instead of addresses. Without display names, comments and group names. */
cm_field_type_fn cm_field_address;
cm_field_type_fn cm_field_own_address;
cm_field_type_fn cm_field_addresses;
cm_field_type_fn cm_field_recipients;

/* RFC 5322 3.3. */
cm_field_type_fn cm_field_date;

/* RFC 5322 3.6.4, without white space and comments inside. */
cm_field_type_fn cm_field_message_id;
cm_field_type_fn cm_field_message_ids;

/* "[...]" for every text except "Autocrypt Setup Message". */
cm_field_type_fn cm_field_subject;

cm_field_type_fn cm_field_mime_version;
/* A multipart's boundary and protocol. */
cm_field_type_fn cm_field_content_type;
cm_field_type_fn cm_field_transfer_encoding;

/* RFC 3834 5. */
cm_field_type_fn cm_field_auto_submitted;

/* Autocrypt 1.1: addr, the sender's own; prefer-encrypt; keydata, which must begin like a public
   key. */
cm_field_type_fn cm_field_autocrypt;
/* "v1". */
cm_field_type_fn cm_field_setup_version;

/* Digits and dots. */
cm_field_type_fn cm_field_version;
/* "1". */
cm_field_type_fn cm_field_flag;
/* Up to ten digits. */
cm_field_type_fn cm_field_number;

/* A step of the protocol. */
cm_field_type_fn cm_field_secure_join;
/* Random characters of base64url. */
cm_field_type_fn cm_field_token;
/* Hexadecimal digits. */
cm_field_type_fn cm_field_fingerprint;

#endif

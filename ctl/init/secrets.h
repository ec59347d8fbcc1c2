/*
 * secrets - the keys that a new relay needs
 */
#ifndef CM_SECRETS_H
#define CM_SECRETS_H

#include "error.h"

/* A new RSA key for DKIM, as PEM, malloc'd; a secret: wipe it. NULL with err filled. */
char *cm_secrets_dkim_key(struct cm_error *err);

/* 32 random bytes in hexadecimal and a newline, malloc'd. NULL with err filled. */
char *cm_secrets_shared(struct cm_error *err);

/* Overwrites and frees a text, which may be NULL. */
void cm_secrets_wipe(char *text);

#endif

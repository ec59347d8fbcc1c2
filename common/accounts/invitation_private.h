/*
 * invitation_private - shared by the two halves of the invitations: using and administering
 */
#ifndef CM_INVITATION_PRIVATE_H
#define CM_INVITATION_PRIVATE_H

#include "invitation.h"

/* The characters of a token: without letters and digits that look alike. */
#define CM_INVITATION_ALPHABET "abcdefghijkmnpqrstuvwxyz23456789"

#define CM_INVITATION_NAME_LENGTH 64 /* SHA-256 in hexadecimal digits */
#define CM_INVITATION_FILE        "invitation.json"
#define CM_INVITATION_USE_PREFIX  "use."

/* The directory's name for a token. */
bool cm_invitation_name(const char *token, char name[CM_INVITATION_NAME_LENGTH + 1],
			struct cm_error *err);

/* Opens <mailboxes_dir>/invitations; -1 with errno set, ENOENT if there never was an
   invitation. */
int cm_invitation_open_top(const struct cm_config *config);

/* Parses a description; free invitation_r->note. False with err filled. */
bool cm_invitation_parse(const char *text, size_t length, struct cm_invitation *invitation_r,
			 struct cm_error *err);

/* Reads the description of an open invitation; free invitation_r->note. False with err filled. */
bool cm_invitation_read(int directory, struct cm_invitation *invitation_r, struct cm_error *err);

#endif

/*
 * invite - shared parts of chatmailctl invite
 */
#ifndef CM_INVITE_H
#define CM_INVITE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "config.h"
#include "error.h"
#include "invitation.h"

/* A new invitation. Its link is known only now. */
struct cm_new_invitation {
	char id[CM_INVITATION_ID_LENGTH + 1];
	char token[CM_INVITATION_TOKEN_LENGTH + 1];
};

/* The common properties of invitations that are created together. */
struct cm_invitation_batch {
	const char *url; /* of the relay, without a slash at the end */
	const char *domain;
	unsigned int uses;
	time_t expires; /* 0: never */
	const char *note;
	const struct cm_new_invitation *made;
	size_t count;
};

/* Prints links and QR codes on standard output: for a terminal, as a page for printing, or as
   JSON. False if something did not fit or memory ran out. */
bool cm_invite_print(const struct cm_invitation_batch *batch);
bool cm_invite_print_sheet(const struct cm_invitation_batch *batch);
bool cm_invite_print_json(const struct cm_invitation_batch *batch);

/* "2026-12-01 12:00 UTC", or "never" for 0. */
#define CM_INVITE_TIME_SIZE 32
void cm_invite_time(time_t when, char text[CM_INVITE_TIME_SIZE]);

#endif

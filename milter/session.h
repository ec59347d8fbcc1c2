/*
 * session - libmilter's callbacks: each message's way through the policy and DKIM
 *
 * An adapter: it turns Postfix's events into calls of policy.h and dkim.h, and verdicts into
 * replies. No rule is here but one: mail is outgoing if, and only if, Postfix says at MAIL FROM
 * that the client has logged in. Whatever fails in here is a 4xx.
 */
#ifndef CM_SESSION_H
#define CM_SESSION_H

/* libmilter's description of this filter, for smfi_register(). */
struct smfiDesc;
struct smfiDesc *cm_session_filter(void);

#endif

/*
 * session - libmilter's callbacks: pass each message to the judge
 *
 * An adapter: it turns Postfix's events into calls of judge.h, and verdicts into replies. It
 * contains only one rule: mail is outgoing if, and only if, Postfix says at MAIL FROM that the
 * client has logged in. Every failure here is a 4xx.
 */
#ifndef CM_SESSION_H
#define CM_SESSION_H

/* libmilter's description of this filter, for smfi_register(). */
struct smfiDesc;
struct smfiDesc *cm_session_filter(void);

#endif

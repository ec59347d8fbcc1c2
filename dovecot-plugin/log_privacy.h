/*
 * log_privacy - remove addresses from all log lines of this process
 *
 * Dovecot puts the address of the user, and of the client, into many of its own messages, at
 * error level too. Every process that loads one of our modules hides them: auth and its workers,
 * lmtp, imap and doveadm. CM_LOG_ADDRESSES_ENVIRONMENT, which has the value of log_addresses,
 * keeps them, because auth itself may not be able to read chatmail.ini. Fatal errors, which end
 * the process, are not changed.
 */
#ifndef CM_LOG_PRIVACY_H
#define CM_LOG_PRIVACY_H

#define CM_LOG_ADDRESSES_ENVIRONMENT "CHATMAIL_LOG_ADDRESSES"

/* May be called again; callers do so whenever Dovecot may have initialized its log again. */
void cm_log_privacy_start(void);
void cm_log_privacy_stop(void);

#endif

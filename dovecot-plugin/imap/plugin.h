/*
 * plugin - Dovecot's mail plugin `imap_chatmail`, and its parts
 */
#ifndef CM_IMAP_PLUGIN_H
#define CM_IMAP_PLUGIN_H

struct mailbox;

/* idle.c: a mailbox that reports changes at once */
void cm_idle_mailbox_allocated(struct mailbox *box);

/* metadata_limit.c: caps the size of one SETMETADATA */
void cm_metadata_limit_init(void);
void cm_metadata_limit_deinit(void);

#endif

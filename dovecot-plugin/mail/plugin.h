/*
 * plugin - Dovecot's mail plugin `chatmail`, and the parts it is made of
 */
#ifndef CM_PLUGIN_H
#define CM_PLUGIN_H

struct mailbox;

/* metadata.c: push tokens and the server's entries as IMAP METADATA */
void cm_metadata_init(void);
void cm_metadata_deinit(void);

/* metadata_limit.c: an end to what a client may send as one token */
void cm_metadata_limit_init(void);
void cm_metadata_limit_deinit(void);

/* push.c: one queue entry per token for each message that LMTP delivered */
void cm_push_init(void);
void cm_push_deinit(void);

/* delivery.c: LMTP's mail is tried again when the disk's quota is used up */
void cm_delivery_mailbox_allocated(struct mailbox *box);

/* room.c: before mail is delivered to this user */
void cm_room_make(const char *username);

/* idle.c: a mailbox that tells of changes at once */
void cm_idle_mailbox_allocated(struct mailbox *box);

#endif

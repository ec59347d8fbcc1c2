/*
 * plugin - Dovecot's mail plugin `chatmail`, and its parts
 */
#ifndef CM_PLUGIN_H
#define CM_PLUGIN_H

struct mail_user;
struct mailbox;

/* metadata.c: push tokens and the server's entries as IMAP METADATA */
void cm_metadata_init(void);
void cm_metadata_deinit(void);

/* push.c: one queue entry per token for each message that LMTP delivered */
void cm_push_init(void);
void cm_push_deinit(void);

/* disk_quota.c: LMTP's mail is retried when the disk's quota is exhausted */
void cm_disk_quota_mailbox_allocated(struct mailbox *box);

/* folders.c: limits the number of folders of an account */
void cm_folders_mailbox_allocated(struct mailbox *box);

/* moved.c: nothing changes in a mailbox that a move to another backend blocks, and no mail is
   delivered to a blocked account of a backend */
void cm_moved_mailbox_allocated(struct mailbox *box);

/* overfull.c: trims an overfull mailbox before mail is delivered to this user */
void cm_overfull_trim(struct mail_user *user);

#endif

/*
 * smtp_client - send one message to Postfix on this machine (RFC 5321)
 *
 * XCLIENT gives Postfix the address of the remote peer, so that limits, logs and chatmail-milter
 * see it as on port 25. Every call blocks for at most CM_SMTP_CLIENT_SECONDS for each reply.
 */
#ifndef CM_SMTP_CLIENT_H
#define CM_SMTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

/* chatmail-milter waits for the DNS before the last reply. */
#define CM_SMTP_CLIENT_SECONDS 60

#define CM_SMTP_REPLY_SIZE 512

/* A reply: its code and, as one line, "550 5.1.1 text". */
struct cm_smtp_reply {
	int code; /* 0: no reply */
	char text[CM_SMTP_REPLY_SIZE];
};

struct cm_smtp_client;

/* Connects to 127.0.0.1 and introduces the peer with that numeric address. NULL with *reply_r set
   on failure: Postfix's refusal, or code 0. */
struct cm_smtp_client *cm_smtp_client_open(unsigned int port, const char *peer,
					   struct cm_smtp_reply *reply_r);
/* Closes the connection: Postfix discards an unfinished message. Sets the pointer to NULL. */
void cm_smtp_client_close(struct cm_smtp_client **client);

/* True if no byte of an address can end the command or begin another one. */
bool cm_smtp_client_sendable(const char *address);

/* Each of these returns true if Postfix accepts it. Addresses are without angle brackets; an
   address that is not allowed in a command is a 553. */
bool cm_smtp_client_mail(struct cm_smtp_client *client, const char *sender,
			 struct cm_smtp_reply *reply_r);
bool cm_smtp_client_recipient(struct cm_smtp_client *client, const char *recipient,
			      struct cm_smtp_reply *reply_r);
bool cm_smtp_client_data(struct cm_smtp_client *client, struct cm_smtp_reply *reply_r);

/* A piece of the message in SMTP's wire form. Lines that begin with a dot may be doubled (RFC
   5321 4.5.2) or not, the last line may be the lone dot that ends a message; no piece can end
   the message early. */
bool cm_smtp_client_write(struct cm_smtp_client *client, const char *data, size_t length);

/* The end of the message: true if Postfix accepted it. */
bool cm_smtp_client_end(struct cm_smtp_client *client, struct cm_smtp_reply *reply_r);

#endif

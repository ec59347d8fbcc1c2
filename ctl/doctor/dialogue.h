/*
 * dialogue - a conversation with a server, as a client has it: lines over TCP, TLS or a Unix socket
 *
 * Every dialogue has one deadline, whatever the server does, and reads bounded lines. What the
 * server sends is made printable.
 */
#ifndef CM_DIALOGUE_H
#define CM_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "error.h"

/* Longest line that is kept, with its NUL; the rest of a longer one is dropped. */
#define CM_DIALOGUE_LINE 1024

/* Seconds that one conversation may take. A server delays the answer to a wrong password. */
#define CM_DIALOGUE_SECONDS 20

struct cm_dialogue;

/* Connects. host is an IP address. NULL with err filled: "cannot connect to ...: why". */
struct cm_dialogue *cm_dialogue_tcp(const char *host, unsigned int port, struct cm_error *err);
struct cm_dialogue *cm_dialogue_unix(const char *path, struct cm_error *err);

/* Ends it; sets to NULL. */
void cm_dialogue_close(struct cm_dialogue **dialogue);

/* Goes on over TLS. name: for SNI, and what the certificate is verified for; alpn: "imap", or NULL.
   A certificate that cannot be verified is no failure: see below. */
bool cm_dialogue_tls(struct cm_dialogue *dialogue, const char *name, const char *alpn,
		     struct cm_error *err);

/* The server's certificate: belongs to the dialogue; NULL before cm_dialogue_tls(). */
X509 *cm_dialogue_certificate(const struct cm_dialogue *dialogue);

/* X509_V_OK if the system's authorities vouch for the certificate, else why not. */
long cm_dialogue_verified(const struct cm_dialogue *dialogue);

/* Sends the text and CR LF. */
bool cm_dialogue_say(struct cm_dialogue *dialogue, struct cm_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sends bytes, and reads exactly size of them. */
bool cm_dialogue_write(struct cm_dialogue *dialogue, const void *data, size_t size,
		       struct cm_error *err);
bool cm_dialogue_read(struct cm_dialogue *dialogue, void *data, size_t size, struct cm_error *err);

/* Reads a line, without its end. */
bool cm_dialogue_line(struct cm_dialogue *dialogue, char line[CM_DIALOGUE_LINE],
		      struct cm_error *err);

/* Reads a reply of SMTP or LMTP; text_r has its lines, the code and the '-' removed, with '\n'
   between. Returns the code, 0 with err filled on failure. */
int cm_dialogue_reply(struct cm_dialogue *dialogue, char text_r[CM_DIALOGUE_LINE],
		      struct cm_error *err);

#endif

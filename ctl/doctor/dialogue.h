/*
 * dialogue - a client's conversation with a server: lines over TCP, TLS or a Unix socket
 *
 * Every dialogue has one deadline, whatever the server does, and reads lines of bounded length.
 * Text from the server is made printable.
 */
#ifndef CM_DIALOGUE_H
#define CM_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "error.h"

/* Maximum length of a line, with its NUL; the rest of a longer line is dropped. */
#define CM_DIALOGUE_LINE 1024

struct cm_dialogue;

/* Connects. host is an IP address. NULL with err filled: "cannot connect to ...: why". */
struct cm_dialogue *cm_dialogue_tcp(const char *host, unsigned int port, struct cm_error *err);
struct cm_dialogue *cm_dialogue_unix(const char *path, struct cm_error *err);

/* Ends the dialogue and sets the pointer to NULL. */
void cm_dialogue_close(struct cm_dialogue **dialogue);

/* Starts TLS. name: for SNI and for the verification of the certificate; alpn: "imap", or
   NULL. A certificate that cannot be verified is no failure: see below. */
bool cm_dialogue_tls(struct cm_dialogue *dialogue, const char *name, const char *alpn,
		     struct cm_error *err);

/* The server's certificate: belongs to the dialogue; NULL before cm_dialogue_tls(). */
X509 *cm_dialogue_certificate(const struct cm_dialogue *dialogue);

/* X509_V_OK if the system's authorities certify the certificate, otherwise the error. */
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

/* Reads a reply of SMTP or LMTP; text_r gets its lines, without the code and the '-',
   separated by '\n'. Returns the code, 0 with err filled on failure. */
int cm_dialogue_reply(struct cm_dialogue *dialogue, char text_r[CM_DIALOGUE_LINE],
		      struct cm_error *err);

#endif

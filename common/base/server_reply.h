/*
 * server_reply - lines and SMTP replies (RFC 5321 4.2) from a server of this relay, as they arrive
 *
 * Reads no socket itself: the caller puts bytes where cm_reply_room() says.
 */
#ifndef CM_SERVER_REPLY_H
#define CM_SERVER_REPLY_H

#include <stddef.h>

/* Longest line, with its end. */
#define CM_REPLY_LINE_SIZE 2048

/* Lines of one reply. */
#define CM_REPLY_LINES_MAX 100

/* Zero it before use. */
struct cm_reply_input {
	char bytes[CM_REPLY_LINE_SIZE];
	size_t begin, end;  /* what has arrived and was not read */
	unsigned int lines; /* of the reply, until now */
};

/* Where the next bytes go. *room_r is 0 if a line is too long. */
char *cm_reply_room(struct cm_reply_input *input, size_t *room_r);

/* That many bytes have been put there. */
void cm_reply_arrived(struct cm_reply_input *input, size_t count);

/* The next line without its end; NULL: it has not arrived. Valid until cm_reply_room(). */
char *cm_reply_line(struct cm_reply_input *input);

enum cm_reply {
	CM_REPLY_COMPLETE,
	CM_REPLY_PARTIAL, /* more bytes are needed */
	CM_REPLY_BROKEN,  /* not a reply, or too many lines */
};

/* The next reply: on COMPLETE its last line, cut at size, and the code. */
enum cm_reply cm_reply_next(struct cm_reply_input *input, char *text_r, size_t size, int *code_r);

#endif

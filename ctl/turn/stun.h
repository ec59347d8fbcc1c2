/*
 * stun - write STUN and TURN messages, and read them with every length checked
 *
 * Only the part that a client of one allocation needs (RFC 8489 5, 14; RFC 8656 18).
 */
#ifndef CM_STUN_H
#define CM_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* No message that we write or read is longer. */
#define CM_STUN_MAX 1500

#define CM_STUN_KEY_SIZE 16

enum cm_stun_type {
	CM_STUN_ALLOCATE = 0x003,
	CM_STUN_REFRESH = 0x004,
	CM_STUN_CREATE_PERMISSION = 0x008,
	CM_STUN_SUCCESS = 0x100, /* added to the request's type */
	CM_STUN_ERROR = 0x110,
};

enum cm_stun_attribute {
	CM_STUN_USERNAME = 0x0006,
	CM_STUN_MESSAGE_INTEGRITY = 0x0008,
	CM_STUN_ERROR_CODE = 0x0009,
	CM_STUN_LIFETIME = 0x000d,
	CM_STUN_XOR_PEER_ADDRESS = 0x0012,
	CM_STUN_REALM = 0x0014,
	CM_STUN_NONCE = 0x0015,
	CM_STUN_XOR_RELAYED_ADDRESS = 0x0016,
	CM_STUN_REQUESTED_TRANSPORT = 0x0019,
};

struct cm_stun_message {
	unsigned char data[CM_STUN_MAX];
	size_t length;
};

/* Begins a request with a random transaction ID. False if there are no random numbers. */
bool cm_stun_begin(struct cm_stun_message *message, enum cm_stun_type type);

/* Adds an attribute. If it does not fit, it is omitted; the server then refuses the message. */
void cm_stun_add(struct cm_stun_message *message, enum cm_stun_attribute type, const void *value,
		 size_t length);
/* IPv4 or IPv6. */
void cm_stun_add_address(struct cm_stun_message *message, enum cm_stun_attribute type,
			 const struct sockaddr *address);
/* The last attribute: HMAC-SHA1 of everything before it. */
void cm_stun_sign(struct cm_stun_message *message, const unsigned char key[CM_STUN_KEY_SIZE]);

/* The key of long-term credentials (RFC 8489 9.2.2). False if the library has no MD5. */
bool cm_stun_key(const char *username, const char *realm, const char *password,
		 unsigned char key_r[CM_STUN_KEY_SIZE]);

/* True if message is a complete reply to request: lengths, cookie and transaction ID. */
bool cm_stun_answers(const struct cm_stun_message *message, const struct cm_stun_message *request);
unsigned int cm_stun_type(const struct cm_stun_message *message);

/* The first attribute of this type; NULL if it has none. */
const unsigned char *cm_stun_find(const struct cm_stun_message *message,
				  enum cm_stun_attribute type, size_t *length_r);
/* Of an error response; 0 if it has none. */
unsigned int cm_stun_error(const struct cm_stun_message *message);
bool cm_stun_verify(const struct cm_stun_message *message,
		    const unsigned char key[CM_STUN_KEY_SIZE]);

#endif

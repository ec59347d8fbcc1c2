/*
 * packets - is this byte stream one OpenPGP encrypted message? (RFC 9580 4.2, 10.3)
 *
 * Accepted are any number of PKESK and SKESK packets and then exactly one SEIPD packet (version 1
 * or 2) that ends the stream. Packets are skipped, not stored: only counters are kept, whatever
 * the lengths are. Accepts old and new packet formats, and partial lengths where RFC 9580 4.2.1.4
 * allows them.
 */
#ifndef CM_PACKETS_H
#define CM_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The number of packets that are kept for cm_message_explain(). */
#define CM_PACKETS_REMEMBERED 8

struct cm_packet {
	unsigned char tag;
	unsigned char version;
	bool old_format;
	bool partial;
	uint64_t length; /* bytes of its body */
};

enum cm_packets_state {
	CM_PACKETS_TAG,
	CM_PACKETS_LENGTH, /* the first length byte, new format */
	CM_PACKETS_LENGTH_REST,
	CM_PACKETS_BODY,
};

struct cm_packets {
	enum cm_packets_state state;
	unsigned int length_missing; /* CM_PACKETS_LENGTH_REST: length bytes to come */
	unsigned int length_bias;    /* increment of a two-octet length */
	uint32_t remaining;          /* CM_PACKETS_BODY: body bytes to come of this chunk */
	bool more_chunks;            /* the chunk has a partial length */
	bool complete;               /* a complete SEIPD was read */
	unsigned char head[4];       /* the first bytes of the packet's body */
	struct cm_packet current;
	const char *why; /* the fault; NULL: none so far */

	uint64_t count;
	struct cm_packet remembered[CM_PACKETS_REMEMBERED];
};

void cm_packets_init(struct cm_packets *packets);

/* False, with why set, as soon as the stream cannot be an encrypted message. */
bool cm_packets_write(struct cm_packets *packets, const unsigned char *data, size_t length);

/* True if the stream was one encrypted message, complete. */
bool cm_packets_end(struct cm_packets *packets);

/* "PKESK", "SKESK", "SEIPD". */
const char *cm_packet_name(unsigned int tag);

#endif

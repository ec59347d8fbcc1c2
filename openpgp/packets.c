#include "packets.h"

enum {
	TAG_PKESK = 1,
	TAG_SKESK = 3,
	TAG_SEIPD = 18,
};

/* RFC 9580 4.2.1.4: the first partial chunk has at least 512 octets. */
#define FIRST_CHUNK_MIN 512

/* The shortest possible bodies: SEIPD version 1 is its version, a block of random bytes and
   two repeated ones for an 8 byte cipher, and the 22 byte MDC packet (RFC 9580 5.13.1);
   version 2 its four header bytes, the salt, and the final tag (5.13.2). */
#define SEIPD_V1_MIN (1 + 8 + 2 + 22)
#define SEIPD_V2_MIN (4 + 32 + 16)

/* RFC 9580 5.13.2: chunks up to 2^(16 + 6). */
#define CHUNK_SIZE_OCTET_MAX 16

/* The minimum of an ESK: its version and an algorithm. */
#define ESK_MIN 2

static bool refuse(struct cm_packets *packets, const char *why)
{
	packets->why = why;
	return false;
}

void cm_packets_init(struct cm_packets *packets)
{
	*packets = (struct cm_packets){.state = CM_PACKETS_TAG};
}

const char *cm_packet_name(unsigned int tag)
{
	switch (tag) {
	case TAG_PKESK:
		return "PKESK";
	case TAG_SKESK:
		return "SKESK";
	case TAG_SEIPD:
		return "SEIPD";
	default:
		return "other";
	}
}

static bool refuse_tag(struct cm_packets *packets, unsigned int tag)
{
	switch (tag) {
	case 8:
		return refuse(packets, "a compressed data packet outside the encryption");
	case 9:
		return refuse(packets, "an encrypted data packet without integrity protection");
	case 10:
		return refuse(packets, "a marker packet");
	case 11:
		return refuse(packets, "a literal data packet: not encrypted");
	case 20:
		return refuse(packets, "an obsolete AEAD encrypted data packet");
	case 21:
		return refuse(packets, "a padding packet outside the encryption");
	default:
		return refuse(packets, "a packet that does not occur in encrypted messages");
	}
}

static bool start_packet(struct cm_packets *packets, unsigned char byte)
{
	unsigned int tag, length_type;

	if (packets->complete)
		return refuse(packets, "data after the encrypted data packet");
	if (!(byte & 0x80))
		return refuse(packets, "a byte that starts no packet");
	packets->current = (struct cm_packet){.old_format = !(byte & 0x40)};
	tag = packets->current.old_format ? (byte >> 2) & 0x0f : byte & 0x3f;
	if (tag != TAG_PKESK && tag != TAG_SKESK && tag != TAG_SEIPD)
		return refuse_tag(packets, tag);
	packets->current.tag = (unsigned char)tag;
	packets->remaining = 0;
	packets->more_chunks = false;
	if (!packets->current.old_format) {
		packets->state = CM_PACKETS_LENGTH;
		return true;
	}
	length_type = byte & 0x03;
	if (length_type == 3)
		return refuse(packets, "a packet of indeterminate length");
	packets->length_missing = 1U << length_type;
	packets->length_bias = 0;
	packets->state = CM_PACKETS_LENGTH_REST;
	return true;
}

/* Called when the whole body of the packet was read. */
static bool finish_packet(struct cm_packets *packets)
{
	const struct cm_packet *packet = &packets->current;

	if (packet->tag == TAG_SEIPD) {
		if (packet->length < (packet->version == 1 ? SEIPD_V1_MIN : SEIPD_V2_MIN))
			return refuse(packets, "an encrypted data packet that is too short");
		packets->complete = true;
	} else if (packet->length < ESK_MIN) {
		return refuse(packets, "a session key packet that is too short");
	}
	if (packets->count < CM_PACKETS_REMEMBERED)
		packets->remembered[packets->count] = *packet;
	packets->count++;
	packets->state = CM_PACKETS_TAG;
	return true;
}

/* Called when the length of a chunk is known, in remaining. */
static bool start_body(struct cm_packets *packets)
{
	packets->state = CM_PACKETS_BODY;
	if (packets->remaining > 0)
		return true;
	return finish_packet(packets); /* a chunk of partial length is never empty */
}

/* RFC 9580 4.2.1: one, two, five octets, or one octet of a partial length. */
static bool first_length_byte(struct cm_packets *packets, unsigned char byte)
{
	packets->more_chunks = byte >= 224 && byte < 255;
	if (byte < 192) {
		packets->remaining = byte;
		return start_body(packets);
	}
	if (packets->more_chunks) {
		if (packets->current.tag != TAG_SEIPD)
			return refuse(packets,
				      "a partial length in a packet that must not have one");
		packets->remaining = (uint32_t)1 << (byte & 0x1f);
		if (!packets->current.partial && packets->remaining < FIRST_CHUNK_MIN)
			return refuse(packets, "a first partial chunk under 512 bytes");
		packets->current.partial = true;
		return start_body(packets);
	}
	packets->state = CM_PACKETS_LENGTH_REST;
	packets->remaining = byte == 255 ? 0 : (uint32_t)(byte - 192);
	packets->length_missing = byte == 255 ? 4 : 1;
	packets->length_bias = byte == 255 ? 0 : 192;
	return true;
}

static bool next_length_byte(struct cm_packets *packets, unsigned char byte)
{
	packets->remaining = packets->remaining << 8 | byte;
	if (--packets->length_missing > 0)
		return true;
	packets->remaining += packets->length_bias;
	return start_body(packets);
}

/* RFC 9580 5.13: the version and parameters of a SEIPD. */
static bool check_head(struct cm_packets *packets, const unsigned char *head, size_t length)
{
	if (packets->current.tag != TAG_SEIPD)
		return true;
	if (head[0] != 1 && head[0] != 2)
		return refuse(packets, "an encrypted data packet of an unknown version");
	if (head[0] == 2 && length > 3 && head[3] > CHUNK_SIZE_OCTET_MAX)
		return refuse(packets, "an encrypted data packet with too large chunks");
	return true;
}

/* Reads the part of the packet's body that is in this piece. */
static bool walk_body(struct cm_packets *packets, const unsigned char *data, size_t *used,
		      size_t length)
{
	size_t taken = length - *used;
	uint64_t seen = packets->current.length;

	if (taken > packets->remaining)
		taken = packets->remaining;
	if (seen < sizeof(packets->head)) {
		size_t i;

		for (i = 0; i < taken && seen + i < sizeof(packets->head); i++)
			packets->head[seen + i] = data[*used + i];
		packets->current.version = packets->head[0];
		if (!check_head(packets, packets->head, (size_t)seen + i))
			return false;
	}
	*used += taken;
	packets->current.length += taken;
	packets->remaining -= (uint32_t)taken;
	if (packets->remaining > 0)
		return true;
	if (packets->more_chunks) {
		packets->state = CM_PACKETS_LENGTH;
		return true;
	}
	return finish_packet(packets);
}

bool cm_packets_write(struct cm_packets *packets, const unsigned char *data, size_t length)
{
	size_t used = 0;

	if (packets->why != NULL)
		return false;
	while (used < length) {
		bool good;

		switch (packets->state) {
		case CM_PACKETS_TAG:
			good = start_packet(packets, data[used++]);
			break;
		case CM_PACKETS_LENGTH:
			good = first_length_byte(packets, data[used++]);
			break;
		case CM_PACKETS_LENGTH_REST:
			good = next_length_byte(packets, data[used++]);
			break;
		case CM_PACKETS_BODY:
		default:
			good = walk_body(packets, data, &used, length);
			break;
		}
		if (!good)
			return false;
	}
	return true;
}

bool cm_packets_end(struct cm_packets *packets)
{
	if (packets->why != NULL)
		return false;
	if (packets->state != CM_PACKETS_TAG)
		return refuse(packets, "a truncated packet");
	if (!packets->complete)
		return refuse(packets, "no encrypted data packet");
	return true;
}

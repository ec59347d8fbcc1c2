/*
 * fuzz_packets - the packet walker against a reader that has all bytes at once
 */
#include "fuzz.h"

#include "packets.h"

#include <stdbool.h>

/* Reads a new-format length at *at (RFC 9580 4.2.1); false if it is cut short. */
static bool new_length(const uint8_t *data, size_t size, size_t *at, uint64_t *length,
		       bool *partial)
{
	uint8_t first;

	if (*at >= size)
		return false;
	first = data[(*at)++];
	*partial = first >= 224 && first < 255;
	if (first < 192) {
		*length = first;
	} else if (*partial) {
		*length = 1ULL << (first & 31);
	} else {
		size_t more = first == 255 ? 4 : 1;

		if (size - *at < more)
			return false;
		*length = first == 255 ? 0 : (uint64_t)(first - 192);
		while (more-- > 0)
			*length = *length << 8 | data[(*at)++];
		*length += first == 255 ? 0 : 192;
	}
	return true;
}

/* The length of the body of the packet at *at, which moves to the body; false if it is
   malformed. */
static bool body(const uint8_t *data, size_t size, size_t *at, unsigned int tag, bool old,
		 unsigned int length_type, uint64_t *total, uint8_t head[4])
{
	bool partial = false, first = true;

	*total = 0;
	do {
		uint64_t length = 0;

		if (old) {
			size_t bytes = (size_t)1 << length_type;

			if (length_type == 3 || size - *at < bytes)
				return false;
			while (bytes-- > 0)
				length = length << 8 | data[(*at)++];
		} else if (!new_length(data, size, at, &length, &partial)) {
			return false;
		}
		if (partial && (tag != 18 || (first && length < 512)))
			return false;
		if (length > size - *at)
			return false;
		for (size_t i = 0; i < length && *total + i < 4; i++)
			head[*total + i] = data[*at + i];
		*at += (size_t)length;
		*total += length;
		first = false;
	} while (partial);
	return true;
}

static bool reference(const uint8_t *data, size_t size)
{
	size_t at = 0;

	while (at < size) {
		uint8_t byte = data[at++], head[4] = {0};
		bool old = !(byte & 0x40);
		unsigned int tag = old ? byte >> 2 & 15 : byte & 63;
		uint64_t total;

		if (!(byte & 0x80) || (tag != 1 && tag != 3 && tag != 18))
			return false;
		if (!body(data, size, &at, tag, old, byte & 3, &total, head))
			return false;
		if (tag != 18) {
			if (total < 2)
				return false;
			continue;
		}
		if (at != size)
			return false;
		return head[0] == 1 ? total >= 33 : head[0] == 2 && head[3] <= 16 && total >= 52;
	}
	return false;
}

static bool walk(const uint8_t *data, size_t size, size_t piece)
{
	struct cm_packets packets;

	cm_packets_init(&packets);
	for (size_t at = 0; at < size; at += piece) {
		if (!cm_packets_write(&packets, data + at, size - at < piece ? size - at : piece)) {
			require(packets.why != NULL);
			return false;
		}
	}
	return cm_packets_end(&packets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool expected = reference(data, size);

	require(walk(data, size, size > 0 ? size : 1) == expected);
	require(walk(data, size, 1) == expected);
	require(walk(data, size, 3) == expected);
	return 0;
}

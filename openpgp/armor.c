#include "armor.h"

#include <string.h>

#include "lines.h"

/* RFC 9580 6.2.2 defines five keys; no program writes more than this. */
#define ARMOR_HEADERS_MAX 16

/* RFC 9580 6.3: the encoded lines of our own users' mail. */
#define ARMOR_COLUMNS_MAX 76

/* Characters of a malformed CRC-24 in incoming mail; a proper one has four. */
#define ARMOR_CHECKSUM_MAX 16

#define BEGIN_LINE "-----BEGIN PGP MESSAGE-----"
#define END_LINE   "-----END PGP MESSAGE-----"

static bool refuse(struct cm_armor *armor, const char *why)
{
	return cm_finding_set(armor->finding, CM_REASON_ARMOR, why);
}

void cm_armor_init(struct cm_armor *armor, bool strict, struct cm_finding *finding)
{
	armor->strict = strict;
	armor->state = CM_ARMOR_BEFORE;
	armor->headers = 0;
	armor->headers_max = strict ? 0 : ARMOR_HEADERS_MAX;
	armor->checksum = false;
	armor->finding = finding;
	cm_base64_init(&armor->base64);
	cm_packets_init(&armor->packets);
}

static bool is_line(const char *line, size_t length, const char *expected)
{
	return length == strlen(expected) && memcmp(line, expected, length) == 0;
}

static bool take_bytes(struct cm_armor *armor, const unsigned char *data, size_t length)
{
	if (!cm_packets_write(&armor->packets, data, length))
		return cm_finding_set(armor->finding, CM_REASON_PACKETS, armor->packets.why);
	return true;
}

/* "Key: Value" (RFC 9580 6.2.2). The sender chooses the value, which is UTF-8; control bytes
   are refused. */
static bool header_line(struct cm_armor *armor, const char *line, size_t length)
{
	const char *colon = memchr(line, ':', length);

	if (colon == NULL || colon == line)
		return refuse(armor, "no empty line after the armor's begin line and headers");
	if (armor->strict)
		return refuse(armor, "armor headers in outgoing mail");
	if (++armor->headers > armor->headers_max)
		return refuse(armor, armor->headers_max == 0 ? "armor headers under an odd name"
							     : "too many armor headers");
	for (const char *c = line; c < colon; c++) {
		bool letter = (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z');

		if (!letter && !(*c >= '0' && *c <= '9') && *c != '-')
			return refuse(armor, "an armor header without a proper key");
	}
	if (colon + 1 < line + length && colon[1] != ' ')
		return refuse(armor, "an armor header without a space after its colon");
	for (const char *c = colon; c < line + length; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return refuse(armor, "a control byte in an armor header");
	}
	return true;
}

/* Ends the base64 data. */
static bool end_of_data(struct cm_armor *armor)
{
	unsigned char rest[2];
	size_t rest_length;

	if (!cm_base64_end(&armor->base64, true, rest, &rest_length))
		return refuse(armor, "base64 that ends within a group");
	return take_bytes(armor, rest, rest_length);
}

/* "=XXXX", the four characters of a CRC-24. RFC 9580 6.1: a wrong or malformed checksum is no
   reason to refuse a message. But mail of our users must not contain free text here. */
static bool checksum_line(struct cm_armor *armor, const char *text, size_t length)
{
	struct cm_base64 base64;
	unsigned char bytes[CM_BASE64_ROOM(ARMOR_CHECKSUM_MAX)];

	if (!end_of_data(armor))
		return false;
	cm_base64_init(&base64);
	if (armor->strict && !cm_base64_decode(&base64, text, length, bytes, &length))
		return refuse(armor, "an armor checksum that is not base64");
	if (memchr(text, '\0', length) != NULL)
		return refuse(armor, "a NUL in an armor checksum");
	armor->checksum = true;
	armor->state = CM_ARMOR_END;
	return true;
}

/* A line that begins with '=' and is not padding of the data. */
static bool is_checksum(const struct cm_armor *armor, const char *line, size_t length)
{
	if (line[0] != '=' || length == 5)
		return line[0] == '=';
	return !armor->strict && length <= 1 + ARMOR_CHECKSUM_MAX &&
	       cm_base64_complete(&armor->base64);
}

static bool data_line(struct cm_armor *armor, const char *line, size_t length)
{
	unsigned char bytes[CM_BASE64_ROOM(CM_LINE_MAX)];
	size_t bytes_length;

	if (length == 0)
		return !armor->strict || refuse(armor, "an empty line within the armor");
	if (is_checksum(armor, line, length))
		return checksum_line(armor, line + 1, length - 1);
	if (armor->strict && length > ARMOR_COLUMNS_MAX)
		return refuse(armor, "an armor line over 76 columns");
	if (!cm_base64_decode(&armor->base64, line, length, bytes, &bytes_length))
		return refuse(armor, "a byte in the armor that is not base64");
	return take_bytes(armor, bytes, bytes_length);
}

static bool end_line(struct cm_armor *armor)
{
	if (armor->state == CM_ARMOR_DATA && !end_of_data(armor))
		return false;
	armor->state = CM_ARMOR_AFTER;
	if (!cm_packets_end(&armor->packets))
		return cm_finding_set(armor->finding, CM_REASON_PACKETS, armor->packets.why);
	return true;
}

bool cm_armor_line(void *context, const char *line, size_t length)
{
	struct cm_armor *armor = context;

	while (!armor->strict && length > 0 &&
	       (line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	switch (armor->state) {
	case CM_ARMOR_BEFORE:
		if (length == 0)
			return true;
		if (!is_line(line, length, BEGIN_LINE))
			return refuse(armor, "text instead of an armor's begin line");
		armor->state = CM_ARMOR_HEADERS;
		return true;
	case CM_ARMOR_HEADERS:
		if (length > 0)
			return header_line(armor, line, length);
		armor->state = CM_ARMOR_DATA;
		return true;
	case CM_ARMOR_DATA:
		if (is_line(line, length, END_LINE))
			return end_line(armor);
		return data_line(armor, line, length);
	case CM_ARMOR_END:
		if (length == 0 && !armor->strict)
			return true;
		if (!is_line(line, length, END_LINE))
			return refuse(armor, "text between the armor's checksum and its end line");
		return end_line(armor);
	case CM_ARMOR_AFTER:
	default:
		if (length > 0)
			return refuse(armor, "text after the armor's end line");
		return true;
	}
}

bool cm_armor_end(struct cm_armor *armor)
{
	if (armor->state == CM_ARMOR_BEFORE)
		return refuse(armor, "no armor");
	if (armor->state != CM_ARMOR_AFTER)
		return refuse(armor, "no end line of the armor");
	return true;
}

/*
 * fuzz_armor - the armor reader, in pieces and at once, as text and through both transfer
 * encodings
 *
 * The first byte chooses: bit 0 strict, bits 1 and 2 the transfer encoding.
 */
#include "fuzz.h"

#include "armor.h"
#include "transfer.h"

struct reader {
	struct cm_finding finding;
	struct cm_armor armor;
	struct cm_transfer transfer;
};

static bool raw_line(void *context, const char *line, size_t length)
{
	struct reader *reader = context;

	return cm_transfer_line(&reader->transfer, line, length);
}

static bool read_in_pieces(const char *text, size_t size, bool strict,
			   enum cm_transfer_encoding encoding, size_t piece)
{
	struct reader reader = {.finding = {.why = NULL}};
	struct cm_lines lines;
	bool good = true;

	cm_armor_init(&reader.armor, strict, &reader.finding);
	cm_transfer_init(&reader.transfer, encoding, strict, cm_armor_line, &reader.armor,
			 &reader.finding);
	cm_lines_init(&lines, raw_line, &reader);
	for (size_t at = 0; good && at < size; at += piece)
		good = cm_lines_write(&lines, text + at, size - at < piece ? size - at : piece);
	good = good && cm_lines_end(&lines) && cm_transfer_end(&reader.transfer) &&
	       cm_armor_end(&reader.armor);
	require(good == (reader.finding.why == NULL && !lines.too_long));
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum cm_transfer_encoding encodings[] = {
	    CM_TRANSFER_IDENTITY,
	    CM_TRANSFER_QUOTED_PRINTABLE,
	    CM_TRANSFER_BASE64,
	    CM_TRANSFER_IDENTITY,
	};
	const char *text = (const char *)data + 1;
	bool good, strict;
	enum cm_transfer_encoding encoding;

	if (size == 0)
		return 0;
	size--;
	strict = data[0] & 1;
	encoding = encodings[data[0] >> 1 & 3];
	good = read_in_pieces(text, size, strict, encoding, size > 0 ? size : 1);
	require(read_in_pieces(text, size, strict, encoding, 1) == good);
	require(read_in_pieces(text, size, strict, encoding, 5) == good);
	/* Armor that may leave is also accepted when it arrives. */
	if (good && strict)
		require(read_in_pieces(text, size, false, encoding, size));
	return 0;
}

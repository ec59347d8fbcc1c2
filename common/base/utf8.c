#include "utf8.h"

#include <stdint.h>
#include <string.h>

/* The length of the well-formed sequence (RFC 3629 4); 0 also for C1 control characters. */
static size_t sequence_length(const unsigned char *text, size_t length)
{
	size_t need;
	unsigned char low = 0x80, high = 0xbf;

	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		need = 2;
	else if (text[0] >= 0xe0 && text[0] <= 0xef)
		need = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		need = 4;
	else
		return 0;
	if (length < need)
		return 0;
	if (text[0] == 0xc2)
		low = 0xa0;
	else if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if (text[i] < 0x80 || text[i] > 0xbf)
			return 0;
	return need;
}

/* RFC 3629 3, for a well-formed sequence of two to four bytes. */
static uint32_t decode(const unsigned char *text, size_t length)
{
	uint32_t code = text[0] & (0xffU >> (length + 1));

	for (size_t i = 1; i < length; i++)
		code = code << 6 | (text[i] & 0x3fU);
	return code;
}

size_t cm_utf8_plain_length(const unsigned char *text, size_t length)
{
	static const struct {
		uint32_t first, last;
	} others[] = {
	    {0x80, 0xa0},        /* C1 controls, no-break space */
	    {0xad, 0xad},        /* soft hyphen */
	    {0x34f, 0x34f},      /* combining grapheme joiner */
	    {0x61c, 0x61c},      /* Arabic letter mark */
	    {0x115f, 0x1160},    /* Hangul fillers */
	    {0x1680, 0x1680},    /* Ogham space */
	    {0x17b4, 0x17b5},    /* Khmer inherent vowels */
	    {0x180b, 0x180f},    /* Mongolian separators */
	    {0x2000, 0x200f},    /* spaces, joiners, directions */
	    {0x2024, 0x206f},    /* dot leaders, line ends, directions, invisible operators */
	    {0x2100, 0x214f},    /* letterlike symbols */
	    {0x2460, 0x24ff},    /* enclosed letters and digits */
	    {0x3000, 0x3002},    /* ideographic space, comma and full stop */
	    {0x3164, 0x3164},    /* Hangul filler */
	    {0xe000, 0xf8ff},    /* private use */
	    {0xfe00, 0xfe6f},    /* variation selectors, vertical and small forms */
	    {0xfeff, 0xff64},    /* byte order mark, fullwidth ASCII, halfwidth full stop */
	    {0xffa0, 0xffa0},    /* Hangul filler */
	    {0xfff0, 0xffff},    /* specials */
	    {0x1d400, 0x1d7ff},  /* mathematical letters and digits */
	    {0x1f100, 0x1f1ff},  /* enclosed letters and digits */
	    {0xe0000, 0x10ffff}, /* tags, variation selectors, private use */
	};
	size_t need = sequence_length(text, length);
	uint32_t code = need > 0 ? decode(text, need) : 0;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (code >= others[i].first && code <= others[i].last)
			return 0;
	}
	return need;
}

bool cm_utf8_printable(const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t length = strlen(text);

	for (size_t i = 0; i < length;) {
		size_t step = 1;

		if (bytes[i] >= 0x80)
			step = sequence_length(bytes + i, length - i);
		else if ((bytes[i] < 0x20 && bytes[i] != '\t') || bytes[i] == 0x7f)
			step = 0;
		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

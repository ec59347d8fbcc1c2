#include "utf8.h"

#include <string.h>

size_t cm_utf8_length(const unsigned char *text, size_t length)
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

bool cm_utf8_printable(const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t length = strlen(text);

	for (size_t i = 0; i < length;) {
		size_t step = 1;

		if (bytes[i] >= 0x80)
			step = cm_utf8_length(bytes + i, length - i);
		else if ((bytes[i] < 0x20 && bytes[i] != '\t') || bytes[i] == 0x7f)
			step = 0;
		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

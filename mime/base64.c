#include "base64.h"

#define X 0x80 /* not in the alphabet */

static const unsigned char sextets[256] = {
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  62, X,  X,  X,  63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X,  X,  X,  X,  X,  X,  X,  0,  1,  2,  3,  4,  5,  6,
    7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, X,  X,  X,  X,  X,
    X,  26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48,
    49, 50, 51, X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
    X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
};

void cm_base64_init(struct cm_base64 *decoder)
{
	*decoder = (struct cm_base64){0};
}

/* Decodes only complete groups. Returns the characters consumed; stops before a group with a
   character outside the alphabet. */
static size_t decode_groups(const unsigned char *text, size_t length, unsigned char *out)
{
	size_t used = 0;

	while (length - used >= 4) {
		unsigned int a = sextets[text[used]], b = sextets[text[used + 1]];
		unsigned int c = sextets[text[used + 2]], d = sextets[text[used + 3]];

		if ((a | b | c | d) & X)
			break;
		*out++ = (unsigned char)(a << 2 | b >> 4);
		*out++ = (unsigned char)(b << 4 | c >> 2);
		*out++ = (unsigned char)(c << 6 | d);
		used += 4;
	}
	return used;
}

/* The whole bytes of an unfinished group; false if its superfluous bits are not zero. */
static bool flush(struct cm_base64 *decoder, unsigned char *out, size_t *out_length)
{
	if (decoder->count == 2) {
		out[(*out_length)++] = (unsigned char)(decoder->bits >> 4);
		return (decoder->bits & 0x0f) == 0;
	}
	out[(*out_length)++] = (unsigned char)(decoder->bits >> 10);
	out[(*out_length)++] = (unsigned char)(decoder->bits >> 2);
	return (decoder->bits & 0x03) == 0;
}

static bool pad(struct cm_base64 *decoder, unsigned char *out, size_t *out_length)
{
	if (decoder->wanted == 0) {
		if (decoder->count < 2)
			return false;
		if (!flush(decoder, out, out_length))
			return false;
		decoder->wanted = 4 - decoder->count;
		decoder->count = 0;
	}
	return ++decoder->padded <= decoder->wanted;
}

bool cm_base64_decode(struct cm_base64 *decoder, const char *text, size_t length,
		      unsigned char *out, size_t *out_length_r)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t used = 0, out_length = 0;

	while (used < length) {
		unsigned int sextet;

		if (decoder->count == 0 && decoder->wanted == 0) {
			size_t groups =
			    decode_groups(bytes + used, length - used, out + out_length);

			used += groups;
			out_length += groups / 4 * 3;
			if (used == length)
				break;
		}
		if (bytes[used] == '=') {
			if (!pad(decoder, out, &out_length))
				return false;
			used++;
			continue;
		}
		sextet = sextets[bytes[used++]];
		if (sextet == X || decoder->wanted != 0)
			return false;
		decoder->bits = (decoder->bits << 6 | sextet) & 0xffffff;
		if (++decoder->count == 4) {
			out[out_length++] = (unsigned char)(decoder->bits >> 16);
			out[out_length++] = (unsigned char)(decoder->bits >> 8);
			out[out_length++] = (unsigned char)decoder->bits;
			decoder->count = 0;
		}
	}
	*out_length_r = out_length;
	return true;
}

bool cm_base64_complete(const struct cm_base64 *decoder)
{
	return decoder->count == 0 && decoder->padded == decoder->wanted;
}

bool cm_base64_end(struct cm_base64 *decoder, bool unpadded, unsigned char out[2],
		   size_t *out_length_r)
{
	*out_length_r = 0;
	if (decoder->wanted != 0)
		return decoder->padded == decoder->wanted;
	if (decoder->count == 0)
		return true;
	return unpadded && decoder->count >= 2 && flush(decoder, out, out_length_r);
}

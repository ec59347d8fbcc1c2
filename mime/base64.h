/*
 * base64 - a fast and strict streaming decoder (RFC 4648 4)
 *
 * Text comes line by line without line ends, of any length; a group of four may extend over
 * lines. Strict: no byte outside the alphabet, padding only at the end, no text after it, and the
 * unused bits are zero (RFC 4648 3.5), so that no two texts decode to the same bytes.
 */
#ifndef CM_BASE64_H
#define CM_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cm_base64 {
	uint32_t bits;       /* the characters of an unfinished group, six bits each */
	unsigned int count;  /* their number: 0..3 */
	unsigned int padded; /* '=' seen */
	unsigned int wanted; /* '=' that finish the group */
};

/* Room for decoding `length` characters, including an unfinished group. */
#define CM_BASE64_ROOM(length) ((length) / 4 * 3 + 6)

void cm_base64_init(struct cm_base64 *decoder);

/* Decodes one piece. False if it is not base64. *out_length_r counts the bytes written to out,
   which has room for CM_BASE64_ROOM(length). */
bool cm_base64_decode(struct cm_base64 *decoder, const char *text, size_t length,
		      unsigned char *out, size_t *out_length_r);

/* True between two groups, where no '=' can be padding. */
bool cm_base64_complete(const struct cm_base64 *decoder);

/* After the last piece: false if a group is unfinished. unpadded: the padding may be missing;
   then its bytes (at most 2) are written to out now. */
bool cm_base64_end(struct cm_base64 *decoder, bool unpadded, unsigned char out[2],
		   size_t *out_length_r);

#endif

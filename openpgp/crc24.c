#include "crc24.h"

#include <pthread.h>

#define GENERATOR 0x864cfbU
#define STRIDE    6 /* bytes a step */

/* tables[k][b]: what byte b contributes when k more bytes of the step follow it. */
static uint32_t tables[STRIDE][256];

static void make_tables(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte << 16;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 0x800000U ? (crc << 1 ^ GENERATOR) & 0xffffffU : crc << 1;
		tables[0][byte] = crc;
	}
	for (int k = 1; k < STRIDE; k++) {
		for (int byte = 0; byte < 256; byte++) {
			uint32_t crc = tables[k - 1][byte];

			tables[k][byte] = (crc << 8 & 0xffffffU) ^ tables[0][crc >> 16];
		}
	}
}

uint32_t cm_crc24(uint32_t crc, const unsigned char *data, size_t length)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_tables);
	while (length >= STRIDE) {
		crc = tables[5][(crc >> 16 & 0xff) ^ data[0]] ^
		      tables[4][(crc >> 8 & 0xff) ^ data[1]] ^ tables[3][(crc & 0xff) ^ data[2]] ^
		      tables[2][data[3]] ^ tables[1][data[4]] ^ tables[0][data[5]];
		data += STRIDE;
		length -= STRIDE;
	}
	while (length-- > 0)
		crc = (crc << 8 & 0xffffffU) ^ tables[0][(crc >> 16) ^ *data++];
	return crc;
}

/*
 * armor - OpenPGP ASCII armor, read line by line in constant memory (RFC 9580 6.2)
 *
 * One block "PGP MESSAGE" and nothing else: begin line, armor headers (incoming mail only), an
 * empty line, base64 of any line length that mail allows, an optional CRC-24 line that is not
 * checked, end line. Empty lines are allowed before and after the block, in incoming mail also
 * within it. The decoded data goes directly to the packet walker.
 */
#ifndef CM_ARMOR_H
#define CM_ARMOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base64.h"
#include "finding.h"
#include "packets.h"

enum cm_armor_state {
	CM_ARMOR_BEFORE,
	CM_ARMOR_HEADERS,
	CM_ARMOR_DATA,
	CM_ARMOR_END, /* only the end line may follow */
	CM_ARMOR_AFTER,
};

struct cm_armor {
	bool strict; /* no headers, no unnecessary white space or empty lines, at most 76 columns */
	enum cm_armor_state state;
	unsigned int headers, headers_max; /* after cm_armor_init() it may be lowered */
	bool checksum;                     /* there was a CRC24 line */
	struct cm_base64 base64;
	struct cm_packets packets;
	struct cm_finding *finding;
};

/* strict: see struct cm_armor. finding is borrowed and gets CM_REASON_ARMOR or CM_REASON_PACKETS.
 */
void cm_armor_init(struct cm_armor *armor, bool strict, struct cm_finding *finding);

/* One line without its end. A cm_line_fn: context is the struct cm_armor. */
bool cm_armor_line(void *context, const char *line, size_t length);

/* After the last line: true if the lines were one complete armored encrypted message. */
bool cm_armor_end(struct cm_armor *armor);

#endif

#include "pgp_mime.h"

#include "rfc5322.h"

#include <string.h>

enum {
	PART_VERSION,
	PART_DATA,
};

#define VERSION_LINE "Version: 1"

static bool refuse(struct cm_pgp_mime *pgp, const char *why)
{
	return cm_finding_set(pgp->finding, CM_REASON_MIME_STRUCTURE, why);
}

static bool part_begin(void *context, unsigned int index, const struct cm_part *part)
{
	struct cm_pgp_mime *pgp = context;

	if (index == PART_VERSION && strcmp(part->type, "application/pgp-encrypted") != 0)
		return refuse(pgp, "the first part is not application/pgp-encrypted");
	if (index == PART_DATA && strcmp(part->type, "application/octet-stream") != 0)
		return refuse(pgp, "the second part is not application/octet-stream");
	/* Base64 can be made to look like words. */
	if (index == PART_DATA && part->text_name)
		return cm_finding_set(pgp->finding, CM_REASON_CLEARTEXT_IN_MIME,
				      "encrypted data under the name of a text");
	if (index == PART_DATA && part->odd_name)
		pgp->armor.headers_max = 0;
	return true;
}

static bool version_line(struct cm_pgp_mime *pgp, const char *line, size_t length)
{
	if (!pgp->strict)
		line = cm_trim(line, &length);
	if (length == 0)
		return true;
	if (pgp->version_seen || length != strlen(VERSION_LINE) ||
	    memcmp(line, VERSION_LINE, length) != 0)
		return refuse(pgp, "the first part is not just \"Version: 1\"");
	pgp->version_seen = true;
	return true;
}

static bool part_line(void *context, unsigned int index, const char *line, size_t length)
{
	struct cm_pgp_mime *pgp = context;

	if (index == PART_DATA)
		return cm_armor_line(&pgp->armor, line, length);
	return version_line(pgp, line, length);
}

static bool part_end(void *context, unsigned int index)
{
	struct cm_pgp_mime *pgp = context;

	if (index == PART_DATA)
		return cm_armor_end(&pgp->armor);
	if (!pgp->version_seen)
		return refuse(pgp, "the first part is not just \"Version: 1\"");
	return true;
}

const struct cm_mime_format cm_pgp_mime_format = {
    .parts = 2,
    .part_begin = part_begin,
    .part_line = part_line,
    .part_end = part_end,
};

void cm_pgp_mime_init(struct cm_pgp_mime *pgp, bool strict, struct cm_finding *finding)
{
	pgp->strict = strict;
	pgp->version_seen = false;
	pgp->finding = finding;
	cm_armor_init(&pgp->armor, strict, finding);
}

/*
 * zone - the DNS records that a relay needs
 */
#ifndef CM_ZONE_H
#define CM_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include "config.h"
#include "error.h"

#define CM_ZONE_ADDRESSES_MAX 16

enum cm_record_type {
	CM_RECORD_A = 1,
	CM_RECORD_NS = 2,
	CM_RECORD_CNAME = 5,
	CM_RECORD_PTR = 12,
	CM_RECORD_MX = 15,
	CM_RECORD_TXT = 16,
	CM_RECORD_AAAA = 28,
	CM_RECORD_SRV = 33,
	CM_RECORD_CAA = 257,
};

/* The purpose of a record, which decides how it is checked. */
enum cm_purpose {
	CM_FOR_ADDRESS,
	CM_FOR_MX,
	CM_FOR_DKIM,
	CM_FOR_SPF,
	CM_FOR_DMARC,
	CM_FOR_ADSP,
	CM_FOR_MTA_STS,
	CM_FOR_NAME, /* another name of the relay */
	CM_FOR_SERVICE,
	CM_FOR_CAA,
};

struct cm_record {
	char *name; /* absolute, without the last dot */
	enum cm_record_type type;
	char *value; /* as in a zone file: names with a final dot, but TXT without quotes */
	enum cm_purpose purpose;
	bool needed; /* without it mail is lost or refused */
};

struct cm_zone {
	char *domain, *host;
	char *addresses[CM_ZONE_ADDRESSES_MAX]; /* with a final NULL, at most one less than room */
	bool no_ipv6;
	struct cm_record *list;
	size_t count, room;
};

/* The values that the records are made from. */
struct cm_zone_facts {
	const char *host;             /* the MX; NULL: the mail domain */
	const char *const *addresses; /* ends with NULL; empty: those of this machine */
	const char *keys_dir;         /* the directory of the DKIM keys */
	const char *policy;           /* the text of mta-sts.txt; NULL: no record */
};

/* Makes the records for a relay with a name. False with err filled if the DKIM key cannot be read.
   Free with cm_zone_free(), also after a failure. */
bool cm_zone_make(const struct cm_config *config, const struct cm_zone_facts *facts,
		  struct cm_zone *zone_r, struct cm_error *err);
void cm_zone_free(struct cm_zone *zone);

/* "MX" */
const char *cm_record_type_name(enum cm_record_type type);

/* The three formats: a zone file, a table for web forms, and JSON. */
void cm_zone_print_bind(const struct cm_zone *zone, FILE *stream);
void cm_zone_print_table(const struct cm_zone *zone, FILE *stream);
json_t *cm_zone_json(const struct cm_zone *zone);

/* One record as a line of a zone file, malloc'd. */
char *cm_record_line(const struct cm_record *record);

#endif

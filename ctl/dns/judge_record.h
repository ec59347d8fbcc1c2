/*
 * judge_record - compare DNS replies with the needed records
 */
#ifndef CM_JUDGE_RECORD_H
#define CM_JUDGE_RECORD_H

#include "query.h"
#include "verify.h"
#include "zone.h"

/* Compares a server's reply for a record of the zone: CM_RIGHT, CM_MISSING, CM_WRONG or
   CM_UNKNOWN. *why_r is the fault, a string constant, or NULL. */
enum cm_dns_state cm_judge_record(const struct cm_zone *zone, const struct cm_record *record,
				  const struct cm_answer *answer, const char **why_r);

#endif

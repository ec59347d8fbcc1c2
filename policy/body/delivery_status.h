/*
 * delivery_status - the content of message/delivery-status, line by line (RFC 3464 2)
 *
 * Groups of fields with empty lines between them: one about the message, then one or more, each
 * about a recipient. The required fields must exist with a valid value; others are allowed.
 */
#ifndef CM_DELIVERY_STATUS_H
#define CM_DELIVERY_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "finding.h"

struct cm_delivery_status {
	size_t bytes;
	unsigned int groups; /* complete ones */
	bool in_group;
	bool reporting_mta, final_recipient, action, status; /* in this group */
	struct cm_finding *finding;
};

/* finding is borrowed. */
void cm_delivery_status_init(struct cm_delivery_status *status, struct cm_finding *finding);
/* A line without its end. False with the finding set if it is not allowed. */
bool cm_delivery_status_line(struct cm_delivery_status *status, const char *line, size_t length);
/* After the last line: true if the report is complete. */
bool cm_delivery_status_end(struct cm_delivery_status *status);

#endif

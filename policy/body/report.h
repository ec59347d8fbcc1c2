/*
 * report - a bounce: multipart/report with a delivery status (RFC 3464, RFC 6522)
 *
 * It has three parts, none of them HTML: a short text/plain, message/delivery-status with the
 * required fields, and the header of the failed message, or the message itself, if our policy
 * would have accepted it.
 */
#ifndef CM_REPORT_H
#define CM_REPORT_H

#include "delivery_status.h"
#include "mime.h"
#include "returned_message.h"

struct cm_report {
	size_t text_bytes;
	struct cm_delivery_status status;
	struct cm_returned_message returned;
	struct cm_finding *finding;
};

/* For cm_mime_init(), with a struct cm_report as context. */
extern const struct cm_mime_format cm_report_format;

/* finding is borrowed. */
void cm_report_init(struct cm_report *report, struct cm_finding *finding);
void cm_report_free(struct cm_report *report);

#endif

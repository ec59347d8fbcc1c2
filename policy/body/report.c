#include "report.h"

#include <string.h>

#define REPORT_TEXT_MAX 8192 /* bytes of the first part */

enum {
	PART_TEXT,
	PART_STATUS,
	PART_RETURNED,
	PARTS,
};

void cm_report_init(struct cm_report *report, struct cm_finding *finding)
{
	report->text_bytes = 0;
	report->finding = finding;
	cm_delivery_status_init(&report->status, finding);
	cm_returned_message_init(&report->returned, finding);
}

void cm_report_free(struct cm_report *report)
{
	cm_returned_message_free(&report->returned);
}

static bool refuse(struct cm_report *report, const char *why)
{
	return cm_finding_set(report->finding, CM_REASON_MIME_STRUCTURE, why);
}

static bool part_begin(void *context, unsigned int index, const struct cm_part *part)
{
	struct cm_report *report = context;

	/* A program that goes by this name would open the text as HTML, or run it. */
	if (part->file_name)
		return refuse(report, "a part of a report with the name of another file");
	if (index == PART_TEXT) {
		/* a part without a type is text/plain: RFC 2045 5.2 */
		if (part->type[0] != '\0' && strcmp(part->type, "text/plain") != 0)
			return refuse(report, "a report whose text is not text/plain");
		return true;
	}
	if (part->encoding != CM_TRANSFER_IDENTITY)
		return refuse(report, "an encoded part of a report");
	if (index == PART_STATUS)
		return strcmp(part->type, "message/delivery-status") == 0 ||
		       refuse(report, "a report without a delivery status");
	report->returned.may_have_body = strcmp(part->type, "message/rfc822") == 0;
	return report->returned.may_have_body || strcmp(part->type, "text/rfc822-headers") == 0 ||
	       refuse(report, "a report without the header of the message");
}

static bool part_line(void *context, unsigned int index, const char *line, size_t length)
{
	struct cm_report *report = context;

	if (index == PART_STATUS)
		return cm_delivery_status_line(&report->status, line, length);
	if (index == PART_RETURNED)
		return cm_returned_message_line(&report->returned, line, length);
	report->text_bytes += length + 2;
	return report->text_bytes <= REPORT_TEXT_MAX ||
	       cm_finding_set(report->finding, CM_REASON_MIME_BOUNDS, "a report with a long text");
}

static bool part_end(void *context, unsigned int index)
{
	struct cm_report *report = context;

	if (index == PART_STATUS)
		return cm_delivery_status_end(&report->status);
	return index == PART_TEXT || cm_returned_message_end(&report->returned);
}

const struct cm_mime_format cm_report_format = {
    .parts = PARTS,
    .keep_text = false,
    .part_begin = part_begin,
    .part_line = part_line,
    .part_end = part_end,
};

#include "delivery_status.h"

#include "rfc5322.h"

#include <string.h>
#include <strings.h>

/* Longest delivery status, and longest value of one of its fields, in bytes. */
#define DELIVERY_STATUS_MAX (16 * 1024)
#define VALUE_MAX           998

void cm_delivery_status_init(struct cm_delivery_status *status, struct cm_finding *finding)
{
	*status = (struct cm_delivery_status){.finding = finding};
}

static bool refuse(struct cm_delivery_status *status, const char *why)
{
	return cm_finding_set(status->finding, CM_REASON_MIME_STRUCTURE, why);
}

/* "dns; peer.test": RFC 3464 2.1.2 */
static bool is_typed(const char *value)
{
	size_t type = strcspn(value, ";"), rest;
	const char *name;

	if (value[type] == '\0')
		return false;
	rest = strlen(value + type + 1);
	name = cm_trim(value + type + 1, &rest);
	value = cm_trim(value, &type);
	return *name != '\0' && rest > 0 && cm_header_name_valid(value, type);
}

/* RFC 3464 2.3.3 */
static bool is_action(const char *value)
{
	static const char *const actions[] = {"failed", "delayed", "delivered", "relayed",
					      "expanded"};

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (cm_text_is(value, actions[i]))
			return true;
	}
	return false;
}

static bool is_number(const char **at)
{
	size_t digits = strspn(*at, "0123456789");

	*at += digits;
	return digits >= 1 && digits <= 3;
}

/* RFC 3463 2, and an optional comment */
static bool is_status(const char *value)
{
	size_t length = strlen(value);
	const char *at = cm_trim(value, &length);

	if (strspn(at, "245") == 0 || at[1] != '.')
		return false;
	at += 2;
	if (!is_number(&at) || *at++ != '.' || !is_number(&at))
		return false;
	return cm_skip_cfws(&at, CM_COMMENTS_ANY) && *at == '\0';
}

static bool field(struct cm_delivery_status *status, const char *line, size_t length)
{
	const struct {
		const char *name;
		bool (*is_valid)(const char *value);
		bool *seen;
	} required[] = {
	    {"Reporting-MTA", is_typed, &status->reporting_mta},
	    {"Final-Recipient", is_typed, &status->final_recipient},
	    {"Action", is_action, &status->action},
	    {"Status", is_status, &status->status},
	};
	const char *colon = memchr(line, ':', length);
	char value[VALUE_MAX + 1];
	size_t name;

	if (colon == NULL || !cm_header_name_valid(line, (size_t)(colon - line)))
		return refuse(status, "a delivery status with other text");
	name = (size_t)(colon - line);
	length -= name + 1;
	if (length > VALUE_MAX)
		return refuse(status, "a field of a delivery status that is too long");
	memcpy(value, colon + 1, length);
	value[length] = '\0';
	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		if (strlen(required[i].name) != name ||
		    strncasecmp(line, required[i].name, name) != 0)
			continue;
		if (*required[i].seen || !required[i].is_valid(value))
			return refuse(status, "a field of a delivery status without its form");
		*required[i].seen = true;
	}
	status->in_group = true;
	return true;
}

static bool end_group(struct cm_delivery_status *status)
{
	bool complete = status->groups == 0
			    ? status->reporting_mta
			    : status->final_recipient && status->action && status->status;

	if (!status->in_group)
		return true;
	if (!complete)
		return refuse(status, "a delivery status without a required field");
	status->groups++;
	status->in_group = false;
	status->reporting_mta = status->final_recipient = status->action = status->status = false;
	return true;
}

bool cm_delivery_status_line(struct cm_delivery_status *status, const char *line, size_t length)
{
	size_t trimmed = length;

	status->bytes += length + 2;
	if (status->bytes > DELIVERY_STATUS_MAX)
		return cm_finding_set(status->finding, CM_REASON_MIME_BOUNDS,
				      "a delivery status that is too long");
	if (length > 0 && memchr(line, '\0', length) != NULL)
		return refuse(status, "a NUL in a delivery status");
	cm_trim(line, &trimmed);
	if (trimmed == 0)
		return end_group(status);
	if (line[0] == ' ' || line[0] == '\t')
		return status->in_group || refuse(status, "a delivery status with other text");
	return field(status, line, length);
}

bool cm_delivery_status_end(struct cm_delivery_status *status)
{
	return end_group(status) &&
	       (status->groups > 1 || refuse(status, "a delivery status of no recipient"));
}

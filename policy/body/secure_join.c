#include "secure_join.h"

#include "rfc5322.h"

#include <string.h>

#define PREFIX "secure-join: "

static bool refuse(struct cm_secure_join *join, const char *why)
{
	return cm_finding_set(join->finding, CM_REASON_NOT_ENCRYPTED, why);
}

const char *cm_secure_join_step(const char *value)
{
	if (value == NULL)
		return NULL;
	if (cm_text_is(value, "vc-request"))
		return "vc-request";
	if (cm_text_is(value, "vg-request"))
		return "vg-request";
	return NULL;
}

static bool part_begin(void *context, unsigned int index, const struct cm_part *part)
{
	(void)index;
	if (strcmp(part->type, "text/plain") != 0)
		return refuse(context, "a secure-join request whose part is not text/plain");
	return true;
}

static bool part_line(void *context, unsigned int index, const char *line, size_t length)
{
	struct cm_secure_join *join = context;

	(void)index;
	line = cm_trim(line, &length);
	if (length == 0)
		return true;
	if (join->length > 0 || length > CM_SECURE_JOIN_TEXT_MAX)
		return refuse(join, "a secure-join request with other text");
	memcpy(join->text, line, length);
	join->length = length;
	return true;
}

static bool part_end(void *context, unsigned int index)
{
	struct cm_secure_join *join = context;
	size_t prefix = strlen(PREFIX);

	(void)index;
	join->text[join->length] = '\0';
	for (size_t i = 0; i < join->length && i < prefix; i++)
		join->text[i] = cm_lower(join->text[i]);
	if (memchr(join->text, '\0', join->length) != NULL ||
	    strncmp(join->text, PREFIX, prefix) != 0 ||
	    !cm_text_is(join->text + prefix, join->step))
		return refuse(join, "a secure-join request with other text");
	return true;
}

const struct cm_mime_format cm_secure_join_format = {
    .parts = 1,
    .keep_text = true,
    .part_begin = part_begin,
    .part_line = part_line,
    .part_end = part_end,
};

void cm_secure_join_init(struct cm_secure_join *join, const char *step, struct cm_finding *finding)
{
	join->step = step;
	join->length = 0;
	join->finding = finding;
}

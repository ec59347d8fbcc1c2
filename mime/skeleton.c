#include "skeleton.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 2048

void cm_skeleton_init(struct cm_skeleton *skeleton)
{
	*skeleton = (struct cm_skeleton){0};
}

void cm_skeleton_free(struct cm_skeleton *skeleton)
{
	free(skeleton->text);
	cm_skeleton_init(skeleton);
}

static bool make_room(struct cm_skeleton *skeleton, size_t length, struct cm_finding *finding)
{
	size_t size = skeleton->size > 0 ? skeleton->size : FIRST_SIZE;
	char *text;

	if (length > CM_SKELETON_MAX - skeleton->length)
		return cm_finding_set(finding, CM_REASON_MIME_BOUNDS, "too much structure");
	while (size - skeleton->length < length)
		size *= 2;
	if (size == skeleton->size)
		return true;
	text = realloc(skeleton->text, size);
	if (text == NULL)
		return cm_finding_set(finding, CM_REASON_INTERNAL, "out of memory");
	skeleton->text = text;
	skeleton->size = size;
	return true;
}

static void append(struct cm_skeleton *skeleton, const char *text, size_t length)
{
	memcpy(skeleton->text + skeleton->length, text, length);
	skeleton->length += length;
}

bool cm_skeleton_line(struct cm_skeleton *skeleton, const char *line, size_t length,
		      struct cm_finding *finding)
{
	if (!make_room(skeleton, length + 1, finding))
		return false;
	if (length > 0)
		append(skeleton, line, length);
	append(skeleton, "\n", 1);
	return true;
}

bool cm_skeleton_header(struct cm_skeleton *skeleton, const char *name, const char *value,
			struct cm_finding *finding)
{
	size_t name_length = strlen(name), value_length = strlen(value);

	if (!make_room(skeleton, name_length + value_length + 2, finding))
		return false;
	append(skeleton, name, name_length);
	append(skeleton, ":", 1);
	append(skeleton, value, value_length);
	append(skeleton, "\n", 1);
	return true;
}

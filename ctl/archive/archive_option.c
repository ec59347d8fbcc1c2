#include "archive_option.h"

#include <string.h>

bool cm_archive_option_recipient(const struct cm_option *option, const char *text,
				 struct cm_error *err)
{
	struct cm_archive_target *target = option->value;

	if (target->recipient_count == CM_ARCHIVE_RECIPIENTS_MAX) {
		cm_error_set(err, "given more than %d times", CM_ARCHIVE_RECIPIENTS_MAX);
		return false;
	}
	target->recipients[target->recipient_count++] = text;
	return true;
}

int cm_archive_option_path(struct cm_archive_target *target, const char *path, bool json,
			   const char *program)
{
	target->path = path;
	if (json && strcmp(path, "-") == 0)
		return cm_options_complain(program, "--json, or - for the archive, but not both");
	return -1;
}

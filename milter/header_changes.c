#include "header_changes.h"

bool cm_header_changes_apply(SMFICTX *context, const struct cm_header_rewrite *rewrite)
{
	/* Starts with the last one: deleting a field does not renumber those before it. */
	for (size_t i = rewrite->count; i-- > 0;) {
		const struct cm_rewritten_field *field = &rewrite->field[i];

		if (field->changed &&
		    smfi_chgheader(context, (char *)field->name, (int)field->index,
				   (char *)field->value) != MI_SUCCESS)
			return false;
	}
	return true;
}

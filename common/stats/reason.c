#include "reason.h"

static const struct cm_reason_row rows[] = {
#define CM_REASON(id, name, code, enhanced, text, help)                                            \
	[CM_REASON_##id] = {name, code, enhanced, text, help},
#include "reasons.def"
#undef CM_REASON
};

const struct cm_reason_row *cm_reason_row(enum cm_reason reason)
{
	return &rows[reason];
}

const char *cm_reason_name(enum cm_reason reason)
{
	return rows[reason].name;
}

bool cm_reason_accepts(enum cm_reason reason)
{
	return rows[reason].code == 250;
}

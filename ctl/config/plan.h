/*
 * plan - what each managed file becomes: the rules by which no edit of the operator is lost
 */
#ifndef CM_PLAN_H
#define CM_PLAN_H

#include <stdbool.h>

#include "change.h"
#include "job.h"

/* The copy of a file that was there before the first `apply`. */
#define CM_PLAN_OLD ".chatmail-old"

/* Renders every template and compares it with the file and with what was written last. Nothing is
   changed. Free with cm_changes_free(), also after a failure. */
bool cm_plan_make(struct cm_job *job, struct cm_changes *changes_r);

/* The same for taking the newest entry of the history back; number_r is 0 if there is none. Other
   managed files are in the result too, unchanged, as the checks read them all. */
bool cm_plan_rollback(struct cm_job *job, struct cm_changes *changes_r, unsigned int *number_r);

size_t cm_plan_conflicts(const struct cm_changes *changes);

#endif

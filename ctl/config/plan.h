/*
 * plan - the new content of each managed file: rules that lose no edit of the operator
 */
#ifndef CM_PLAN_H
#define CM_PLAN_H

#include <stdbool.h>

#include "change.h"
#include "job.h"

/* Renders every template and compares it with the file and with the last written text. Changes
   no file. Free with cm_changes_free(), also after a failure. */
bool cm_plan_make(struct cm_job *job, struct cm_changes *changes_r);

/* The same to undo the newest entry of the history; number_r is 0 if the history is
   empty. The result also contains the other managed files, unchanged, because the checks read
   all of them. */
bool cm_plan_rollback(struct cm_job *job, struct cm_changes *changes_r, unsigned int *number_r);

size_t cm_plan_conflicts(const struct cm_changes *changes);

#endif

/*
 * stage - let the servers check the files
 *
 * The files are written below a scratch directory, with every path of a managed file in them
 * pointing into it, and each server's `check` beside its templates is run there. It gets the
 * directory and the first directory of the template ("dovecot-2.4") as its arguments, prints the
 * errors, and exits 0 (valid), 77 (not checked: the server is not installed, or in another
 * version) or with another status (invalid).
 */
#ifndef CM_STAGE_H
#define CM_STAGE_H

#include <stdbool.h>

#include "change.h"
#include "job.h"

/* False with job->err filled if a server's checker rejects the new files. */
bool cm_stage_check(struct cm_job *job, const struct cm_changes *changes);

#endif

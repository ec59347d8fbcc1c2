/*
 * status - the state of the relay, as text, as a page or as JSON
 *
 * The subjects here are the CM_SUBJECT_COUNT of doctor.h.
 */
#ifndef CM_STATUS_H
#define CM_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "doctor.h"

/* As text; with escape sequences for colour if wanted. */
void cm_status_print(const struct cm_status *status, const struct cm_checks *subjects, bool colour,
		     FILE *out);

/* The same as a page for a browser, without other files. */
void cm_status_print_html(const struct cm_status *status, const struct cm_checks *subjects,
			  FILE *out);

/* As JSON; NULL if out of memory. */
json_t *cm_status_json(const struct cm_status *status, const struct cm_checks *subjects);

#endif

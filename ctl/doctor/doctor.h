/*
 * doctor - examine a relay as its users see it
 *
 * It tests rather than trusts: it connects to servers and speaks their protocols, and calls the
 * same code that decides for users. The examinations run at the same time, each in a thread. They
 * change nothing, but the servers count and log some of them: a message and two logins as
 * "postmaster", all of which are refused.
 */
#ifndef CM_DOCTOR_H
#define CM_DOCTOR_H

#include "checks.h"
#include "error.h"
#include "examination.h"

/* Subjects in the order in which they are shown. */
enum cm_subject {
	CM_SUBJECT_PROGRAMS,
	CM_SUBJECT_PORTS,
	CM_SUBJECT_MAIL,
	CM_SUBJECT_MACHINE,
	CM_SUBJECT_DNS,
	CM_SUBJECT_OUTSIDE,
	CM_SUBJECT_COUNT,
};

/* False if no subject has this name: programs ports mail machine names services. */
bool cm_doctor_find_subject(const char *name, enum cm_subject *subject_r);

/* Examines everything, or the subjects of doctor->only. The lists belong to the caller. False with
   err filled if out of memory. */
bool cm_doctor_examine(struct cm_doctor *doctor, struct cm_checks subjects[CM_SUBJECT_COUNT],
		       struct cm_error *err);

/* The number of lines of all subjects with this health. */
size_t cm_doctor_count(const struct cm_checks subjects[CM_SUBJECT_COUNT], enum cm_health health);

#endif

/*
 * checks - findings of an examination: one line each, with the remedy if there is one
 */
#ifndef CM_CHECKS_H
#define CM_CHECKS_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

enum cm_health {
	CM_HEALTH_GOOD,
	CM_HEALTH_OFF,     /* not enabled in the configuration */
	CM_HEALTH_WARNING, /* works, but needs attention */
	CM_HEALTH_FAULT,   /* users notice it, or soon will */
};

/* "ok", "off", "warning", "fault" */
extern const char *const cm_health_names[];

struct cm_check {
	const char *key; /* for scripts: "smtp"; unique in one list */
	char *title;     /* "port 25" */
	enum cm_health health;
	char *text;   /* the finding */
	char *remedy; /* the remedy; NULL if there is nothing to do */
};

/* The lines of one subject. Initialize all members except the title with zero. */
struct cm_checks {
	const char *title; /* "Ports" */
	struct cm_check *list;
	size_t count, room;
	bool incomplete; /* out of memory: lines are missing */
};

/* Adds a line. key must stay valid; title is copied. */
struct cm_check *cm_checks_add(struct cm_checks *checks, const char *key, const char *title,
			       enum cm_health health, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Sets the remedy of the line. check may be NULL, as returned by cm_checks_add() if out of
   memory. */
void cm_check_remedy(struct cm_check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The number of lines with this health. */
size_t cm_checks_count(const struct cm_checks *checks, enum cm_health health);

void cm_checks_free(struct cm_checks *checks);

#endif

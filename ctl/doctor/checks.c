#include "checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cm_health_names[] = {
    [CM_HEALTH_GOOD] = "ok",
    [CM_HEALTH_OFF] = "off",
    [CM_HEALTH_WARNING] = "warning",
    [CM_HEALTH_FAULT] = "fault",
};

static char *format_list(const char *format, va_list arguments)
{
	char *text;

	return vasprintf(&text, format, arguments) < 0 ? NULL : text;
}

struct cm_check *cm_checks_add(struct cm_checks *checks, const char *key, const char *title,
			       enum cm_health health, const char *format, ...)
{
	struct cm_check check = {.key = key, .health = health};
	va_list arguments;

	if (checks->count == checks->room) {
		size_t room = checks->room == 0 ? 16 : 2 * checks->room;
		struct cm_check *list = realloc(checks->list, room * sizeof(*list));

		if (list == NULL) {
			checks->incomplete = true;
			return NULL;
		}
		checks->list = list;
		checks->room = room;
	}
	va_start(arguments, format);
	check.text = format_list(format, arguments);
	va_end(arguments);
	check.title = strdup(title);
	if (check.text == NULL || check.title == NULL) {
		free(check.text);
		free(check.title);
		checks->incomplete = true;
		return NULL;
	}
	checks->list[checks->count] = check;
	return &checks->list[checks->count++];
}

void cm_check_remedy(struct cm_check *check, const char *format, ...)
{
	va_list arguments;

	if (check == NULL)
		return;
	free(check->remedy);
	va_start(arguments, format);
	check->remedy = format_list(format, arguments);
	va_end(arguments);
}

size_t cm_checks_count(const struct cm_checks *checks, enum cm_health health)
{
	size_t count = 0;

	for (size_t i = 0; i < checks->count; i++)
		count += checks->list[i].health == health;
	return count;
}

void cm_checks_free(struct cm_checks *checks)
{
	for (size_t i = 0; i < checks->count; i++) {
		free(checks->list[i].title);
		free(checks->list[i].text);
		free(checks->list[i].remedy);
	}
	free(checks->list);
	*checks = (struct cm_checks){.title = checks->title};
}

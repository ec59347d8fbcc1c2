/*
 * status_html - the state of the relay as a page without other files and scripts
 */
#include <time.h>

#include "doctor.h"
#include "html.h"
#include "status.h"

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"robots\" content=\"noindex\">\n"
    "<meta http-equiv=\"refresh\" content=\"60\">\n<title>";

static const char style[] =
    "</title>\n<style>\nbody{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 "
    "1rem;color:#222;background:#fff}\nth{text-align:left;font-weight:normal;padding-right:1rem;"
    "vertical-align:top}\ntd{padding-right:1rem;vertical-align:top}\n"
    ".ok,.off{color:#176617}.warning{color:#7a5300}.fault{color:#b00020;font-weight:bold}\n"
    "code{display:block}\n</style>\n</head>\n<body>\n";

static void print_text(const char *text, FILE *out)
{
	cm_html_escape(out, text);
}

static void print_check(const struct cm_check *check, FILE *out)
{
	const char *name = cm_health_names[check->health];

	fprintf(out, "<tr><td class=\"%s\">%s</td><th scope=\"row\">", name, name);
	print_text(check->title, out);
	fputs("</th><td>", out);
	print_text(check->text, out);
	if (check->remedy != NULL) {
		fputs("<code>", out);
		print_text(check->remedy, out);
		fputs("</code>", out);
	}
	fputs("</td></tr>\n", out);
}

void cm_status_print_html(const struct cm_status *status, const struct cm_checks *subjects,
			  FILE *out)
{
	time_t now = time(NULL);
	char date[32] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm) != NULL)
		(void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &tm);
	fputs(head, out);
	print_text(status->config->mail_domain, out);
	fputs(style, out);
	fputs("<h1>", out);
	print_text(status->config->mail_domain, out);
	fprintf(out, "</h1>\n<p>%zu faults, %zu warnings. As of %s.</p>\n",
		cm_doctor_count(subjects, CM_HEALTH_FAULT),
		cm_doctor_count(subjects, CM_HEALTH_WARNING), date);
	for (size_t i = 0; i < CM_SUBJECT_COUNT; i++) {
		if (subjects[i].count == 0)
			continue;
		fprintf(out, "<h2>%s</h2>\n<table>\n", subjects[i].title);
		for (size_t j = 0; j < subjects[i].count; j++)
			print_check(&subjects[i].list[j], out);
		fputs("</table>\n", out);
	}
	fputs("</body>\n</html>\n", out);
}

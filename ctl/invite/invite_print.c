/*
 * invite_print - new invitations for a terminal, for paper and for a script
 */
#include "invite.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "html.h"
#include "json_print.h"
#include "qr.h"

void cm_invite_time(time_t when, char text[CM_INVITE_TIME_SIZE])
{
	struct tm tm;

	if (when == 0 || gmtime_r(&when, &tm) == NULL ||
	    strftime(text, CM_INVITE_TIME_SIZE, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		snprintf(text, CM_INVITE_TIME_SIZE, "never");
}

static char *link_of(const struct cm_invitation_batch *batch, size_t i)
{
	char *link;

	if (asprintf(&link, "%s/invite#%s", batch->url, batch->made[i].token) < 0)
		return NULL;
	return link;
}

bool cm_invite_print(const struct cm_invitation_batch *batch)
{
	bool terminal = isatty(STDOUT_FILENO) != 0, good = true;
	char expires[CM_INVITE_TIME_SIZE];

	cm_invite_time(batch->expires, expires);
	for (size_t i = 0; good && i < batch->count; i++) {
		char *link = link_of(batch, i);

		good = link != NULL;
		if (!good)
			break;
		printf("%s%s\n\n", i > 0 ? "\n" : "", link);
		good = cm_qr_print(stdout, link, terminal);
		printf("\n%s: accounts %u, expires %s%s%s\n", batch->made[i].id, batch->uses,
		       expires, batch->note[0] != '\0' ? ", " : "", batch->note);
		free(link);
	}
	return good;
}

static const char sheet_head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Invitations</title>\n"
    "<style>\n"
    "body{font:11pt sans-serif;margin:0;display:grid;grid-template-columns:1fr 1fr;color:#000;"
    "background:#fff}\n"
    "article{border:1px dashed #888;padding:6mm;break-inside:avoid;text-align:center}\n"
    "svg{width:55mm;height:55mm}\n"
    "h2{margin:0;overflow-wrap:anywhere}\n"
    "p{margin:2mm 0;overflow-wrap:anywhere}\n"
    ".small{font-size:8pt}\n"
    "</style></head><body>\n";

static bool print_card(const struct cm_invitation_batch *batch, size_t i, const char *expires)
{
	char *link = link_of(batch, i);
	char *svg = link != NULL ? cm_qr_svg(link, "QR code of the invitation") : NULL;
	bool good = svg != NULL;

	if (good) {
		fputs("<article><h2>", stdout);
		cm_html_escape(stdout, batch->domain);
		printf("</h2>\n<p>You are invited to this relay for Delta Chat.<br>Scan the code "
		       "with the camera, or open the link.</p>\n%s\n<p class=\"small\">",
		       svg);
		cm_html_escape(stdout, link);
		printf("</p>\n<p class=\"small\">%s", batch->made[i].id);
		if (batch->expires != 0)
			printf(" &middot; until %s", expires);
		if (batch->note[0] != '\0') {
			fputs(" &middot; ", stdout);
			cm_html_escape(stdout, batch->note);
		}
		fputs("</p></article>\n", stdout);
	}
	free(svg);
	free(link);
	return good;
}

bool cm_invite_print_sheet(const struct cm_invitation_batch *batch)
{
	char expires[CM_INVITE_TIME_SIZE];
	bool good = true;

	cm_invite_time(batch->expires, expires);
	fputs(sheet_head, stdout);
	for (size_t i = 0; good && i < batch->count; i++)
		good = print_card(batch, i, expires);
	fputs("</body></html>\n", stdout);
	return good;
}

bool cm_invite_print_json(const struct cm_invitation_batch *batch)
{
	json_t *list = json_array(), *object = json_pack("{s:o}", "invitations", list);
	bool good = object != NULL;

	for (size_t i = 0; good && i < batch->count; i++) {
		char *link = link_of(batch, i);
		json_t *entry =
		    json_pack("{s:s, s:s, s:s, s:I, s:s}", "id", batch->made[i].id, "token",
			      batch->made[i].token, "link", link != NULL ? link : "", "uses",
			      (json_int_t)batch->uses, "note", batch->note);

		if (batch->expires != 0)
			json_object_set_new(entry, "expires", json_integer(batch->expires));
		else
			json_object_set_new(entry, "expires", json_null());
		good = link != NULL && json_array_append_new(list, entry) == 0;
		free(link);
	}
	if (good)
		return cm_json_print(object, NULL);
	json_decref(object);
	return false;
}

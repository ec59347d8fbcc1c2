/*
 * page - the relay's web pages, in several languages
 *
 * A page has a name like "www/de/privacy.html", which is not a file: it is rendered from the
 * templates www/layout.html and www/privacy.html and of the texts in www/languages/de.ini.
 * Templates and texts may use each setting, which is escaped for HTML, and also:
 *
 *	languages, title_start, …    the texts of the language
 *	title, content               of the page, for the layout
 *	language_code, language_links
 *	is_invite                    true on the invitation's page
 *	registration_open, registration_invite, registration_closed
 *	keeps_networks               true if new accounts are limited by network
 *	account_link, account_qr     creates an account, as a link and as an <svg>
 *	message_mb, mailbox_mb       sizes in megabytes
 *	delete_mails_after days      a number and the form of a word that fits it: the language's
 *	                             text days has the forms, like "day|days"
 */
#ifndef CM_PAGE_H
#define CM_PAGE_H

#include <stdbool.h>

#include "error.h"
#include "settings.h"

/* True if a template of this name is a page. */
bool cm_page_is(const char *template);

/* Renders the page; templates is the directory of the templates. malloc'd; NULL with err filled on
   failure. */
char *cm_page_render(const char *templates, const char *template,
		     const struct cm_settings *settings, struct cm_error *err);

#endif

#include "page.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_value.h"
#include "file.h"
#include "html.h"
#include "ini_file.h"
#include "qr.h"
#include "template.h"

#define DIRECTORY "www/"
#define FILE_MAX  65536
#define TEXTS_MAX 100

/* Which form of a word follows a number (Unicode CLDR, cardinal plurals). */
enum plural {
	PLURAL_NONE,     /* one form for all numbers */
	PLURAL_ONE,      /* 1 | others */
	PLURAL_ZERO_ONE, /* 0, 1 | others */
	PLURAL_EAST,     /* 1, 21, … | 2 to 4, 22 to 24, … | others */
};

/* digits: what its readers expect in prose, if not 0 to 9. */
static const struct {
	const char *code, *name;
	enum plural plural;
	const char *digits[10];
} languages[] = {
    {"en", "English", PLURAL_ONE, {NULL}},
    {"de", "Deutsch", PLURAL_ONE, {NULL}},
    {"es", "Español", PLURAL_ONE, {NULL}},
    {"fr", "Français", PLURAL_ZERO_ONE, {NULL}},
    {"ru", "Русский", PLURAL_EAST, {NULL}},
    {"fa", "فارسی", PLURAL_NONE, {"۰", "۱", "۲", "۳", "۴", "۵", "۶", "۷", "۸", "۹"}},
};

#define LANGUAGE_COUNT (sizeof(languages) / sizeof(languages[0]))

/* The path of a page below its language, and the text with its title. */
static const struct page {
	const char *template, *place, *title;
} pages[] = {
    {"index.html", "", "title_start"},
    {"invite.html", "invite", "title_invite"},
    {"privacy.html", "privacy", "title_privacy"},
    {"404.html", "", "title_404"},
    {"busy.html", "", "title_busy"},
};

#define PAGE_COUNT (sizeof(pages) / sizeof(pages[0]))

struct text {
	char *name, *value;
};

/* The page that is being rendered. */
struct making {
	const struct cm_settings *settings;
	const char *templates;
	const struct page *page;
	size_t language;
	struct text texts[TEXTS_MAX]; /* of the language */
	size_t text_count;
	struct text made[TEXTS_MAX]; /* values made on request: valid until the end */
	size_t made_count;
	const char *content;
	struct cm_error *err;
};

static const struct page *find_page(const char *template, size_t *language_r)
{
	size_t length = strlen(DIRECTORY);
	const char *slash;

	if (strncmp(template, DIRECTORY, length) != 0)
		return NULL;
	template += length;
	slash = strchr(template, '/');
	if (slash == NULL)
		return NULL;
	for (*language_r = 0; *language_r < LANGUAGE_COUNT; (*language_r)++)
		if (strlen(languages[*language_r].code) == (size_t)(slash - template) &&
		    strncmp(languages[*language_r].code, template, (size_t)(slash - template)) == 0)
			break;
	for (size_t i = 0; *language_r < LANGUAGE_COUNT && i < PAGE_COUNT; i++)
		if (strcmp(pages[i].template, slash + 1) == 0)
			return &pages[i];
	return NULL;
}

bool cm_page_is(const char *template)
{
	size_t language;

	return find_page(template, &language) != NULL;
}

static const char *find_text(const struct text *texts, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(texts[i].name, name) == 0)
			return texts[i].value;
	return NULL;
}

/* Takes over value, which may be NULL: then so is the result. */
static const char *keep(struct making *making, const char *name, char *value)
{
	struct text *text = &making->made[making->made_count];

	if (value == NULL || making->made_count == TEXTS_MAX ||
	    (text->name = strdup(name)) == NULL) {
		free(value);
		return NULL;
	}
	text->value = value;
	making->made_count++;
	return value;
}

static char *escaped(const char *text)
{
	char *result = NULL;
	size_t length;
	FILE *stream = open_memstream(&result, &length);

	if (stream == NULL)
		return NULL;
	cm_html_escape(stream, text);
	if (fclose(stream) == 0)
		return result;
	free(result);
	return NULL;
}

/* A value for a page: a number in the language's digits, anything else escaped. */
static char *presented(const struct making *making, const char *value)
{
	const char *const *digits = languages[making->language].digits;
	bool number = value[0] != '\0' && value[strspn(value, "0123456789")] == '\0';
	char *result = NULL;
	size_t length;
	FILE *stream;

	if (!number || digits[0] == NULL)
		return escaped(value);
	stream = open_memstream(&result, &length);
	if (stream == NULL)
		return NULL;
	for (; *value != '\0'; value++)
		fputs(digits[*value - '0'], stream);
	if (fclose(stream) == 0)
		return result;
	free(result);
	return NULL;
}

static char *language_links(const struct making *making)
{
	char *result = NULL;
	size_t length;
	FILE *stream = open_memstream(&result, &length);

	if (stream == NULL)
		return NULL;
	for (size_t i = 0; i < LANGUAGE_COUNT; i++)
		fprintf(stream,
			"<li><a href=\"/%s/%s\" lang=\"%s\" hreflang=\"%s\"%s>%s</a></li>%s",
			languages[i].code, making->page->place, languages[i].code,
			languages[i].code, i == making->language ? " aria-current=\"true\"" : "",
			languages[i].name, i + 1 < LANGUAGE_COUNT ? "\n" : "");
	if (fclose(stream) == 0)
		return result;
	free(result);
	return NULL;
}

static char *account_link(const struct making *making)
{
	char *link;

	if (strcmp(cm_settings_get(making->settings, "login_links"), "true") == 0)
		return strdup("/new");
	if (asprintf(&link, "dcaccount:%s/new", cm_settings_get(making->settings, "web_url")) < 0)
		return NULL;
	return link;
}

static const char *look_up(const char *name, void *context);

static char *account_qr(struct making *making)
{
	char *link = account_link(making);
	const char *label = look_up("qr_label", making);
	char *svg = link != NULL && label != NULL ? cm_qr_svg(link, label) : NULL;

	free(link);
	return svg;
}

/* The number of a word's form. */
static size_t form_of(enum plural plural, uint64_t number)
{
	switch (plural) {
	case PLURAL_NONE:
		return 0;
	case PLURAL_ONE:
		return number != 1;
	case PLURAL_ZERO_ONE:
		return number > 1;
	case PLURAL_EAST:
		break;
	}
	if (number % 100 >= 11 && number % 100 <= 14)
		return 2;
	number %= 10;
	return number == 1 ? 0 : number >= 2 && number <= 4 ? 1 : 2;
}

/* "delete_mails_after days": the setting, and the form of the language's text "days" that fits it;
   a text has its forms between bars. NULL: unknown names, or too few forms. */
static char *counted(const struct making *making, const char *name)
{
	const char *space = strchr(name, ' '), *value;
	const char *word = find_text(making->texts, making->text_count, space + 1);
	char *setting = strndup(name, (size_t)(space - name)), *number = NULL, *result = NULL;

	value = setting != NULL ? cm_settings_get(making->settings, setting) : NULL;
	free(setting);
	if (value == NULL || word == NULL)
		return NULL;
	for (size_t form = form_of(languages[making->language].plural, strtoull(value, NULL, 10));
	     form > 0; form--) {
		word = strchr(word, '|');
		if (word == NULL)
			return NULL;
		word++;
	}
	number = presented(making, value);
	if (number != NULL &&
	    asprintf(&result, "%s\u00a0%.*s", number, (int)strcspn(word, "|"), word) < 0)
		result = NULL;
	free(number);
	return result;
}

/* The size of a key, in bytes or like 500M, as megabytes for a reader. part: the percentage
   that is usable. */
static char *megabytes(const struct making *making, const char *key, uint64_t unit, unsigned tenths)
{
	uint64_t bytes = 0;
	char text[24];

	(void)cm_value_read_size(cm_settings_get(making->settings, key), unit, &bytes);
	bytes = bytes / 10 * tenths >> 20;
	snprintf(text, sizeof(text), "%" PRIu64, bytes > 0 ? bytes : 1);
	return presented(making, text);
}

/* registration_open for registration = open, and so on. */
static char *is_mode(const struct making *making, const char *mode)
{
	const char *now = cm_settings_get(making->settings, "registration");

	return strdup(now != NULL && strcmp(now, mode) == 0 ? "true" : "false");
}

/* %if needs it: a presented number may be a 0 in other digits. */
static char *is_positive(const struct making *making, const char *key)
{
	return strdup(strcmp(cm_settings_get(making->settings, key), "0") != 0 ? "true" : "false");
}

/* Values that are neither a text nor a setting; NULL: unknown name. */
static char *make_value(struct making *making, const char *name)
{
	static const char mode[] = "registration_";

	if (strncmp(name, mode, strlen(mode)) == 0)
		return is_mode(making, name + strlen(mode));
	if (strcmp(name, "language_links") == 0)
		return language_links(making);
	if (strcmp(name, "is_invite") == 0)
		return strdup(strcmp(making->page->place, "invite") == 0 ? "true" : "false");
	if (strcmp(name, "keeps_networks") == 0)
		return is_positive(making, "max_new_accounts_per_ip_per_hour");
	if (strcmp(name, "account_link") == 0)
		return account_link(making);
	if (strcmp(name, "account_qr") == 0)
		return account_qr(making);
	/* Encryption and its encoding take a part of the size. */
	if (strcmp(name, "message_mb") == 0)
		return megabytes(making, "max_message_size", 1, 7);
	if (strcmp(name, "mailbox_mb") == 0)
		return megabytes(making, "max_mailbox_size", 1 << 20, 10);
	return NULL;
}

static const char *look_up(const char *name, void *context)
{
	struct making *making = context;
	const char *value = find_text(making->made, making->made_count, name);

	if (value != NULL)
		return value;
	if (strchr(name, ' ') != NULL)
		return keep(making, name, counted(making, name));
	if (strcmp(name, "content") == 0)
		return making->content;
	if (strcmp(name, "language_code") == 0)
		return languages[making->language].code;
	if (strcmp(name, "title") == 0)
		return look_up(making->page->title, making);
	value = find_text(making->texts, making->text_count, name);
	if (value != NULL)
		return keep(making, name,
			    cm_template_render(name, value, look_up, making, making->err));
	value = cm_settings_get(making->settings, name);
	if (value != NULL)
		return keep(making, name, presented(making, value));
	return keep(making, name, make_value(making, name));
}

static bool add_text(void *context, unsigned int line, const char *section, const char *name,
		     const char *value, bool continues, struct cm_error *err)
{
	struct making *making = context;
	struct text *text = &making->texts[making->text_count];

	(void)section;
	if (continues || making->text_count == TEXTS_MAX) {
		cm_error_set(err, "line %u: not a text on one line, or too many", line);
		return false;
	}
	making->text_count++;
	text->name = strdup(name);
	text->value = strdup(value);
	if (text->name != NULL && text->value != NULL)
		return true;
	cm_error_set(err, "out of memory");
	return false;
}

static bool read_texts(struct making *making)
{
	char *path;
	bool good;

	if (asprintf(&path, "%s/" DIRECTORY "languages/%s.ini", making->templates,
		     languages[making->language].code) < 0) {
		cm_error_set(making->err, "out of memory");
		return false;
	}
	good = cm_ini_file_read(path, add_text, making, making->err);
	free(path);
	return good;
}

static char *render_file(struct making *making, const char *name)
{
	char *path, *text = NULL, *result = NULL;
	size_t length;

	if (asprintf(&path, "%s/" DIRECTORY "%s", making->templates, name) < 0) {
		cm_error_set(making->err, "out of memory");
		return NULL;
	}
	if (cm_file_read(AT_FDCWD, path, FILE_MAX, &text, &length))
		result = cm_template_render(path, text, look_up, making, making->err);
	else
		cm_error_set_errno(making->err, "%s: cannot be read", path);
	free(text);
	free(path);
	return result;
}

static void free_texts(struct text *texts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(texts[i].name);
		free(texts[i].value);
	}
}

char *cm_page_render(const char *templates, const char *template,
		     const struct cm_settings *settings, struct cm_error *err)
{
	struct making *making = calloc(1, sizeof(*making));
	char *content = NULL, *result = NULL;

	if (making == NULL) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	making->settings = settings;
	making->templates = templates;
	making->err = err;
	making->page = find_page(template, &making->language);
	if (making->page != NULL && read_texts(making))
		content = render_file(making, making->page->template);
	if (content != NULL) {
		making->content = content;
		result = render_file(making, "layout.html");
	}
	free(content);
	free_texts(making->texts, making->text_count);
	free_texts(making->made, making->made_count);
	free(making);
	return result;
}

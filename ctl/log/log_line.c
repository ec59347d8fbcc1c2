#include "log_line.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DAY 86400

/* --- Date ----------------------------------------------------------------------------------- */

/* Reads the "Z" or "+01:00" of RFC 3339; without one it is local time. */
static time_t apply_zone(struct tm *tm, const char **rest)
{
	const char *zone = *rest;
	time_t hours, minutes;

	if (*zone == 'Z') {
		*rest = zone + 1;
		return timegm(tm);
	}
	if ((*zone != '+' && *zone != '-') || strspn(zone + 1, "0123456789:") < 5) {
		tm->tm_isdst = -1;
		return mktime(tm);
	}
	hours = strtol(zone + 1, NULL, 10);
	minutes = strtol(zone + 4, NULL, 10);
	*rest = zone + 6;
	return timegm(tm) - (*zone == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

/* "2026-11-26T04:27:30.123456Z", also with a space in the middle, or with slashes as nginx's. */
static const char *parse_full_date(const char *text, time_t *time_r)
{
	static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
					    "%Y/%m/%d %H:%M:%S"};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = {0};
		const char *rest = strptime(text, forms[i], &tm);

		if (rest == NULL)
			continue;
		if (*rest == '.' || *rest == ',')
			rest += 1 + strspn(rest + 1, "0123456789");
		*time_r = apply_zone(&tm, &rest);
		return rest;
	}
	return NULL;
}

/* "Nov 26 04:27:30" */
static const char *parse_short_date(const char *text, time_t latest, time_t *time_r)
{
	struct tm tm, now;
	const char *rest;

	if (localtime_r(&latest, &now) == NULL)
		return NULL;
	for (int year = now.tm_year; year >= now.tm_year - 1; year--) {
		tm = (struct tm){.tm_year = year, .tm_isdst = -1};
		rest = strptime(text, "%b %d %H:%M:%S", &tm);
		if (rest == NULL)
			return NULL;
		*time_r = mktime(&tm);
		if (*time_r <= latest + DAY)
			break;
	}
	return rest;
}

static const char *parse_date(const char *text, time_t latest, time_t *time_r)
{
	const char *rest = isdigit((unsigned char)*text) ? parse_full_date(text, time_r)
							 : parse_short_date(text, latest, time_r);

	return rest != NULL && (*rest == ' ' || *rest == ':') ? rest + 1 + strspn(rest + 1, " ")
							      : NULL;
}

/* --- Program -------------------------------------------------------------------------------- */

static bool begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool is_of_the_relay(const char *program)
{
	static const char *const names[] = {
	    "postfix",    "dovecot", "chatmail",   "opendkim",         "nginx",
	    "turnserver", "coturn",  "iroh-relay", "supervise-daemon", "chatmailctl",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t length = strlen(names[i]);

		if (begins_with(program, names[i]) &&
		    (program[length] == '\0' || program[length] == '/' || program[length] == '-'))
			return true;
	}
	return false;
}

static void copy_printable(char *to, size_t max, const char *from)
{
	size_t length = strnlen(from, max);
	bool cut = from[length] != '\0';

	for (size_t i = 0; i < length; i++)
		to[i] = (char)(from[i] >= 0x20 && from[i] < 0x7f ? from[i] : '?');
	to[length] = '\0';
	if (cut && length > 3)
		memcpy(to + length - 3, "...", 3);
}

/* Reads "NAME[PID]:" or "NAME:". Returns what follows, or NULL. */
static const char *parse_ident(const char *text, struct cm_log_line *line)
{
	size_t name = strcspn(text, " [:(<");
	const char *rest = text + name;

	if (name == 0 || name > CM_LOG_PROGRAM_MAX)
		return NULL;
	line->pid = 0;
	if (*rest == '[') {
		char *end;

		line->pid = strtol(rest + 1, &end, 10);
		if (end == rest + 1 || *end != ']')
			return NULL;
		rest = end + 1;
	}
	if (*rest != ':')
		return NULL;
	memcpy(line->program, text, name);
	line->program[name] = '\0';
	return rest + 1 + strspn(rest + 1, " ");
}

/* Dovecot's processes share one name in syslog: "dovecot: imap-login: …", "dovecot: lmtp(7): …".
   Moves theirs, and the PID, from the text to the program. */
static const char *take_dovecot_process(struct cm_log_line *line, const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz-");
	const char *rest = text + length;
	char *end;
	long pid;

	if (strcmp(line->program, "dovecot") != 0 || length == 0 || length > 40 || *rest == '\0' ||
	    strchr(":(<", *rest) == NULL)
		return text;
	snprintf(line->program, sizeof(line->program), "dovecot/%.*s", (int)length, text);
	if (*rest == '(') {
		pid = strtol(rest + 1, &end, 10);
		if (end == rest + 1 || *end != ')')
			return text;
		line->pid = pid;
		rest = end + 1;
	}
	if (*rest == ':')
		rest += 1 + strspn(rest + 1, " ");
	return rest;
}

/* --- Level ---------------------------------------------------------------------------------- */

static enum cm_log_level level_of_word(const char *word, size_t length)
{
	static const struct {
		const char *word;
		enum cm_log_level level;
	} words[] = {
	    {"warning", CM_LOG_LEVEL_WARNING}, {"warn", CM_LOG_LEVEL_WARNING},
	    {"error", CM_LOG_LEVEL_ERROR},     {"err", CM_LOG_LEVEL_ERROR},
	    {"fatal", CM_LOG_LEVEL_ERROR},     {"panic", CM_LOG_LEVEL_ERROR},
	    {"crit", CM_LOG_LEVEL_ERROR},      {"alert", CM_LOG_LEVEL_ERROR},
	    {"emerg", CM_LOG_LEVEL_ERROR},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].word) == length &&
		    strncasecmp(words[i].word, word, length) == 0)
			return words[i].level;
	return CM_LOG_LEVEL_INFO;
}

/* The worst of the words before a colon at the beginning of a text: "lmtp(7): Error: …". */
static enum cm_log_level level_of_text(const char *text)
{
	enum cm_log_level level = CM_LOG_LEVEL_INFO;

	for (int words = 0; words < 4; words++) {
		size_t length = strcspn(text, " :");
		enum cm_log_level found;

		if (text[length] != ':')
			break;
		found = level_of_word(text, length);
		if (found > level)
			level = found;
		text += length + 1;
		text += strspn(text, " ");
	}
	return level;
}

static void raise_level(struct cm_log_line *line, enum cm_log_level level)
{
	if (level > line->level)
		line->level = level;
}

/* The text and what follows from it. */
static bool finish(struct cm_log_line *line, const char *text)
{
	copy_printable(line->text, CM_LOG_TEXT_MAX, take_dovecot_process(line, text));
	raise_level(line, level_of_text(line->text));
	return true;
}

/* --- Files ---------------------------------------------------------------------------------- */

/* "2026/11/26 04:27:30 [alert] 298#298: …" of nginx's own file. */
static bool parse_nginx(const char *text, struct cm_log_line *line)
{
	size_t length;
	char *end;

	if (text[0] != '[')
		return false;
	length = strcspn(text + 1, "]");
	if (text[1 + length] != ']')
		return false;
	line->pid = strtol(text + 1 + length + 1, &end, 10);
	if (*end != '#')
		return false;
	strcpy(line->program, "nginx");
	line->level = level_of_word(text + 1, length);
	return finish(line, text);
}

/* "lmtp(450)<1AsT>: Info: …" of Dovecot's own file. */
static bool is_dovecot(const char *text)
{
	static const char *const levels[] = {
	    " Info: ", " Warning: ", " Error: ", " Fatal: ", " Panic: ", " Debug: "};
	size_t name = strspn(text, "abcdefghijklmnopqrstuvwxyz-");
	const char *rest = text + strcspn(text, " ");

	if (name == 0 || strchr(":(<", text[name]) == NULL)
		return false;
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (begins_with(rest, levels[i]))
			return true;
	return false;
}

/* The "mail.warn" that busybox' syslogd writes before the program. */
static const char *skip_priority(const char *text, struct cm_log_line *line)
{
	size_t facility = strcspn(text, " .:["), length = strcspn(text, " ");

	if (text[facility] != '.' || text[length] != ' ' || text[length - 1] == ':')
		return text;
	line->level = level_of_word(text + facility + 1, length - facility - 1);
	return text + length + 1;
}

bool cm_log_line_parse(char *line, time_t latest, struct cm_log_line *line_r)
{
	const char *text = parse_date(line, latest, &line_r->time), *rest;
	size_t host;

	if (text == NULL)
		return false;
	line_r->level = CM_LOG_LEVEL_INFO;
	if (parse_nginx(text, line_r))
		return true;
	rest = parse_ident(text, line_r);
	if (rest != NULL && is_of_the_relay(line_r->program))
		return finish(line_r, rest);
	if (is_dovecot(text)) {
		strcpy(line_r->program, "dovecot");
		line_r->pid = 0;
		return finish(line_r, text);
	}
	host = strcspn(text, " ");
	if (text[host] != ' ')
		return false;
	rest = parse_ident(skip_priority(text + host + 1, line_r), line_r);
	return rest != NULL && is_of_the_relay(line_r->program) && finish(line_r, rest);
}

/* --- Journal -------------------------------------------------------------------------------- */

static const char *field(json_t *entry, const char *name)
{
	const char *text = json_string_value(json_object_get(entry, name));

	return text != NULL ? text : "";
}

/* The journal prints bytes that are not UTF-8 as numbers. */
static void copy_message(json_t *message, char *to, size_t max)
{
	size_t length = json_array_size(message);

	if (json_is_string(message)) {
		strncpy(to, json_string_value(message), max);
		to[max] = '\0';
		return;
	}
	if (length == 0) {
		strcpy(to, "(a line that is too long)");
		return;
	}
	if (length > max)
		length = max;
	for (size_t i = 0; i < length; i++) {
		json_int_t byte = json_integer_value(json_array_get(message, i));

		to[i] = (char)(byte > 0 && byte < 256 ? byte : '?');
	}
	to[length] = '\0';
}

static enum cm_log_level level_of_priority(const char *priority)
{
	if (*priority == '\0' || *priority > '4')
		return CM_LOG_LEVEL_INFO;
	return *priority == '4' ? CM_LOG_LEVEL_WARNING : CM_LOG_LEVEL_ERROR;
}

static void fill_from_journal(json_t *entry, struct cm_log_line *line)
{
	const char *pid = field(entry, "SYSLOG_PID");
	char message[CM_LOG_TEXT_MAX + 1];
	struct cm_log_line inner;

	line->time = (time_t)(strtoull(field(entry, "__REALTIME_TIMESTAMP"), NULL, 10) / 1000000);
	copy_printable(line->program, CM_LOG_PROGRAM_MAX, field(entry, "SYSLOG_IDENTIFIER"));
	line->pid = strtol(*pid != '\0' ? pid : field(entry, "_PID"), NULL, 10);
	line->level = level_of_priority(field(entry, "PRIORITY"));
	copy_message(json_object_get(entry, "MESSAGE"), message, CM_LOG_TEXT_MAX);
	/* Our programs begin each line on standard error with date and name. */
	if (begins_with(line->program, "chatmail-") &&
	    cm_log_line_parse(message, line->time, &inner)) {
		raise_level(line, inner.level);
		strcpy(line->text, inner.text);
		return;
	}
	finish(line, message);
}

bool cm_log_line_parse_journal(const char *line, struct cm_log_line *line_r)
{
	json_t *entry = json_loads(line, 0, NULL);
	bool good = json_is_object(entry) && *field(entry, "SYSLOG_IDENTIFIER") != '\0';

	if (good)
		fill_from_journal(entry, line_r);
	json_decref(entry);
	return good;
}

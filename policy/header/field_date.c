#include "field_types.h"

#include "rfc5322.h"

#include <string.h>
#include <strings.h>

/* Room for the longest token: the digits of a zone with its sign. */
#define TOKEN_SIZE 6

/* Moves *at over white space, comments and `mark`. False if there is another character. */
static bool skip_mark(const char **at, char mark)
{
	if (!cm_skip_cfws(at, CM_COMMENTS_ANY) || **at != mark)
		return false;
	(*at)++;
	return true;
}

static bool read_digits(const char **at, size_t min, size_t max, char *token_r)
{
	size_t length;

	if (!cm_skip_cfws(at, CM_COMMENTS_ANY))
		return false;
	length = strspn(*at, "0123456789");
	if (length < min || length > max)
		return false;
	memcpy(token_r, *at, length);
	token_r[length] = '\0';
	*at += length;
	return true;
}

/* Reads one of the words (NULL ends the list) and returns it in the list's spelling. */
static bool read_word(const char **at, const char *const *words, const char **word_r)
{
	if (!cm_skip_cfws(at, CM_COMMENTS_ANY))
		return false;
	for (; *words != NULL; words++) {
		size_t length = strlen(*words);

		if (cm_lower(**at) == cm_lower(**words) && strncasecmp(*at, *words, length) == 0 &&
		    !cm_is_alphanumeric((*at)[length])) {
			*at += length;
			*word_r = *words;
			return true;
		}
	}
	return false;
}

/* "+hhmm", or a named zone of RFC 5322 4.3. */
static bool read_zone(const char **at, char *zone_r)
{
	static const char *const names[] = {"GMT", "UTC", "UT",  "EST", "EDT", "CST", "CDT",
					    "MST", "MDT", "PST", "PDT", "Z",   NULL};
	const char *name;

	if (!cm_skip_cfws(at, CM_COMMENTS_ANY))
		return false;
	if (**at == '+' || **at == '-') {
		zone_r[0] = *(*at)++;
		return strspn(*at, "0123456789") == 4 && read_digits(at, 4, 4, zone_r + 1);
	}
	if (!read_word(at, names, &name))
		return false;
	strcpy(zone_r, name);
	return true;
}

static void write(struct cm_field_writer *writer, const char *word)
{
	cm_field_writer_word(writer, word, strlen(word));
}

bool cm_field_date(const char *value, struct cm_field_writer *writer)
{
	static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", NULL};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
					     "Aug", "Sep", "Oct", "Nov", "Dec", NULL};
	char day[TOKEN_SIZE], year[TOKEN_SIZE], hour[TOKEN_SIZE], minute[TOKEN_SIZE];
	char second[TOKEN_SIZE] = "", zone[TOKEN_SIZE];
	const char *day_name = NULL, *month, *at = value;

	if (!read_word(&at, days, &day_name) || !skip_mark(&at, ',')) {
		at = value;
		day_name = NULL;
	}
	if (!read_digits(&at, 1, 2, day) || !read_word(&at, months, &month) ||
	    !read_digits(&at, 2, 4, year) || !read_digits(&at, 1, 2, hour) ||
	    !skip_mark(&at, ':') || !read_digits(&at, 1, 2, minute))
		return false;
	if (skip_mark(&at, ':') && !read_digits(&at, 1, 2, second))
		return false;
	if (!read_zone(&at, zone) || !cm_skip_cfws(&at, CM_COMMENTS_ANY) || *at != '\0')
		return false;
	if (day_name != NULL) {
		write(writer, day_name);
		cm_field_writer_append(writer, ",");
	}
	write(writer, day);
	write(writer, month);
	write(writer, year);
	write(writer, hour);
	cm_field_writer_append(writer, ":");
	cm_field_writer_append(writer, minute);
	if (second[0] != '\0') {
		cm_field_writer_append(writer, ":");
		cm_field_writer_append(writer, second);
	}
	write(writer, zone);
	return true;
}

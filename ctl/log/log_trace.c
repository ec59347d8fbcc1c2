#include "log_trace.h"

#include <ctype.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

/* Postfix leaves out vowels, so that no ID is a word; "A" and "E" are hexadecimal digits. */
#define QUEUE_ID "bcdfghjklmnpqrstvwxyzABCDEFGHJKLMNPQRSTVWXYZ" DIGITS

/* The shortest queue ID of Postfix: five digits of the time, and a number. */
#define QUEUE_ID_MIN 6
#define QUEUE_ID_MAX 32

static size_t queue_id_length(const char *text)
{
	size_t length = strspn(text, QUEUE_ID);

	return length >= QUEUE_ID_MIN && length <= QUEUE_ID_MAX ? length : 0;
}

static bool is_known(const struct cm_log_trace *trace, const char *id, size_t length)
{
	for (size_t i = 0; i < trace->count; i++)
		if (strlen(trace->ids[i]) == length && memcmp(trace->ids[i], id, length) == 0)
			return true;
	return false;
}

static void learn(struct cm_log_trace *trace, const char *id, size_t length)
{
	if (length == 0 || length > CM_LOG_TRACE_ID_MAX || trace->count == CM_LOG_TRACE_MAX ||
	    is_known(trace, id, length))
		return;
	memcpy(trace->ids[trace->count], id, length);
	trace->ids[trace->count++][length] = '\0';
}

bool cm_log_trace_init(struct cm_log_trace *trace, const char *id, struct cm_error *err)
{
	size_t length = strlen(id);

	trace->count = 0;
	if (length > 2 && id[0] == '<' && id[length - 1] == '>') {
		id++;
		length -= 2;
	}
	if (length > 0 && length <= CM_LOG_TRACE_ID_MAX &&
	    (queue_id_length(id) == length || memchr(id, '@', length) != NULL)) {
		learn(trace, id, length);
		return true;
	}
	cm_error_set(err, "neither a queue ID nor a Message-ID");
	return false;
}

static bool is_id_byte(char byte)
{
	return isalnum((unsigned char)byte) || (byte != '\0' && strchr("+/_-@", byte) != NULL);
}

/* True if the ID is in text, and not as a part of a longer one. */
static bool has_id(const char *text, const char *id)
{
	const char *found = text;

	while ((found = strstr(found, id)) != NULL) {
		if ((found == text || !is_id_byte(found[-1])) && !is_id_byte(found[strlen(id)]))
			return true;
		found++;
	}
	return false;
}

/* The length of the queue ID that a line of Postfix or the milter begins with; 0: none. */
static size_t own_id_length(const char *text)
{
	size_t length = queue_id_length(text);

	return text[length] == ':' && strncmp(text, "NOQUEUE", 7) != 0 ? length : 0;
}

/* A session of Dovecot's: "(250 2.0.0 <a@relay.test> 1AsTAja1B2vCAQAAg+zDdQ Saved)". */
static void learn_session(struct cm_log_trace *trace, const char *text)
{
	const char *reply = strstr(text, "status=sent (250 2.0.0 <"), *end;
	size_t length;

	end = reply != NULL ? strstr(reply, "> ") : NULL;
	length = end != NULL ? strspn(end + 2, LETTERS DIGITS "+/=:") : 0;
	if (length > 0 && strncmp(end + 2 + length, " Saved", 6) == 0)
		learn(trace, end + 2, length);
}

/* The message that the next server, or Postfix itself, made of this one. */
static void learn_successor(struct cm_log_trace *trace, const char *text)
{
	static const char *const words[] = {"queued as ", "notification: "};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *found = strstr(text, words[i]);

		if (found != NULL)
			learn(trace, found + strlen(words[i]),
			      queue_id_length(found + strlen(words[i])));
	}
}

/* The line that says which queue ID belongs to a Message-ID. */
static bool names_message(const struct cm_log_trace *trace, const char *text)
{
	static const char key[] = ": message-id=<";
	const char *id = strstr(text, key);

	id = id != NULL ? id + strlen(key) : "";
	return is_known(trace, id, strcspn(id, ">"));
}

bool cm_log_trace_visit(struct cm_log_trace *trace, const struct cm_log_line *line)
{
	size_t own = own_id_length(line->text);
	bool found = false;

	/* Clients put what they like into the rest of a line: only its own ID is to be trusted. */
	if (own > 0 && names_message(trace, line->text))
		learn(trace, line->text, own);
	if (own > 0) {
		found = is_known(trace, line->text, own);
		if (found) {
			learn_session(trace, line->text);
			learn_successor(trace, line->text);
		}
		return found;
	}
	for (size_t i = 0; !found && i < trace->count; i++)
		found = has_id(line->text, trace->ids[i]);
	return found;
}

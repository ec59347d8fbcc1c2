#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 1001

/* Atomic: a reload sets them while other threads log. */
static _Atomic(const char *) log_ident = "chatmail";
static _Atomic(enum cm_log_target) log_target = CM_LOG_STDERR;
static atomic_bool log_show_addresses = false;

void cm_log_init(const char *ident, enum cm_log_target target)
{
	log_ident = ident;
	if (target == CM_LOG_SYSLOG && log_target != CM_LOG_SYSLOG)
		openlog(ident, LOG_PID | LOG_NDELAY, LOG_MAIL);
	log_target = target;
}

void cm_log_show_addresses(bool show)
{
	log_show_addresses = show;
}

static const char *priority_name(int priority)
{
	switch (priority) {
	case LOG_ERR:
		return "error: ";
	case LOG_WARNING:
		return "warning: ";
	case LOG_DEBUG:
		return "debug: ";
	default:
		return "";
	}
}

static void write_stderr(int priority, const char *line)
{
	char text[LINE_SIZE + 128];
	char date[32];
	time_t now = time(NULL);
	struct tm tm;
	int length;

	if (gmtime_r(&now, &tm) == NULL || strftime(date, sizeof(date), "%FT%TZ", &tm) == 0)
		date[0] = '\0';
	length = snprintf(text, sizeof(text), "%s %s[%ld]: %s%s\n", date, log_ident, (long)getpid(),
			  priority_name(priority), line);
	if (length < 0)
		return;
	if ((size_t)length >= sizeof(text))
		length = (int)sizeof(text) - 1;
	/* One write, so that lines of several processes do not mix. A failure cannot be
	   reported anywhere. */
	if (write(STDERR_FILENO, text, (size_t)length) < 0)
		return;
}

void cm_log(int priority, const char *format, ...)
{
	char line[LINE_SIZE];
	int saved_errno = errno;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	if ((size_t)length >= sizeof(line))
		memcpy(line + sizeof(line) - 4, "...", 4);
	for (char *byte = line; *byte != '\0'; byte++)
		if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
			*byte = '?';
	if (log_target == CM_LOG_SYSLOG)
		syslog(priority, "%s%s", priority_name(priority), line);
	else
		write_stderr(priority, line);
	errno = saved_errno;
}

const char *cm_log_address(const char *address)
{
	return log_show_addresses ? address : "(hidden)";
}

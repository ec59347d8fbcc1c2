/*
 * log_line - one line of a mail log: of a syslog daemon, of a program's own file, or of journald
 *
 * Clients of the relay choose part of what is in these lines.
 */
#ifndef CM_LOG_LINE_H
#define CM_LOG_LINE_H

#include <stdbool.h>
#include <time.h>

/* More of a line's text is cut off. */
#define CM_LOG_TEXT_MAX 4096

/* No program of the relay has a longer name. */
#define CM_LOG_PROGRAM_MAX 63

enum cm_log_level {
	CM_LOG_LEVEL_INFO,
	CM_LOG_LEVEL_WARNING,
	CM_LOG_LEVEL_ERROR,
};

struct cm_log_line {
	time_t time;
	/* "postfix/smtpd", "dovecot/lmtp", "chatmail-milter" */
	char program[CM_LOG_PROGRAM_MAX + 1];
	long pid; /* 0: not logged */
	enum cm_log_level level;
	char text[CM_LOG_TEXT_MAX + 1]; /* printable ASCII only; '?' stands for the rest */
};

/* Parses a line of a file, which it changes. Dates of syslog have no year: latest, a time after
   which nothing was written, tells which one. False if this is not a line of one of the relay's
   programs. */
bool cm_log_line_parse(char *line, time_t latest, struct cm_log_line *line_r);

/* Likewise a line of "journalctl -o json". */
bool cm_log_line_parse_journal(const char *line, struct cm_log_line *line_r);

#endif

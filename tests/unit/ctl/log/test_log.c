/*
 * test_log - lines of mail logs: how they are read, what is hidden, which belong to one message
 */
#include "support.h"

#include <stdio.h>

#include "log_hide.h"
#include "log_line.h"
#include "log_reader.h"
#include "log_trace.h"

/* 2026-11-26 04:30:00 UTC */
#define NOW 1795667400

static bool parse(const char *text, struct cm_log_line *line)
{
	char *copy = strdup(text);
	bool good = cm_log_line_parse(copy, NOW, line);

	free(copy);
	return good;
}

static void test_forms(void **state)
{
	static const struct {
		const char *line;
		time_t time;
		const char *program;
		long pid;
		enum cm_log_level level;
		const char *text;
	} lines[] = {
	    {"Nov 26 04:27:33 relay postfix/smtps/smtpd[445]: connect from unknown[127.0.0.1]",
	     NOW - 147, "postfix/smtps/smtpd", 445, CM_LOG_LEVEL_INFO,
	     "connect from unknown[127.0.0.1]"},
	    {"2026-11-26T04:27:33.123456+00:00 relay postfix/qmgr[4]: warning: x", NOW - 147,
	     "postfix/qmgr", 4, CM_LOG_LEVEL_WARNING, "warning: x"},
	    {"2026-11-26T05:27:33+01:00 relay dovecot: auth: Error: x", NOW - 147, "dovecot/auth",
	     0, CM_LOG_LEVEL_ERROR, "Error: x"},
	    {"Nov 26 04:27:33 relay mail.err dovecot: lmtp(7)<Ab+/9>: x", NOW - 147, "dovecot/lmtp",
	     7, CM_LOG_LEVEL_ERROR, "<Ab+/9>: x"},
	    {"Nov 26 04:27:33 mail.info chatmail-milter[7]: error: x", NOW - 147, "chatmail-milter",
	     7, CM_LOG_LEVEL_ERROR, "error: x"},
	    {"2026-11-26T04:27:33Z chatmail-milter[221]: 7A64A990A9E: out refused: x", NOW - 147,
	     "chatmail-milter", 221, CM_LOG_LEVEL_INFO, "7A64A990A9E: out refused: x"},
	    {"Nov 26 04:27:33 imap-login: Info: Login: method=PLAIN", NOW - 147,
	     "dovecot/imap-login", 0, CM_LOG_LEVEL_INFO, "Info: Login: method=PLAIN"},
	    {"Nov 26 04:27:33 lmtp(450)<1AsT>: Panic: size=1510", NOW - 147, "dovecot/lmtp", 450,
	     CM_LOG_LEVEL_ERROR, "<1AsT>: Panic: size=1510"},
	    {"Nov 26 04:27:33 imap(anna@relay.test)<5><1AsT>: Info: x", NOW - 147, "dovecot/imap",
	     0, CM_LOG_LEVEL_INFO, "imap(anna@relay.test)<5><1AsT>: Info: x"},
	    {"2026/11/26 04:27:33 [alert] 298#298: x", NOW - 147, "nginx", 298, CM_LOG_LEVEL_ERROR,
	     "[alert] 298#298: x"},
	    /* Syslog's dates have no year: this is the year before. */
	    {"Dec  1 04:30:00 relay opendkim[1]: x", NOW - 360 * 86400, "opendkim", 1,
	     CM_LOG_LEVEL_INFO, "x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct cm_log_line line;

		assert_true(parse(lines[i].line, &line));
		assert_int_equal(line.time, lines[i].time);
		assert_string_equal(line.program, lines[i].program);
		assert_int_equal(line.pid, lines[i].pid);
		assert_int_equal(line.level, lines[i].level);
		assert_string_equal(line.text, lines[i].text);
	}
}

static void test_what_is_not_a_line(void **state)
{
	static const char *const lines[] = {
	    "",
	    "x",
	    "Nov 26 04:27:33",
	    "Nov 26 04:27:33 ",
	    "Nov 26 04:27:33 relay",
	    "Nov 26 04:27:33 relay ",
	    "Nov 26 04:27:33 relay sshd[1]: Accepted password",
	    "Nov 26 04:27:33 relay postfixed[1]: x",
	    "Nov 26 04:27:33 relay postfix/smtpd[]: x",
	    "Nov 26 04:27:33 relay postfix/smtpd[1",
	    "Nov 26 04:27:33 sudo: pam_unix(sudo:session): x",
	    "Nov 66 04:27:33 relay postfix/smtpd[1]: x",
	    "2026-11-26T04:27:33",
	    "2026-11-26T04:27:33+",
	    "2026/11/26 04:27:33 [alert",
	    "2026/11/26 04:27:33 [alert] x",
	    "\tat line 7",
	};
	struct cm_log_line line;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_false(parse(lines[i], &line));
}

static void test_journal(void **state)
{
	struct cm_log_line line;

	(void)state;
	assert_true(cm_log_line_parse_journal(
	    "{\"__REALTIME_TIMESTAMP\":\"1795667253123456\",\"SYSLOG_IDENTIFIER\":\"dovecot\","
	    "\"PRIORITY\":\"3\",\"_PID\":\"9\",\"MESSAGE\":\"imap-login: x\\u001b[2J\\n\"}",
	    &line));
	assert_int_equal(line.time, NOW - 147);
	assert_string_equal(line.program, "dovecot/imap-login");
	assert_int_equal(line.level, CM_LOG_LEVEL_ERROR);
	assert_string_equal(line.text, "x?[2J?");
	/* What our programs write to standard error has date and name. */
	assert_true(cm_log_line_parse_journal(
	    "{\"__REALTIME_TIMESTAMP\":\"1795667253000000\",\"SYSLOG_IDENTIFIER\":\"chatmail-"
	    "milter\","
	    "\"PRIORITY\":\"6\",\"MESSAGE\":\"2026-11-26T04:27:33Z chatmail-milter[2]: error: x\"}",
	    &line));
	assert_int_equal(line.level, CM_LOG_LEVEL_ERROR);
	assert_string_equal(line.text, "error: x");
	/* journalctl prints what is not UTF-8 as numbers, and leaves out what is too long. */
	assert_true(cm_log_line_parse_journal("{\"SYSLOG_IDENTIFIER\":\"postfix/smtpd\","
					      "\"MESSAGE\":[65,255,0,-1,900,66]}",
					      &line));
	assert_string_equal(line.text, "A????B");
	assert_true(cm_log_line_parse_journal(
	    "{\"SYSLOG_IDENTIFIER\":\"postfix/smtpd\",\"MESSAGE\":null}", &line));
	assert_string_equal(line.text, "(a line that is too long)");
	assert_false(cm_log_line_parse_journal("{\"MESSAGE\":\"x\"}", &line));
	assert_false(cm_log_line_parse_journal("[]", &line));
	assert_false(cm_log_line_parse_journal("{\"MESSAGE\":", &line));
}

static void test_hidden(void **state)
{
	static const struct {
		const char *text, *hidden;
	} lines[] = {
	    {"connect from dsl-192-0-2-1.isp.test[192.0.2.1]", "connect from (hidden)"},
	    {"4F: client=laptop.anna.test[2001:db8::1]:4711, sasl_username=anna@relay.test",
	     "4F: client=(hidden):4711, sasl_username=(hidden)"},
	    {"4F: client=x[192.0.2.1], sasl_username=anna",
	     "4F: client=(hidden), sasl_username=(hidden)"},
	    {"reject from=<anna> to=<b@c.test> proto=ESMTP helo=<annas-laptop>",
	     "reject from=<(hidden)> to=<(hidden)> proto=ESMTP helo=<(hidden)>"},
	    {"connect to mx.peer.test[192.0.2.7]:25: Connection refused",
	     "connect to mx.peer.test[(hidden)]:25: Connection refused"},
	    {"relay=mx.peer.test[192.0.2.7]:25, (host mx.peer.test[192.0.2.7] said: 4",
	     "relay=mx.peer.test[(hidden)]:25, (host mx.peer.test[(hidden)] said: 4"},
	    {"relay=relay.test[private/dovecot-lmtp], dsn=2.0.0",
	     "relay=relay.test[private/dovecot-lmtp], dsn=2.0.0"},
	    {"imap(anna)<7><x/y+z>: Error: x", "imap((hidden))<7><x/y+z>: Error: x"},
	    {"Error: chatmail(anna,192.0.2.1,<x>): y", "Error: chatmail((hidden),(hidden),<x>): y"},
	    {"Info: Login aborted (auth failed, 1 attempts in 0 secs): user=<anna>, rip=192.0.2.1",
	     "Info: Login aborted (auth failed, 1 attempts in 0 secs): user=<(hidden)>, "
	     "rip=(hidden)"},
	    {"[alert] 298#298: setrlimit(RLIMIT_NOFILE, 65536) failed (1: x)",
	     "[alert] 298#298: setrlimit(RLIMIT_NOFILE, 65536) failed (1: x)"},
	    {"[error] 7#7: *1 limiting requests, client: 192.0.2.1, server: relay.test",
	     "[error] 7#7: *1 limiting requests, client: (hidden), server: relay.test"},
	    {"stat(/home/vmail/mail/relay.test/anna@relay.test/cur) failed",
	     "stat(/home/vmail/mail/relay.test/(hidden)/cur) failed"},
	    {"from=<>, size=1", "from=<>, size=1"},
	    {"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *hidden = cm_log_hide(lines[i].text);

		assert_string_equal(hidden, lines[i].hidden);
		free(hidden);
	}
}

static bool visit(struct cm_log_trace *trace, const char *text)
{
	struct cm_log_line line = {.time = NOW};

	snprintf(line.text, sizeof(line.text), "%s", text);
	return cm_log_trace_visit(trace, &line);
}

static void test_trace(void **state)
{
	static const char session[] = "<1AsTAja1B2vCAQAAg+zDdQ>: Info: saved mail to INBOX";
	struct cm_log_trace trace;
	struct cm_error err;

	(void)state;
	assert_true(cm_log_trace_init(&trace, "<90ea@localhost>", &err));
	assert_false(visit(&trace, "E9D15990A9B: client=unknown[127.0.0.1]"));
	assert_true(visit(&trace, "E9D15990A9B: message-id=<90ea@localhost>"));
	assert_true(visit(&trace, "E9D15990A9B: client=unknown[127.0.0.1]"));
	assert_true(visit(&trace, "warning: E9D15990A9B: queue file size limit exceeded"));
	assert_false(visit(&trace, "XE9D15990A9B: client=unknown[127.0.0.1]"));
	assert_false(visit(&trace, session));
	assert_true(visit(&trace, "E9D15990A9B: to=<a@relay.test>, status=sent (250 2.0.0 "
				  "<a@relay.test> 1AsTAja1B2vCAQAAg+zDdQ Saved)"));
	assert_true(visit(&trace, session));
	assert_true(visit(&trace, "E9D15990A9B: sender non-delivery notification: 4gYqRz3xWzz1"));
	assert_true(visit(&trace, "4gYqRz3xWzz1: from=<>, size=2"));
	/* The ID of another message counts, whatever a client put into its lines. */
	assert_false(visit(&trace, "7A64A990A9E: helo=<E9D15990A9B>"));
	assert_false(visit(&trace, "7A64A990A9E: message-id=<x90ea@localhost>"));
	assert_false(visit(&trace, "7A64A990A9E: queued as E9D15990A9B"));
	assert_false(visit(&trace, "7A64A990A9E: removed"));
}

static void test_ids(void **state)
{
	static const char *const wrong[] = {"",           "4F", "warning",
					    "4F*9D15990", "<>", "1AsTAja1B2vCAQAAg+zDdQ"};
	struct cm_log_trace trace;
	struct cm_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(cm_log_trace_init(&trace, wrong[i], &err));
	assert_true(cm_log_trace_init(&trace, "4gYqRz3xWzz1", &err));
}

/* A message with any number of recipients is followed to the first sessions. */
static void test_bounded_trace(void **state)
{
	struct cm_log_trace trace;
	struct cm_error err;
	char text[200];

	(void)state;
	assert_true(cm_log_trace_init(&trace, "E9D15990A9B", &err));
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "E9D15990A9B: status=sent (250 2.0.0 <a@b> S%d Saved)",
			 100000 + i);
		assert_true(visit(&trace, text));
	}
	assert_int_equal(trace.count, CM_LOG_TRACE_MAX);
}

static void test_reader(void **state)
{
	static struct cm_log_reader reader;
	int ends[2];
	char *line;
	FILE *writer;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	writer = fdopen(ends[1], "w");
	reader.stream = fdopen(ends[0], "r");
	fwrite("a\0b\n\nrest", 1, 9, writer);
	fclose(writer);
	assert_string_equal(cm_log_reader_next(&reader, false), "a?b");
	assert_string_equal(cm_log_reader_next(&reader, false), "");
	assert_null(cm_log_reader_next(&reader, false));
	line = cm_log_reader_next(&reader, true);
	assert_string_equal(line, "rest");
	assert_null(cm_log_reader_next(&reader, true));
	fclose(reader.stream);
}

static void test_long_line(void **state)
{
	static struct cm_log_reader reader;
	FILE *file = tmpfile();

	(void)state;
	for (int i = 0; i < 3 * CM_LOG_LINE_MAX; i++)
		fputc('x', file);
	fputs("\nshort\n", file);
	rewind(file);
	reader.stream = file;
	assert_int_equal(strlen(cm_log_reader_next(&reader, false)), CM_LOG_LINE_MAX);
	assert_string_equal(cm_log_reader_next(&reader, false), "short");
	fclose(file);
}

/* Whatever stands in a log: nothing but printable ASCII comes out, and the sanitizers are content.
 */
static void test_hostile_bytes(void **state)
{
	static const char start[] = "Nov 26 04:27:33 relay postfix/smtpd[1]: helo=<";
	static const char bytes[] = "\x1b\x9b\xff\x7f\t@[](<>,=:A1";
	char raw[6000];
	unsigned int random = 1;
	struct cm_log_line line;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		size_t kept = round % (int)sizeof(start),
		       length = kept + (size_t)(round * 7) % 5000;
		char *hidden;

		memcpy(raw, start, kept);
		for (size_t i = kept; i < length; i++) {
			random = random * 1103515245 + 12345;
			raw[i] = bytes[(random >> 16) % (sizeof(bytes) - 1)];
		}
		raw[length] = '\0';
		if (!cm_log_line_parse(raw, NOW, &line))
			continue;
		for (const char *byte = line.text; *byte != '\0'; byte++)
			assert_in_range(*byte, 0x20, 0x7e);
		hidden = cm_log_hide(line.text);
		assert_non_null(hidden);
		assert_null(strchr(hidden, '@'));
		free(hidden);
	}
}

static int use_utc(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forms),         cmocka_unit_test(test_what_is_not_a_line),
	    cmocka_unit_test(test_journal),       cmocka_unit_test(test_hidden),
	    cmocka_unit_test(test_trace),         cmocka_unit_test(test_ids),
	    cmocka_unit_test(test_bounded_trace), cmocka_unit_test(test_reader),
	    cmocka_unit_test(test_long_line),     cmocka_unit_test(test_hostile_bytes),
	};

	return cmocka_run_group_tests(tests, use_utc, NULL);
}

/*
 * test_redact - removing addresses from log lines of other programs
 */
#include "support.h"

#include "redact.h"

static void test_lines(void **state)
{
	static const struct {
		const char *text, *redacted;
	} lines[] = {
	    {"", ""},
	    {"no address", "no address"},
	    {"a@b.test", "(hidden)"},
	    {"auth: chatmail(a.b-c+d@relay.test,192.0.2.1,<x/y+z>): Unknown scheme X",
	     "auth: chatmail((hidden),(hidden),<x/y+z>): Unknown scheme X"},
	    {"chatmail(a@[192.0.2.1],2001:db8::1): x", "chatmail((hidden),(hidden)): x"},
	    {"a@[IPv6:2001:db8::1] b", "(hidden) b"},
	    {"stat(/home/vmail/mail/relay.test/a@relay.test/cur) failed: x",
	     "stat(/home/vmail/mail/relay.test/(hidden)/cur) failed: x"},
	    {"user=a@relay.test b", "(hidden) b"},
	    {"<a@b.test>, <c@d.test>", "<(hidden)>, <(hidden)>"},
	    {"a@b@c.test.", "(hidden)"},
	    {"\303\274@b.test", "(hidden)"},
	    {"@", "(hidden)"},
	    {"a@", "(hidden)"},
	    {"a @ b", "a (hidden) b"},
	    {"a@[unclosed b", "(hidden)[unclosed b"},
	    {"from 192.0.2.1: refused", "from (hidden): refused"},
	    {"from 192.0.2.1.", "from (hidden)."},
	    {"192.0.2.1:993", "(hidden):993"},
	    {"[2001:db8::1]:993", "[(hidden)]:993"},
	    {"rip=2001:db8::1", "rip=(hidden)"},
	    {"rip=::1, lip=::", "rip=(hidden), lip=::"},
	    {"::ffff:192.0.2.1", "(hidden)"},
	    {"at 12:30:45 of 2.4.1", "at 12:30:45 of 2.4.1"},
	    {"0x1f.2.3.4", "0x1f.2.3.4"},
	    {"v1.2.3.4", "v1.2.3.4"},
	    {"imap(4242)<Yk/3+w>: face", "imap(4242)<Yk/3+w>: face"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *redacted = cm_redact(lines[i].text);

		assert_string_equal(redacted, lines[i].redacted);
		free(redacted);
	}
}

static void test_growth(void **state)
{
	char text[1000], *redacted;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 == 0 ? '@' : ' ';
	text[sizeof(text) - 1] = '\0';
	redacted = cm_redact(text);
	assert_non_null(redacted);
	assert_int_equal(strlen(redacted), 500 * strlen(CM_REDACTED) + 499);
	free(redacted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_from_header - the single address of a From header
 */
#include "support.h"

#include "from_header.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static const struct {
	const char *value;
	const char *address; /* NULL: none */
} from_cases[] = {
    {"alice@relay.test", "alice@relay.test"},
    {" \t<Alice@Relay.TEST> ", "alice@relay.test"},
    {"Alice <alice@relay.test>", "alice@relay.test"},
    {"Alice B. Carol <alice@relay.test>", "alice@relay.test"},
    {"\"a@b.test\" <alice@relay.test>", "alice@relay.test"},
    {"\"a \\\" <b@c.test>\" <alice@relay.test>", "alice@relay.test"},
    {"\r\n\t\"A\"\n <alice@relay.test>\r\n ", "alice@relay.test"},
    {"a@[192.0.2.1]", "a@[192.0.2.1]"},
    {"<a@[IPv6:2001:db8::1]>", "a@[ipv6:2001:db8::1]"},
    {"a@[IPv6:2001:db8::1]", "a@[ipv6:2001:db8::1]"},
    {"(x)alice@relay.test(y(z))", "alice@relay.test"},
    {"A (x) B <alice@relay.test> (\\))", "alice@relay.test"},
    {"(a.b - c/d!) alice@relay.test", "alice@relay.test"},
    {"\xc3\x84 <alice@relay.test>", "alice@relay.test"},
    {"\"A,\n B\" <alice@relay.test>", "alice@relay.test"},
    {"\"A,\r\n\tB\r\n \" <alice@relay.test>", "alice@relay.test"},
    {"\"\n A\\\"\" <alice@relay.test>", "alice@relay.test"},
    {"alice@relay.test <Alice@relay.test>", "alice@relay.test"},
    {"alice@relay.test\n <alice@relay.test>", "alice@relay.test"},
    {"\"alice\"@relay.test <alice@relay.test>", "alice@relay.test"},
    {"a..b.@[192.0.2.1]", "a..b.@[192.0.2.1]"},
    {"a. <..b@c.test>", "..b@c.test"},
    {"\"a..b\"@[192.0.2.1]", "a..b@[192.0.2.1]"},
    {"A <\"a..b\"@[192.0.2.1]>", "a..b@[192.0.2.1]"},
    {"a@xn--mller-kva.test", "a@xn--mller-kva.test"},
    {"", NULL},
    {" ", NULL},
    {"<>", NULL},
    {"Alice", NULL},
    {"Alice <>", NULL},
    {"alice@relay.test, b@c.test", NULL},
    {"a@b.test <alice@relay.test>", NULL},
    {"alice@relay.test <alice@relay.test> <alice@relay.test>", NULL},
    {"alice@relay.test (x) <b@c.test>", NULL},
    {"alice@relay.test alice@relay.test", NULL},
    {"\"a b\"@c.test", NULL},
    {"\"a@b\"@c.test", NULL},
    {"\"a..b\n\"@c.test", NULL},
    {"\"A\n\n B\" <alice@relay.test>", NULL},
    {"\"A\n \n B\" <alice@relay.test>", NULL},
    {"\"A\r B\" <alice@relay.test>", NULL},
    {"A: alice@relay.test;", NULL},
    {"A: B <alice@relay.test>;", NULL},
    {"\"A\" alice@relay.test", NULL},
    {"alice@relay.test \"A\"", NULL},
    {"<alice@relay.test>x", NULL},
    {"=?utf-8?q?a?=@relay.test", NULL},
    {"Alice <a=?utf-8?q?b?=c@relay.test>", NULL},
    {"a=b@c.test", "a=b@c.test"},
    {"<alice@relay.test>;", NULL},
    {"<alice(x)@relay.test>", NULL},
    {"alice(x)@relay.test", NULL},
    {"[192.0.2.1] <alice@relay.test>", NULL},
    {"A\nB <alice@relay.test>", NULL},
    {"A\rB <alice@relay.test>", NULL},
    {"\"A\nB\" <alice@relay.test>", NULL},
    {"A\\B <alice@relay.test>", NULL},
    {"\"A\" <alice@relay.test> \"B\"", NULL},
    {"\"A <alice@relay.test>", NULL},
    {".A <alice@relay.test>", NULL},
    {".a <..b@c.test>", NULL},
    {". \"A\" <alice@relay.test>", NULL},
    {"(A) .\"A\" <alice@relay.test>", NULL},
    {".\"a@[](\"<alice@relay.test>", NULL},
    {"\"A\\", NULL},
    {"(A <alice@relay.test>", NULL},
    /* what a reader without support for comments would see */
    {"(<a@b.test>, ) alice@relay.test", NULL},
    {"(a@b.test) alice@relay.test", NULL},
    {"(a, b) alice@relay.test", NULL},
    {"(a: b) alice@relay.test", NULL},
    {"alice@relay.test (;)", NULL},
    {"alice@relay.test (<)", NULL},
    {"A (x (y>)) <alice@relay.test>", NULL},
    {"A (\") <alice@relay.test> (\")", NULL},
    {"(A\\", NULL},
};

static void from_has_one_address(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(from_cases); i++) {
		struct cm_address address;
		const char *why = cm_from_parse(from_cases[i].value, &address);

		if (from_cases[i].address == NULL
			? why == NULL
			: why != NULL || strcmp(address.text, from_cases[i].address) != 0)
			fail_msg("%s: %s", from_cases[i].value, why != NULL ? why : address.text);
	}
}

static void a_long_from_is_refused(void **state)
{
	char value[CM_FROM_MAX + 2];
	struct cm_address address;

	(void)state;
	memset(value, ' ', sizeof(value));
	memcpy(value, "a@b.test", 8);
	value[CM_FROM_MAX] = '\0';
	assert_null(cm_from_parse(value, &address));
	value[CM_FROM_MAX] = ' ';
	value[CM_FROM_MAX + 1] = '\0';
	assert_non_null(cm_from_parse(value, &address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(from_has_one_address),
	    cmocka_unit_test(a_long_from_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

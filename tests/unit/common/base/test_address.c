/*
 * test_address - valid and invalid addresses
 */
#include "support.h"

#include "address.h"

struct expectation {
	const char *text;
	const char *normal; /* NULL: not an address */
};

static const struct expectation addresses[] = {
    {"user@relay.test", "user@relay.test"},
    {"User.Name-1_x@Relay.TEST", "user.name-1_x@relay.test"},
    {"u@[192.0.2.1]", "u@[192.0.2.1]"},
    {"u@[IPv6:2001:DB8::1]", "u@[ipv6:2001:db8::1]"},
    {"u@_relay.test", "u@_relay.test"},
    {"u@localhost", "u@localhost"},
    {"a+b=c@x.test", "a+b=c@x.test"},
    {"SRS0=HHH=TT=d.test=l@f.test", "srs0=hhh=tt=d.test=l@f.test"},
    {".a..b.@x.test", ".a..b.@x.test"},
    {"gr\xc3\xbc\xc3\x9f"
     "e@x.test",
     "gr\xc3\xbc\xc3\x9f"
     "e@x.test"},
    {"u@b\xc3\xbc"
     "cher.test",
     "u@b\xc3\xbc"
     "cher.test"},
    {"", NULL},
    {"@", NULL},
    {"user", NULL},
    {"@relay.test", NULL},
    {"user@", NULL},
    {"a@b@c.test", NULL},
    {"a/b@relay.test", NULL},
    {"../../etc@relay.test", NULL},
    {"u@relay/../x", NULL},
    {"a b@relay.test", NULL},
    {" a@relay.test", NULL},
    {"a@relay.test ", NULL},
    {"a\t@relay.test", NULL},
    {"a\x01@relay.test", NULL},
    {"a\x7f@relay.test", NULL},
    {"\"a b\"@relay.test", NULL},
    {"a\\b@relay.test", NULL},
    {"a@relay..test", NULL},
    {"a@.relay.test", NULL},
    {"a@relay.test.", NULL},
    {"a@-relay.test", NULL},
    {"a@relay-.test", NULL},
    {"a@relay-", NULL},
    {"a@re:lay.test", NULL},
    {"a@[192.0.2.256]", NULL},
    {"a@[192.0.2.1", NULL},
    {"a@192.0.2.1]", NULL},
    {"a@[]", NULL},
    {"a@[IPv6:]", NULL},
    {"a@[IPv6:12345::1]", NULL},
    {"a@[relay.test]", NULL},
    {"a,b@relay.test", NULL},
    {"<a@relay.test>", NULL},
    {"a(c)@relay.test", NULL},
    {"\xff@relay.test", NULL},
    {"\xc3@relay.test", NULL},
    {"\xc0\xaf@relay.test", NULL},
    {"\xc2\x85@relay.test", NULL},
    {"\xed\xa0\x80@relay.test", NULL},
    {"\xf4\x90\x80\x80@relay.test", NULL},
    /* Unicode's spaces, marks without a glyph, and forms of ASCII characters */
    {"a@bank.test\xc2\xa0.relay.test", NULL},
    {"a@bank.test\xe2\x80\xa8.relay.test", NULL},
    {"a@bank.test\xe3\x80\x80relay.test", NULL},
    {"a@bank.test\xef\xbc\x9e.relay.test", NULL},
    {"a@bank\xef\xbc\x8etest.relay.test", NULL},
    {"a\xe2\x80\x83"
     "b@relay.test",
     NULL},
    {"a\xe2\x80\x8b@relay.test", NULL},
    {"\xe2\x80\xae"
     "a@relay.test",
     NULL},
    {"a\xef\xbc\xa0"
     "bank.test@relay.test",
     NULL},
    {"a\xc2\xad@relay.test", NULL},
    {"a\xee\x80\x80@relay.test", NULL},
    {"a\xf3\xa0\x80\xa0@relay.test", NULL},
    {"\xd0\xb8\xd0\xbc\xd1\x8f@\xe4\xbe\x8b.test", "\xd0\xb8\xd0\xbc\xd1\x8f@\xe4\xbe\x8b.test"},
    {"\xf0\x90\x8d\x88@\xe0\xa4\x89.test", "\xf0\x90\x8d\x88@\xe0\xa4\x89.test"},
    {"\xed\x95\x9c@\xe3\x81\xaa\xe3\x80\x85.test", "\xed\x95\x9c@\xe3\x81\xaa\xe3\x80\x85.test"},
};

/* Quotes around a local part that is valid without them. */
static const struct expectation quoted[] = {
    {"\"user\"@relay.test", "user@relay.test"},
    {"\".a..B.\"@Relay.test", ".a..b.@relay.test"},
    {"\"us\\er\"@relay.test", "user@relay.test"},
    {"user@relay.test", "user@relay.test"},
    {"", NULL},
    {"\"", NULL},
    {"\"user", NULL},
    {"\"user\\", NULL},
    {"\"user\\\"@relay.test", NULL},
    {"\"user\"", NULL},
    {"\"user\"relay.test", NULL},
    {"\"\"@relay.test", NULL},
    {"\"a b\"@relay.test", NULL},
    {"\"a@b\"@relay.test", NULL},
    {"\"a\\@b\"@relay.test", NULL},
    {"\"a/b\"@relay.test", NULL},
    {"\"a\"b@relay.test", NULL},
    {"\"a\".\"b\"@relay.test", NULL},
    {"\"a\"@b@relay.test", NULL},
};

static void test_parse_quoted(void **state)
{
	struct cm_address address;

	(void)state;
	for (size_t i = 0; i < sizeof(quoted) / sizeof(quoted[0]); i++) {
		bool good =
		    cm_address_parse_quoted(quoted[i].text, strlen(quoted[i].text), &address);

		if (good != (quoted[i].normal != NULL) ||
		    (good && strcmp(address.text, quoted[i].normal) != 0))
			fail_msg("%s: %s", quoted[i].text, good ? address.text : "no address");
	}
}

static void test_parse(void **state)
{
	struct cm_address address;

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		const struct expectation *expected = &addresses[i];
		bool good = cm_address_parse(expected->text, strlen(expected->text), &address);

		if (good != (expected->normal != NULL))
			fail_msg("'%s' is %s", expected->text, good ? "accepted" : "refused");
		if (good)
			assert_string_equal(address.text, expected->normal);
	}
}

static void test_nul_and_length(void **state)
{
	char text[CM_ADDRESS_MAX + 8];
	struct cm_address address;

	(void)state;
	assert_false(cm_address_parse("a\0b@relay.test", 14, &address));
	assert_false(cm_address_parse("a@relay\0.test", 13, &address));

	memset(text, 'a', sizeof(text));
	memcpy(text + CM_ADDRESS_LOCAL_MAX, "@b.test", 7);
	assert_true(cm_address_parse(text, CM_ADDRESS_LOCAL_MAX + 7, &address));
	memset(text, 'a', sizeof(text));
	memcpy(text + CM_ADDRESS_LOCAL_MAX + 1, "@b.test", 7);
	assert_false(cm_address_parse(text, CM_ADDRESS_LOCAL_MAX + 8, &address));

	/* labels of 63 bytes at most, and CM_ADDRESS_MAX in all */
	memset(text, 'a', sizeof(text));
	text[1] = '@';
	for (size_t dot = 2 + 60; dot < sizeof(text); dot += 61)
		text[dot] = '.';
	assert_true(cm_address_parse(text, CM_ADDRESS_MAX, &address));
	assert_int_equal(strlen(address.text), CM_ADDRESS_MAX);
	assert_false(cm_address_parse(text, CM_ADDRESS_MAX + 1, &address));
	memset(text, 'a', 70);
	text[1] = '@';
	assert_true(cm_address_parse(text, 2 + 60, &address));
	text[62] = 'a';
	assert_false(cm_domain_valid(text + 2, 64));
	assert_true(cm_domain_valid(text + 2, 63));
}

static void test_path_and_parts(void **state)
{
	struct cm_address a, b;

	(void)state;
	assert_true(cm_address_parse_path("<A@Relay.test>", &a));
	assert_true(cm_address_parse_path("a@relay.test", &b));
	assert_true(cm_address_equal(&a, &b));
	assert_string_equal(cm_address_domain(&a), "relay.test");
	assert_int_equal(a.local_length, 1);
	assert_false(cm_address_is_literal(&a));
	assert_true(cm_address_parse_path("<a@[192.0.2.1]>", &b));
	assert_true(cm_address_is_literal(&b));
	assert_false(cm_address_equal(&a, &b));
	assert_false(cm_address_parse_path("<>", &a));
	assert_false(cm_address_parse_path("", &a));
	assert_false(cm_address_parse_path("<a@relay.test", &a));
	assert_false(cm_address_parse_path("<@route:a@relay.test>", &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_parse_quoted),
	    cmocka_unit_test(test_nul_and_length),
	    cmocka_unit_test(test_path_and_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

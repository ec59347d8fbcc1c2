/*
 * test_public_ip - addresses that are reachable from everywhere, and others
 */
#include "support.h"

#include "public_ip.h"

static const char *const public_ones[] = {
    "1.1.1.1",         "9.255.255.255",    "11.0.0.0",        "100.63.255.255",  "100.128.0.0",
    "172.15.255.255",  "172.32.0.0",       "192.0.2.1",       "192.167.0.1",     "198.17.255.255",
    "198.20.0.0",      "198.51.100.1",     "203.0.113.1",     "223.255.255.255", "2001:db8::1",
    "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1", "3fff::1",
};

static const char *const others[] = {
    "0.0.0.0",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.9.9.9",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:1.1.1.1",
    "::ffff:10.0.0.1",
    "fe80::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
    "2002:7f00:1::",
    "2001:0:1::1",
    "::1.1.1.1",
    "",
    "relay.example",
    "1.1.1",
    "[1.1.1.1]",
    "1.1.1.1 ",
};

static void addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(public_ones) / sizeof(public_ones[0]); i++) {
		if (!cm_public_ip_text(public_ones[i]))
			fail_msg("%s", public_ones[i]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (cm_public_ip_text(others[i]))
			fail_msg("%s", others[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(addresses)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

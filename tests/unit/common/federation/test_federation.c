/*
 * test_federation - the domains with which mail is exchanged
 */
#include "support.h"

#include "federation.h"

static const struct {
	const char *domain;
	bool open, listed; /* is it allowed? */
} cases[] = {
    {"relay.example", true, true},     {"friend.example", true, true},
    {"a.friends.example", true, true}, {"friends.example", true, false},
    {"[192.0.2.1]", true, true},       {"[192.0.2.2]", true, false},
    {"stranger.example", true, false}, {"foe.example", false, false},
    {"both.example", false, false},    {"a.foe.example", true, false},
    {"forgiven.example", true, false}, {"guest.example", true, true},
    {"former.example", true, false},
};

static void check(void **state, enum cm_federation_mode mode)
{
	char *allow = test_path(*state, "allow"), *deny = test_path(*state, "deny");
	const struct cm_config config = {
	    .mail_domain = (char *)"relay.example",
	    .federation = mode,
	    .federation_allow_file = allow,
	    .federation_deny_file = deny,
	};
	struct cm_federation *federation = cm_federation_new(&config);

	test_write_text(*state, "allow",
			"friend.example # we met\n.friends.example\n[192.0.2.1]\nboth.example\n"
			"guest.example until 2999-12-31\nformer.example until 2020-02-29\n");
	test_write_text(*state, "deny",
			"Foe.example\nboth.example\nforgiven.example until 2020-01-01\n");
	assert_non_null(federation);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool expected = mode == CM_FEDERATION_OPEN ? cases[i].open : cases[i].listed;

		if (cm_federation_allows(federation, cases[i].domain) != expected)
			fail_msg("%s", cases[i].domain);
	}
	cm_federation_free(&federation);
	assert_null(federation);
	free(allow);
	free(deny);
}

static void open_denies_the_denied(void **state)
{
	check(state, CM_FEDERATION_OPEN);
}

static void listed_allows_the_allowed(void **state)
{
	check(state, CM_FEDERATION_LISTED);
}

static void the_mode_may_change(void **state)
{
	struct cm_config config = {
	    .mail_domain = (char *)"relay.example",
	    .federation_allow_file = (char *)"",
	    .federation_deny_file = (char *)"",
	};
	struct cm_config listed = config;
	struct cm_federation *old = cm_federation_new(&config), *renewed;

	(void)state;
	listed.federation = CM_FEDERATION_LISTED;
	renewed = cm_federation_renew(old, &listed);
	assert_true(cm_federation_allows(old, "stranger.example"));
	assert_false(cm_federation_allows(renewed, "stranger.example"));
	assert_true(cm_federation_allows(renewed, "relay.example"));
	cm_federation_free(&old);
	assert_false(cm_federation_allows(renewed, "stranger.example"));
	cm_federation_free(&renewed);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, test_directory_setup, test_directory_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(open_denies_the_denied),
	    TEST(listed_allows_the_allowed),
	    TEST(the_mode_may_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

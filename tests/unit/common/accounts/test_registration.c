/*
 * test_registration - the rules for new accounts, and their order
 */
#include "support.h"

#include "registration.h"

#define NOW (UINT64_C(2000000000) * 1000)

/* Limits that this machine cannot exceed. */
#define PLENTY "max_load_1m = 100000\nmin_available_memory = 1M\nmin_free_disk_space = 1M\n"

static enum cm_registration check(const char *directory, const char *ini, const char *name,
				  const char *password)
{
	struct cm_config *config = test_config(directory, ini);
	struct cm_source source = {.length = 0};
	struct cm_error err = {""};
	struct cm_limits *limits = cm_limits_open(directory, &err);
	enum cm_registration result;
	struct cm_address address;

	assert_non_null(limits);
	assert_true(cm_address_parse(name, strlen(name), &address));
	result = cm_registration_check(config, limits, &address, password, &source, NOW, &err);
	cm_limits_close(&limits);
	cm_config_free(&config);
	return result;
}

static void assert_name(void **state, const char *ini, const char *name, bool valid)
{
	assert_int_equal(check(*state, ini, name, "a password"),
			 valid ? CM_REGISTRATION_ALLOWED : CM_REGISTRATION_REFUSED_NAME);
}

static void test_names(void **state)
{
	assert_name(state, PLENTY, "abcdefghi@relay.test", true);
	assert_name(state, PLENTY, "ABCDEFGHI@relay.test", true);
	assert_name(state, PLENTY, "a-b_c.123@relay.test", true);
	assert_name(state, PLENTY, ".-_abc123@relay.test", true);
	assert_name(state, PLENTY, "-abcdefgh@relay.test", false);
	assert_name(state, PLENTY, "abcdefgh@relay.test", false);
	assert_name(state, PLENTY, "abcdefghij@relay.test", false);
	assert_name(state, PLENTY, "abcdefg+i@relay.test", false);
	assert_name(state, PLENTY, "abcdefg\xc3\xa4@relay.test", false);
	assert_name(state, PLENTY "username_min_length = 1\nusername_max_length = 64\n",
		    "a@relay.test", true);
	assert_name(state, PLENTY "username_min_length = 1\nusername_max_length = 64\n",
		    "1234567890123456789012345678901234567890123456789012345678901234@relay.test",
		    true);
}

/* A stranger with such a name could act for the relay, or get a certificate for its domain. */
static void test_role_names(void **state)
{
	static const char any_length[] =
	    PLENTY "username_min_length = 1\nusername_max_length = 64\n";

	assert_name(state, PLENTY, "webmaster@relay.test", false);
	assert_name(state, PLENTY, "WebMaster@relay.test", false);
	assert_name(state, PLENTY, "webmastes@relay.test", true);
	assert_name(state, any_length, "postmaster@relay.test", false);
	assert_name(state, any_length, "hostmaster@relay.test", false);
	assert_name(state, any_length, "administrator@relay.test", false);
	assert_name(state, any_length, "admin@relay.test", false);
	assert_name(state, any_length, "abuse@relay.test", false);
	assert_name(state, any_length, "mailer-daemon@relay.test", false);
	assert_name(state, any_length, "admin2@relay.test", true);
	assert_name(state, any_length, "admi@relay.test", true);
}

static void test_passwords(void **state)
{
	char password[CM_PASSWORD_MAX + 2];

	memset(password, 'x', sizeof(password));
	password[CM_PASSWORD_MAX + 1] = '\0';
	assert_int_equal(check(*state, PLENTY, "abcdefghi@relay.test", password),
			 CM_REGISTRATION_REFUSED_PASSWORD);
	password[CM_PASSWORD_MAX] = '\0';
	assert_int_equal(check(*state, PLENTY, "abcdefghi@relay.test", password),
			 CM_REGISTRATION_ALLOWED);
	password[9] = '\0';
	assert_int_equal(check(*state, PLENTY, "abcdefghi@relay.test", password),
			 CM_REGISTRATION_ALLOWED);
	password[8] = '\0';
	assert_int_equal(check(*state, PLENTY, "abcdefghi@relay.test", password),
			 CM_REGISTRATION_REFUSED_PASSWORD);
	/* eight characters of two bytes each count as eight, nine as nine */
	assert_int_equal(check(*state, PLENTY, "abcdefghi@relay.test",
			       "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"),
			 CM_REGISTRATION_REFUSED_PASSWORD);
	assert_int_equal(check(*state, PLENTY, "abcdefghi@relay.test",
			       "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
			       "\xc3\xa4"),
			 CM_REGISTRATION_ALLOWED);
}

static void test_modes(void **state)
{
	static const char name[] = "abcdefghi@relay.test", password[] = "a password";

	assert_int_equal(check(*state, PLENTY "registration = closed\n", name, password),
			 CM_REGISTRATION_REFUSED_CLOSED);
	assert_int_equal(check(*state, PLENTY "registration = invite\n", name, password),
			 CM_REGISTRATION_REFUSED_INVITE);
	assert_int_equal(check(*state, PLENTY "registration = open\n", name, password),
			 CM_REGISTRATION_ALLOWED);
}

/* Delta Chat's mark of an account that its user did not request: 23 letters and digits. */
static void test_automatic_accounts(void **state)
{
	static const char name[] = "abcdefghi@relay.test";
	static const char automatic[] = "abcdefghijklmnopqrsTUV9",
			  chosen[] = "abcdefghijklmnopqrsTUV";

	assert_true(cm_registration_is_automatic(automatic));
	assert_false(cm_registration_is_automatic(chosen));
	assert_false(cm_registration_is_automatic("abcdefghijklmnopqrsTUV-"));
	assert_false(cm_registration_is_automatic("abcdefghijklmnopqrsTUV99"));
	assert_int_equal(check(*state, PLENTY, name, automatic), CM_REGISTRATION_ALLOWED);
	assert_int_equal(check(*state, PLENTY "automatic_accounts = false\n", name, automatic),
			 CM_REGISTRATION_REFUSED_AUTOMATIC);
	assert_int_equal(check(*state, PLENTY "automatic_accounts = false\n", name, chosen),
			 CM_REGISTRATION_ALLOWED);
}

static void test_every_refusal_has_a_sentence(void **state)
{
	(void)state;
	assert_null(cm_registration_sentence(CM_REGISTRATION_ALLOWED));
	for (int result = CM_REGISTRATION_ALLOWED + 1; result <= CM_REGISTRATION_TROUBLE;
	     result++) {
		const char *sentence = cm_registration_sentence((enum cm_registration)result);

		assert_non_null(sentence);
		assert_int_equal(sentence[strlen(sentence) - 1], '.');
		/* Clients interpret this word as a wrong password. */
		assert_null(strcasestr(sentence, "authentication"));
	}
}

/* Refusals for other reasons do not count for the rates. */
static void test_order(void **state)
{
	static const char ini[] = PLENTY "max_new_accounts_per_minute = 1\n";

	for (int i = 0; i < 5; i++) {
		assert_int_equal(check(*state, ini, "short@relay.test", "a password"),
				 CM_REGISTRATION_REFUSED_NAME);
		assert_int_equal(check(*state, ini, "abcdefghi@relay.test", "short"),
				 CM_REGISTRATION_REFUSED_PASSWORD);
		assert_int_equal(check(*state,
				       "max_load_1m = 100000\nmin_available_memory = 90000G\n",
				       "abcdefghi@relay.test", "a password"),
				 CM_REGISTRATION_REFUSED_MEMORY);
	}
	assert_int_equal(check(*state, ini, "abcdefghi@relay.test", "a password"),
			 CM_REGISTRATION_ALLOWED);
	assert_int_equal(check(*state, ini, "abcdefghj@relay.test", "a password"),
			 CM_REGISTRATION_REFUSED_RATE);
}

static void test_without_rates(void **state)
{
	struct cm_source source = {.length = 0};
	struct cm_error err = {""};
	struct cm_config *config = test_config(*state, PLENTY);

	assert_int_equal(cm_registration_check_limits(config, NULL, &source, NOW, &err),
			 CM_REGISTRATION_TROUBLE);
	assert_true(err.text[0] != '\0');
	cm_config_free(&config);
	config = test_config(*state, PLENTY "max_new_accounts_per_ip_per_hour = 0\n"
					    "max_new_accounts_per_minute = 0\n");
	assert_int_equal(cm_registration_check_limits(config, NULL, &source, NOW, &err),
			 CM_REGISTRATION_ALLOWED);
	cm_config_free(&config);
}

static void test_names_of_results(void **state)
{
	(void)state;
	assert_string_equal(cm_registration_name(CM_REGISTRATION_REFUSED_RATE), "rate");
	assert_int_equal(cm_registration_stat(CM_REGISTRATION_REFUSED_DISK),
			 CM_STAT_REGISTRATION_DISK);
}

int main(void)
{
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, test_directory_setup, test_directory_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_names),
	    TEST(test_role_names),
	    TEST(test_passwords),
	    TEST(test_modes),
	    TEST(test_order),
	    TEST(test_without_rates),
	    TEST(test_names_of_results),
	    TEST(test_automatic_accounts),
	    TEST(test_every_refusal_has_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

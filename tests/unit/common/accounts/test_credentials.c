/*
 * test_credentials - invented names and passwords, and their hashes
 */
#include "support.h"

#include <crypt.h>

#include "credentials.h"
#include "registration.h"

static void test_random_text(void **state)
{
	char text[4001];
	size_t ones = 0;

	(void)state;
	assert_true(cm_random_text(text, 4000, "01"));
	assert_int_equal(strspn(text, "01"), 4000);
	assert_int_equal(strlen(text), 4000);
	for (const char *byte = text; *byte != '\0'; byte++)
		ones += *byte == '1';
	/* Ten standard deviations. */
	assert_in_range(ones, 2000 - 320, 2000 + 320);
	assert_true(cm_random_text(text, 0, "01"));
	assert_string_equal(text, "");
}

/* 256 is not a multiple of 36: without rejection the first four characters would be more
   frequent. */
static void test_no_character_is_likelier(void **state)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static char text[360001];
	size_t early = 0;

	(void)state;
	assert_true(cm_random_text(text, 360000, alphabet));
	for (const char *byte = text; *byte != '\0'; byte++)
		early += *byte >= 'a' && *byte <= 'd';
	/* 4 of 36 are 40000; with a bias of 8/7 they would be 43750. One deviation is 189. */
	assert_in_range(early, 40000 - 1900, 40000 + 1900);
}

static void test_addresses(void **state)
{
	struct cm_config *config = test_config(*state, "");
	struct cm_address address, other;
	struct cm_error err;

	assert_true(cm_credentials_address(config, &address, &err));
	assert_int_equal(address.local_length, 9);
	assert_true(cm_registration_name_valid(config, &address));
	assert_true(cm_credentials_address(config, &other, &err));
	assert_string_not_equal(address.text, other.text);
	cm_config_free(&config);
}

static void test_passwords(void **state)
{
	struct cm_config *config = test_config(*state, "password_min_length = 30\n");
	struct cm_error err;
	char *password = cm_credentials_password(config, &err);

	assert_non_null(password);
	assert_int_equal(strlen(password), 30);
	free(password);
	cm_config_free(&config);
	config = test_config(*state, "");
	password = cm_credentials_password(config, &err);
	assert_int_equal(strlen(password), CM_PASSWORD_LENGTH);
	assert_false(cm_registration_is_automatic(password));
	free(password);
	cm_config_free(&config);
	config = test_config(*state, "password_min_length = 256\n");
	assert_null(cm_credentials_password(config, &err));
	cm_config_free(&config);
}

static void test_hash(void **state)
{
	static const char scheme[] = "{SHA512-CRYPT}";
	struct cm_error err;
	char *hash = cm_password_hash("a password", &err);
	char *other = cm_password_hash("a password", &err);

	(void)state;
	assert_non_null(hash);
	assert_memory_equal(hash, "{SHA512-CRYPT}$6$", 17);
	assert_string_not_equal(hash, other);
	assert_string_equal(crypt("a password", hash + strlen(scheme)), hash + strlen(scheme));
	assert_string_not_equal(crypt("a passwore", hash + strlen(scheme)), hash + strlen(scheme));
	free(hash);
	free(other);
}

int main(void)
{
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, test_directory_setup, test_directory_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_random_text), TEST(test_no_character_is_likelier),
	    TEST(test_addresses),   TEST(test_passwords),
	    TEST(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

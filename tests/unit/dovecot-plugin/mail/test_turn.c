/*
 * test_turn - TURN credentials: computed, and from upstream's daemon
 */
#include "support.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "turn.h"

/* From Dovecot's lib.h, whose macros conflict with cmocka's. */
void lib_init(void);
void lib_deinit(void);

#define NOW ((time_t)2000000000)

static struct cm_config *config_with(const char *directory, const char *key, const char *name)
{
	struct cm_config *config;
	char *more;

	assert_true(asprintf(&more, "%s = %s/%s\n", key, directory, name) >= 0);
	config = test_config(directory, more);
	free(more);
	return config;
}

/* Expected value from: printf %s 2000432000 | openssl dgst -sha1 -hmac north -binary | base64 */
static void test_computed(void **state)
{
	struct cm_config *config = config_with(*state, "turn_secret_file", "secret");
	struct cm_error err = {""};
	const char *value;

	test_write_text(*state, "secret", "north\n");
	assert_int_equal(cm_turn_credentials(config, NOW, &value, &err), CM_TURN_OK);
	assert_string_equal(value, "relay.test:3478:2000432000:+j51P+U6fQFOQJF2Qk1qud3SonM=");
	test_write_text(*state, "secret", "\n");
	assert_int_equal(cm_turn_credentials(config, NOW, &value, &err), CM_TURN_TROUBLE);
	assert_null(value);
	assert_non_null(strstr(err.text, "secret: empty"));
	cm_config_free(&config);

	config = config_with(*state, "turn_secret_file", "absent");
	assert_int_equal(cm_turn_credentials(config, NOW, &value, &err), CM_TURN_TROUBLE);
	assert_non_null(strstr(err.text, "turn_secret_file"));
	cm_config_free(&config);
}

static void test_host(void **state)
{
	struct cm_config *config;
	struct cm_error err = {""};
	const char *value;
	char *more;

	test_write_text(*state, "secret", "north");
	assert_true(asprintf(&more, "turn_secret_file = %s/secret\nturn_host = turn.test\n",
			     (char *)*state) >= 0);
	config = test_config(*state, more);
	assert_int_equal(cm_turn_credentials(config, NOW, &value, &err), CM_TURN_OK);
	assert_int_equal(strncmp(value, "turn.test:3478:2000432000:", 26), 0);
	free(more);
	cm_config_free(&config);
}

/* Clients need the address of a relay without a name, without brackets. */
static void test_host_of_an_address(void **state)
{
	static const struct {
		const char *domain, *begin; /* NULL: no entry */
	} cases[] = {
	    {"192.0.2.1", "192.0.2.1:3478:2000432000:"},
	    {"2001:db8::1", NULL},
	};

	test_write_text(*state, "secret", "north");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cm_error err = {""};
		struct cm_config *config;
		const char *value;
		char *text;

		assert_true(asprintf(&text,
				     "[params]\nmail_domain = %s\nturn_secret_file = %s/secret\n",
				     cases[i].domain, (char *)*state) >= 0);
		test_write_text(*state, "address.ini", text);
		free(text);
		text = test_path(*state, "address.ini");
		config = cm_config_load(text, NULL, NULL, &err);
		assert_non_null(config);
		assert_int_equal(cm_turn_credentials(config, NOW, &value, &err),
				 cases[i].begin != NULL ? CM_TURN_OK : CM_TURN_OFF);
		if (cases[i].begin != NULL)
			assert_int_equal(strncmp(value, cases[i].begin, strlen(cases[i].begin)), 0);
		free(text);
		cm_config_free(&config);
	}
}

/* A daemon that answers one connection and exits. */
static pid_t start_daemon(const char *path, const char *answer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int peer = accept(listener, NULL, NULL);

		for (const char *byte = answer; *byte != '\0'; byte++)
			if (write(peer, byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
	close(listener);
	return pid;
}

static enum cm_turn_status ask(const char *directory, const char *answer, const char **value_r,
			       struct cm_error *err)
{
	struct cm_config *config = config_with(directory, "turn_socket_path", "socket");
	char *path = test_path(directory, "socket");
	pid_t pid = start_daemon(path, answer);
	enum cm_turn_status status = cm_turn_credentials(config, NOW, value_r, err);
	int exit_status;

	assert_int_equal(waitpid(pid, &exit_status, 0), pid);
	free(path);
	cm_config_free(&config);
	return status;
}

static void test_daemon(void **state)
{
	static const char *const bad[] = {"",     "\n",      "nothing\n", ":b\n",
					  "a:\n", "a:b c\n", "a:\x80\n"};
	struct cm_error err = {""};
	char long_line[1024];
	const char *value;

	assert_int_equal(ask(*state, "1700000000:pass\n", &value, &err), CM_TURN_OK);
	assert_string_equal(value, "relay.test:3478:1700000000:pass");
	assert_int_equal(ask(*state, "u:p\r\nmore\n", &value, &err), CM_TURN_OK);
	assert_string_equal(value, "relay.test:3478:u:p");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(ask(*state, bad[i], &value, &err), CM_TURN_TROUBLE);
		assert_null(value);
	}
	memset(long_line, 'x', sizeof(long_line));
	long_line[3] = ':';
	long_line[sizeof(long_line) - 1] = '\0';
	assert_int_equal(ask(*state, long_line, &value, &err), CM_TURN_TROUBLE);
}

static void test_off(void **state)
{
	struct cm_config *config = config_with(*state, "turn_socket_path", "absent");
	struct cm_error err = {""};
	const char *value;

	assert_int_equal(cm_turn_credentials(config, NOW, &value, &err), CM_TURN_OFF);
	assert_null(value);
	cm_config_free(&config);
}

int main(void)
{
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, test_directory_setup, test_directory_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_computed), TEST(test_host), TEST(test_host_of_an_address),
	    TEST(test_daemon),   TEST(test_off),
	};

	int failed;

	lib_init();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	lib_deinit();
	return failed;
}

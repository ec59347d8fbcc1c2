/*
 * test_config - chatmail.ini: defaults, values, errors that name file, line, key and value
 */
#include "support.h"

#include "config.h"

#define BASE "[params]\nmail_domain = relay.test\n"

static unsigned int warnings;
static char last_warning[CM_ERROR_SIZE];

static void count_warning(const char *text, void *context)
{
	(void)context;
	warnings++;
	snprintf(last_warning, sizeof(last_warning), "%s", text);
}

static struct cm_config *load(void **state, const char *text, struct cm_error *err)
{
	char *path = test_path(*state, "chatmail.ini");
	struct cm_config *config;

	warnings = 0;
	test_write_text(*state, "chatmail.ini", text);
	config = cm_config_load(path, count_warning, NULL, err);
	free(path);
	return config;
}

static struct cm_config *load_good(void **state, const char *text)
{
	struct cm_error err = {""};
	struct cm_config *config = load(state, text, &err);

	if (config == NULL)
		fail_msg("refused: %s", err.text);
	return config;
}

static void test_defaults(void **state)
{
	struct cm_config *config = load_good(state, BASE);

	assert_int_equal(warnings, 0);
	assert_string_equal(config->mail_domain, "relay.test");
	assert_string_equal(config->mail_host, "relay.test");
	assert_false(config->mail_domain_is_ip);
	assert_string_equal(config->mailboxes_dir, "/home/vmail/mail/relay.test");
	assert_int_equal(config->max_user_send_per_minute, 60);
	assert_int_equal(config->max_user_send_burst_size, 10);
	assert_int_equal(config->max_recipients, 1000);
	assert_int_equal(config->max_mailbox_size, 500 << 20);
	assert_int_equal(config->max_message_size, 31457280);
	assert_int_equal(config->delete_mails_after, 20);
	assert_int_equal(config->delete_large_after, 7);
	assert_int_equal(config->delete_inactive_users_after, 90);
	assert_int_equal(config->username_min_length, 9);
	assert_int_equal(config->username_max_length, 9);
	assert_int_equal(config->password_min_length, 9);
	assert_int_equal(config->registration, CM_REGISTRATION_OPEN);
	assert_true(config->max_load_1m > 4.9 && config->max_load_1m < 5.1);
	assert_int_equal(config->min_available_memory, 200 << 20);
	assert_int_equal(config->min_free_disk_space, 1 << 30);
	assert_int_equal(config->max_imap_connections, 10000);
	assert_int_equal(config->max_smtp_connections, 1000);
	assert_string_equal(config->tls_certificate, "/var/lib/acme/live/relay.test/fullchain");
	assert_string_equal(config->tls_key, "/var/lib/acme/live/relay.test/privkey");
	assert_false(config->tls_self_signed);
	assert_string_equal(config->iroh_relay, "https://relay.test");
	assert_true(config->iroh_relay_local);
	assert_string_equal(config->turn_socket_path, "/run/chatmail-turn/turn.socket");
	assert_string_equal(config->turn_host, "relay.test");
	assert_string_equal(config->notify_url, "https://notifications.delta.chat/notify");
	assert_false(config->disable_ipv6 || config->imap_rawlog || config->imap_compress ||
		     config->log_addresses);
	assert_string_equal(config->metrics_listen, "");
	assert_string_equal(config->resolver, "");
	cm_config_free(&config);
	assert_null(config);
}

static void test_values(void **state)
{
	struct cm_config *config = load_good(
	    state, "\xef\xbb\xbf# comment\n; comment\n[params]\nmail_domain: Relay.Test\n"
		   "max_mailbox_size = 2GB\nmin_available_memory = 300\nmax_load_1m = 2.5\n"
		   "disable_ipv6 = True\nregistration = invite\niroh_relay =\n"
		   "mailboxes_dir = /srv/mail/\nturn_host =\nmetrics_listen = [::1]:9100\n"
		   "resolver = 127.0.0.1@5353\ntls_external_cert_and_key = /a/cert /a/key\n"
		   "privacy_postal = One Street\n  Town\n  Country\n");

	assert_int_equal(warnings, 0);
	assert_string_equal(config->mail_domain, "relay.test");
	assert_int_equal(config->max_mailbox_size, UINT64_C(2) << 30);
	assert_int_equal(config->min_available_memory, 300 << 20);
	assert_true(config->max_load_1m > 2.49 && config->max_load_1m < 2.51);
	assert_true(config->disable_ipv6);
	assert_int_equal(config->registration, CM_REGISTRATION_INVITE);
	assert_string_equal(config->iroh_relay, "");
	assert_false(config->iroh_relay_local);
	assert_string_equal(config->mailboxes_dir, "/srv/mail");
	assert_string_equal(config->turn_host, "relay.test");
	assert_string_equal(config->metrics_listen, "[::1]:9100");
	assert_string_equal(config->resolver, "127.0.0.1@5353");
	assert_string_equal(config->tls_certificate, "/a/cert");
	assert_string_equal(config->tls_key, "/a/key");
	assert_string_equal(config->privacy_postal, "One Street Town Country");
	cm_config_free(&config);
}

/* Upstream's defaults of 2023. */
static void test_days(void **state)
{
	struct cm_config *config =
	    load_good(state, BASE "delete_mails_after = 40d\ndelete_inactive_users_after = 100d\n");

	assert_int_equal(warnings, 0);
	assert_int_equal(config->delete_mails_after, 40);
	assert_int_equal(config->delete_inactive_users_after, 100);
	cm_config_free(&config);
}

static void test_ip_relay(void **state)
{
	struct cm_config *config = load_good(state, "[params]\nmail_domain = 192.0.2.1\n");

	assert_true(config->mail_domain_is_ip);
	assert_true(config->tls_self_signed);
	assert_string_equal(config->mail_domain, "[192.0.2.1]");
	assert_string_equal(config->mail_host, "192.0.2.1");
	assert_string_equal(config->mailboxes_dir, "/home/vmail/mail/192.0.2.1");
	assert_string_equal(config->iroh_relay, "https://192.0.2.1");
	cm_config_free(&config);

	config = load_good(state, "[params]\nmail_domain = [192.0.2.1]\n");
	assert_string_equal(config->mail_domain, "[192.0.2.1]");
	assert_string_equal(config->mail_host, "192.0.2.1");
	cm_config_free(&config);

	config = load_good(state, "[params]\nmail_domain = 2001:db8::1\n");
	assert_string_equal(config->mail_domain, "[ipv6:2001:db8::1]");
	assert_string_equal(config->mail_host, "2001:db8::1");
	assert_string_equal(config->iroh_relay, "https://[2001:db8::1]");
	cm_config_free(&config);

	config = load_good(state, "[params]\nmail_domain = _relay.test\n");
	assert_true(config->tls_self_signed);
	assert_string_equal(config->tls_certificate, "/etc/ssl/certs/mailserver.pem");
	cm_config_free(&config);
}

static void test_long_line(void **state)
{
	char text[8192] = BASE "privacy_postal =";
	size_t start = strlen(text);
	struct cm_config *config;
	struct cm_error err;

	for (int word = 0; word < 500; word++)
		sprintf(text + strlen(text), " word%03d", word);
	strcat(text, "\npassword_min_length = bad\n");
	assert_null(load(state, text, &err));
	assert_non_null(strstr(err.text, "chatmail.ini:4: password_min_length = bad"));

	*strstr(text, "\npassword") = '\0';
	config = load_good(state, text);
	assert_string_equal(config->privacy_postal, text + start + 1);
	cm_config_free(&config);

	strcat(text, "\nnonsense\n");
	assert_null(load(state, text, &err));
	assert_non_null(strstr(err.text, "chatmail.ini:4: this is neither"));

	memset(text + start, 'x', 4000);
	text[start + 4000] = '\0';
	config = load_good(state, text);
	assert_string_equal(config->privacy_postal, text + start);
	cm_config_free(&config);

	/* However long a wrong value is, the error says what is required. */
	strcpy(text, BASE "max_load_1m =");
	for (int word = 0; word < 500; word++)
		strcat(text, " word");
	assert_null(load(state, text, &err));
	assert_non_null(strstr(err.text, "...: this must be a number"));
}

/* A comment is never part of a value, however long and wherever it is. */
static void test_long_comments(void **state)
{
	char text[4096] = BASE "acme_email = a@b.test\n# ";
	struct cm_config *config;

	memset(text + strlen(text), '-', 500);
	strcat(text, "\n  ; ");
	for (int word = 0; word < 100; word++)
		strcat(text, "word ");
	strcat(text, "\nprivacy_mail =");
	for (int word = 0; word < 100; word++)
		strcat(text, " a #x");
	config = load_good(state, text);
	assert_string_equal(config->acme_email, "a@b.test");
	assert_string_equal(config->privacy_mail, strrchr(text, '=') + 2);
	cm_config_free(&config);
}

static void test_long_white_space(void **state)
{
	char text[4096] = "\xef\xbb\xbf#", *end;
	struct cm_config *config;

	for (int word = 0; word < 100; word++)
		strcat(text, " first");
	strcat(text, "\n[params] #");
	for (int word = 0; word < 100; word++)
		strcat(text, " second");
	end = text + strlen(text);
	sprintf(end, "\nmail_domain = relay.test%400s\n%400s\nacme_email = a@b.test\n", "", "");
	config = load_good(state, text);
	assert_int_equal(warnings, 0);
	assert_string_equal(config->mail_domain, "relay.test");
	assert_string_equal(config->acme_email, "a@b.test");
	cm_config_free(&config);
}

/* As upstream reads them: a value's line contains no comment. */
static void test_semicolons(void **state)
{
	char text[1024] =
	    BASE "privacy_postal = Street 1 ; 12345 Town\nprivacy_pdo =\n ;\n\t[x] ; y\n";
	struct cm_config *config = load_good(state, text);

	assert_int_equal(warnings, 0);
	assert_string_equal(config->privacy_postal, "Street 1 ; 12345 Town");
	assert_string_equal(config->privacy_pdo, "[x] ; y");
	cm_config_free(&config);

	strcat(text, "privacy_mail =");
	for (int word = 0; word < 100; word++)
		strcat(text, " a ;b");
	config = load_good(state, text);
	assert_string_equal(config->privacy_mail, strstr(text, "privacy_mail =") + 15);
	cm_config_free(&config);
}

/* The configuration of chatmail/relay as its operators have it; old keys cause only warnings. */
static void test_file_of_upstream(void **state)
{
	struct cm_config *config = load_good(
	    state,
	    "[params]\r\n\r\n# mail domain (MUST be set to fully qualified chat mail domain)\r\n"
	    "mail_domain = chat.example.org\r\n\r\n#\r\n# Restrictions on user addresses\r\n#\r\n"
	    "max_mailbox_size =  1g  \r\ndisable_ipv6 = False\r\nmtail_address = 127.0.0.1\r\n"
	    "iroh_relay = https://iroh.example.org\r\nwww_folder = www\r\n"
	    "passthrough_senders = x@y.org\r\n\r\nprivacy_postal =\r\n  First\r\n\r\n"
	    "  Second \r\nprivacy_mail =\r\n");

	assert_int_equal(warnings, 1);
	assert_non_null(strstr(last_warning, ":14: the key 'passthrough_senders' is unknown"));
	assert_string_equal(config->mail_domain, "chat.example.org");
	assert_int_equal(config->max_mailbox_size, 1 << 30);
	assert_false(config->disable_ipv6);
	assert_string_equal(config->mtail_address, "127.0.0.1");
	assert_string_equal(config->iroh_relay, "https://iroh.example.org");
	assert_string_equal(config->www_folder, "www");
	assert_string_equal(config->privacy_postal, "First Second");
	assert_string_equal(config->privacy_mail, "");
	cm_config_free(&config);
}

static void test_unknown_keys(void **state)
{
	struct cm_config *config =
	    load_good(state, "[params]\nmail_domain = relay.test\nfoo = bar\n");

	assert_int_equal(warnings, 1);
	assert_non_null(strstr(last_warning, "chatmail.ini:3: the key 'foo' is unknown"));
	cm_config_free(&config);

	/* A section causes one warning. */
	config = load_good(state, "early = 1\nlate = 2\n" BASE
				  "[privacy:relay.test]\nmail_domain = x\npassthrough_senders =\n"
				  "  a@b.test\n  c@d.test\nprivacy_postal = One Street\n  Town\n");
	assert_int_equal(warnings, 2);
	assert_non_null(
	    strstr(last_warning, "chatmail.ini:6: section [privacy:relay.test] has no effect"));
	assert_string_equal(config->mail_domain, "relay.test");
	assert_string_equal(config->privacy_postal, "");
	cm_config_free(&config);
	config = load_good(state, "[a]\nx = 1\n[b]\nx = 1\n" BASE "y = 2\n  z\n");
	assert_int_equal(warnings, 3);
	cm_config_free(&config);
}

static const struct {
	const char *text;
	const char *expected; /* in the error */
} bad_files[] = {
    {"[params]\n", "the key 'mail_domain' is missing"},
    {"", "the key 'mail_domain' is missing"},
    {BASE "mail_domain = other.test\n", ":3: 'mail_domain' is given twice, first in line 2"},
    {"[params]\nmail_domain = relay/../x\n", ":2: mail_domain = relay/../x: this must be a domain"},
    {"[params]\nmail_domain =\n", "this must be a domain"},
    {BASE "nonsense\n", ":3: this is neither"},
    {BASE "= 1\n", ":3: this is neither"},
    {BASE "[params\n", ":3: this section has no ']'"},
    {BASE "[params] mail_domain = x\n", ":3: unexpected text after this section"},
    {"  mail_domain = relay.test\n" BASE, ":1: this line is indented"},
    {BASE "[params]\n more\n", ":4: this line is indented"},
    {BASE "password_min_length = x\n", ":3: password_min_length = x: this must be a number from 1"},
    {BASE "password_min_length = -1\n", "password_min_length = -1: this must be a number"},
    {BASE "password_min_length = 0\n", "password_min_length = 0: this must be a number"},
    {BASE "password_min_length = 9 \xc2\xa0\n", "this must be a number"},
    {BASE "username_max_length = 65\n", "a number from 1 to 64"},
    {BASE "username_max_length = 5\n", "username_min_length = 9 is more than"},
    {BASE "delete_mails_after = 99999999999999999999\n", "this must be a number"},
    {BASE "delete_mails_after = 0d\n", "this must be a number of days from 1 to 36500"},
    {BASE "delete_mails_after = 4dd\n", "this must be a number of days"},
    {BASE "delete_mails_after = d\n", "this must be a number of days"},
    {BASE "password_min_length = 9d\n", "this must be a number from 1"},
    {BASE "max_mailbox_size = 5K\n", "max_mailbox_size = 5K: this must be a size"},
    {BASE "max_mailbox_size = 18446744073709551615G\n", "this must be a size"},
    /* For Postfix it would mean no limit, for chatmail-expire that every message is too large. */
    {BASE "max_message_size = 0\n", "max_message_size = 0: this must be a size in bytes"},
    {BASE "max_mailbox_size = 0\n", "max_mailbox_size = 0: this must be a size like"},
    {BASE "max_message_size = many\n", "this must be a size in bytes"},
    {BASE "max_load_1m = nan\n", "this must be a number like"},
    {BASE "disable_ipv6 = perhaps\n", "this must be true or false"},
    {BASE "registration = Open\n", "this must be open, invite or closed"},
    {BASE "mailboxes_dir = mail\n", "this must be an absolute path"},
    {BASE "mailboxes_dir = /srv/my mail\n", "this must be an absolute path of letters"},
    {BASE "mailboxes_dir = /srv/100%\n", "this must be an absolute path of letters"},
    {BASE "notify_url = http://x.test/\n", "this must be an https:// URL"},
    {BASE "metrics_listen = 9100\n", "this must be HOST:PORT"},
    {BASE "metrics_listen = 127.0.0.1:0\n", "this must be HOST:PORT"},
    {BASE "resolver = localhost\n", "this must be an IP address"},
    {BASE "front_listen = 10.0.0.2\n", "front_listen needs front_network"},
    {BASE "dclogin_parameters = ic\n", "NAME=VALUE with & between"},
    {BASE "dclogin_parameters = ic=3&\n", "NAME=VALUE with & between"},
    {BASE "dclogin_parameters = ih=a b\n", "NAME=VALUE with & between"},
    {BASE "dclogin_parameters = p=\"x\n", "NAME=VALUE with & between"},
    {BASE "front_listen = front.example\n", "this must be an IP address"},
    {BASE "front_listen = 10.0.0.2\nfront_network = 10.0.0.0/33\n", "or ADDRESS/BITS"},
    {BASE "front_network = fd00::/129\n", "or ADDRESS/BITS"},
    {BASE "resolver = 127.0.0.1@99999\n", "this must be an IP address"},
    {BASE "mailboxes_dir = /\n", "this must be an absolute path of letters"},
    {BASE "mailboxes_dir = //\n", "this must be an absolute path of letters"},
    {BASE "mailboxes_dir = /srv/../etc\n", "this must be an absolute path of letters"},
    {BASE "mailboxes_dir = /srv/.\n", "this must be an absolute path of letters"},
    {BASE "mailboxes_dir = /srv/a#b\n", "this must be an absolute path of letters"},
    {BASE "run_dir = /run/$x\n", "this must be an absolute path of letters"},
    {BASE "tls_external_cert_and_key = /a/$cert /key\n", "this must be two absolute paths"},
    {BASE "tls_external_cert_and_key = /a/\"cert\" /key\n", "this must be two absolute paths"},
    {"[params]\nmail_domain = b\xc3\xbc"
     "cher.test\n",
     "this must be in ASCII"},
    {BASE "turn_host = b\xc3\xbc"
	  "cher.test\n",
     "in ASCII"},
    {BASE "tls_external_cert_and_key = /only/one\n", "this must be two absolute paths"},
    {BASE "tls_external_cert_and_key = /a /b /c\n", "this must be two absolute paths"},
    {BASE "tls_external_cert_and_key = cert.pem /key.pem\n", "this must be two absolute paths"},
    {BASE "tls_external_cert_and_key = /cert.pem key.pem\n", "this must be two absolute paths"},
    {BASE "mtail_address = 127.0.0.1:3904\n", "127.0.0.1:3904: this must be a name or an IP"},
    {BASE "mtail_address = [::1]\n", "mtail_address = [::1]: this must be a name or an IP"},
    {BASE "turn_host = turn.test:3478\n", "turn_host = turn.test:3478: this must be a name or"},
    {BASE "turn_host = 2001:db8::1\n", "this must be a name or an IPv4 address"},
    {BASE "turn_host = https://turn.test\n", "this must be a name or an IP address"},
    {BASE "iroh_relay = iroh.test\n", "iroh_relay = iroh.test: this must be a URL"},
    {BASE "iroh_relay = https:///x\n", "iroh_relay = https:///x: this must be a URL"},
    {BASE "notify_url = https://\n", "notify_url = https://: this must be an https:// URL"},
    {BASE "notify_url = https://x.test/ y\n", "this must be an https:// URL"},
    {BASE "privacy_postal = Caf\xe9\n", ":3: privacy_postal: this must be UTF-8"},
    {BASE "privacy_postal = a\n b\x1b[31m\n", ":4: privacy_postal: this must be UTF-8"},
    {BASE "privacy_postal = a\rb\n", ":3: privacy_postal: this must be UTF-8"},
    {BASE "acme_email = a\x01\n", ":3: acme_email: this must be UTF-8 without control characters"},
    {BASE "max_load_1m = 5 ; not more\n", "max_load_1m = 5 ; not more: this must be a number"},
};

static void test_bad_files(void **state)
{
	for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++) {
		struct cm_error err = {""};
		struct cm_config *config = load(state, bad_files[i].text, &err);

		assert_null(config);
		if (strstr(err.text, bad_files[i].expected) == NULL)
			fail_msg("case %zu: '%s' does not have '%s'", i, err.text,
				 bad_files[i].expected);
		assert_non_null(strstr(err.text, "chatmail.ini"));
	}
}

static void test_nul_byte_and_missing_file(void **state)
{
	static const char text[] = BASE "acme_email = a\0b\n";
	char *path = test_path(*state, "chatmail.ini");
	struct cm_error err = {""};

	test_write(*state, "chatmail.ini", text, sizeof(text) - 1);
	assert_null(cm_config_load(path, NULL, NULL, &err));
	assert_non_null(strstr(err.text, ":3: there is a NUL byte"));
	unlink(path);
	assert_null(cm_config_load(path, NULL, NULL, &err));
	assert_non_null(strstr(err.text, "cannot be read: No such file"));
	free(path);
}

/* cm_config_get() of a default configuration returns the defaults of the table. */
static void test_keys(void **state)
{
	struct cm_config *config = load_good(state, BASE);
	size_t count = 0;

	for (const struct cm_config_key *key = cm_config_keys(); key->name != NULL; key++) {
		char *value = cm_config_get(config, key->name);

		assert_non_null(value);
		if (key->default_text != NULL &&
		    strcmp(key->name, "tls_external_cert_and_key") != 0)
			assert_string_equal(value, key->default_text);
		free(value);
		count++;
	}
	assert_true(count > 40);
	assert_null(cm_config_get(config, "no_such_key"));
	cm_config_free(&config);
}

int main(void)
{
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, test_directory_setup, test_directory_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_defaults),
	    TEST(test_values),
	    TEST(test_days),
	    TEST(test_ip_relay),
	    TEST(test_long_line),
	    TEST(test_long_comments),
	    TEST(test_unknown_keys),
	    TEST(test_long_white_space),
	    TEST(test_semicolons),
	    TEST(test_file_of_upstream),
	    TEST(test_bad_files),
	    TEST(test_keys),
	    TEST(test_nul_byte_and_missing_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_peer_list - an operator's list, whose changes take effect at once
 */
#include "support.h"

#include <time.h>

#include "peer_list.h"

static bool is_blocked(struct cm_peer_list *blocked, const char *text)
{
	struct cm_address address;

	assert_true(cm_address_parse(text, strlen(text), &address));
	return cm_peer_list_match(blocked, &address);
}

static struct cm_peer_list *open_list(const char *directory)
{
	char *path = test_path(directory, "blocked");
	struct cm_peer_list *blocked = cm_peer_list_new(path);

	assert_non_null(blocked);
	free(path);
	return blocked;
}

static void entries_match_addresses_and_domains(void **state)
{
	static const struct {
		const char *address;
		bool blocked;
	} cases[] = {
	    {"mallory@peer.test", true},     {"MALLORY@Peer.Test", true},
	    {"other@peer.test", false},      {"mallory@sub.peer.test", false},
	    {"anyone@spam.test", true},      {"anyone@SPAM.test", true},
	    {"anyone@sub.spam.test", false}, {"anyone@notspam.test", false},
	    {"anyone@a.bulk.test", true},    {"anyone@a.b.bulk.test", true},
	    {"anyone@bulk.test", false},     {"anyone@notbulk.test", false},
	    {"anyone@[192.0.2.1]", true},    {"anyone@[192.0.2.2]", false},
	    {"commented@out.test", false},   {"spaced@peer.test", true},
	    {"crlf@peer.test", true},        {"last@peer.test", true},
	    {"spam.test@peer.test", false},
	};
	struct cm_peer_list *blocked;

	test_write_text(*state, "blocked",
			"# whom we know\n\nMallory@peer.test\nspam.test # all of them\n"
			"\t .bulk.test \n#commented@out.test\n[192.0.2.1]\n  spaced@peer.test\n"
			"crlf@peer.test\r\n\r\nlast@peer.test");
	blocked = open_list(*state);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (is_blocked(blocked, cases[i].address) != cases[i].blocked)
			fail_msg("%s", cases[i].address);
	}
	cm_peer_list_free(&blocked);
	assert_null(blocked);
}

static void entries_end(void **state)
{
	static const struct {
		const char *address;
		bool blocked;
	} cases[] = {
	    {"a@past.test", false},      {"a@future.test", true},    {"a@today.test", true},
	    {"a@yesterday.test", false}, {"a@twice.test", true},     {"a@forever.test", true},
	    {"a@words.test", false},     {"a@nodate.test", false},   {"a@february.test", false},
	    {"a@thirteen.test", false},  {"a@trailing.test", false}, {"a@last.test", true},
	};
	char *text = NULL, today[16], yesterday[16];
	time_t now = time(NULL), before = now - 86400;
	struct cm_peer_list *blocked;

	strftime(today, sizeof(today), "%Y-%m-%d", gmtime(&now));
	strftime(yesterday, sizeof(yesterday), "%Y-%m-%d", gmtime(&before));
	assert_true(asprintf(&text,
			     "past.test until 2020-12-31\nFUTURE.test UNTIL 2999-01-01 # long\n"
			     "today.test until %s\nyesterday.test until %s\n"
			     "twice.test until 2020-01-01\ntwice.test until 2999-01-01\n"
			     "forever.test\nforever.test until 2020-01-01\nwords.test and more\n"
			     "nodate.test until\nfebruary.test until 2999-02-30\n"
			     "thirteen.test until 2999-13-01\ntrailing.test until 2999-01-01x\n"
			     "last.test",
			     today, yesterday) > 0);
	test_write_text(*state, "blocked", text);
	blocked = open_list(*state);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (is_blocked(blocked, cases[i].address) != cases[i].blocked)
			fail_msg("%s", cases[i].address);
	}
	cm_peer_list_free(&blocked);
	free(text);
}

static void no_file_blocks_nobody(void **state)
{
	struct cm_peer_list *blocked = cm_peer_list_new("");

	assert_false(is_blocked(blocked, "a@b.test"));
	cm_peer_list_free(&blocked);
	blocked = open_list(*state);
	assert_false(is_blocked(blocked, "a@b.test"));
	cm_peer_list_free(&blocked);
}

static void changes_count_at_once(void **state)
{
	struct cm_peer_list *blocked = open_list(*state);
	char *path = test_path(*state, "blocked");
	char *new_path = test_path(*state, "new");

	assert_false(is_blocked(blocked, "a@b.test"));
	test_write_text(*state, "blocked", "b.test\n");
	assert_true(is_blocked(blocked, "a@b.test"));
	/* Another size, in place. */
	test_write_text(*state, "blocked", "b.test\nccc.test\n");
	assert_true(is_blocked(blocked, "a@b.test"));
	assert_true(is_blocked(blocked, "a@ccc.test"));
	/* The same size, another file. */
	test_write_text(*state, "new", "d.test\neee.test\n");
	assert_int_equal(rename(new_path, path), 0);
	assert_false(is_blocked(blocked, "a@b.test"));
	assert_true(is_blocked(blocked, "a@eee.test"));
	test_write_text(*state, "blocked", "");
	assert_false(is_blocked(blocked, "a@eee.test"));
	cm_peer_list_free(&blocked);
	free(new_path);
	free(path);
}

/* Neither the file system's clock nor the size distinguishes these versions. */
static void changes_in_quick_succession_count(void **state)
{
	struct cm_peer_list *blocked = open_list(*state);

	for (int i = 0; i < 500; i++) {
		test_write_text(*state, "blocked", i % 2 == 0 ? "b.test\n" : "c.test\n");
		if (is_blocked(blocked, "a@b.test") != (i % 2 == 0) ||
		    is_blocked(blocked, "a@c.test") != (i % 2 == 1))
			fail_msg("change %d", i);
	}
	cm_peer_list_free(&blocked);
}

/* A program may set the modification time of its file, but not the change time. */
static void an_old_time_hides_no_change(void **state)
{
	static const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
	struct cm_peer_list *blocked = open_list(*state);
	char *path = test_path(*state, "blocked");

	test_write_text(*state, "blocked", "b.test\n");
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_true(is_blocked(blocked, "a@b.test"));
	test_write_text(*state, "blocked", "c.test\n");
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_false(is_blocked(blocked, "a@b.test"));
	assert_true(is_blocked(blocked, "a@c.test"));
	cm_peer_list_free(&blocked);
	free(path);
}

/* A file that is missing for a moment, as editors leave it, is not an empty list. */
static void an_unreadable_file_changes_nothing(void **state)
{
	struct cm_peer_list *blocked = open_list(*state);
	char *path = test_path(*state, "blocked");

	test_write_text(*state, "blocked", "b.test\n");
	assert_true(is_blocked(blocked, "a@b.test"));
	assert_int_equal(unlink(path), 0);
	assert_true(is_blocked(blocked, "a@b.test"));
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(is_blocked(blocked, "a@b.test"));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(is_blocked(blocked, "a@b.test"));
	assert_int_equal(unlink(path), 0);
	test_write_text(*state, "blocked", "");
	assert_int_equal(truncate(path, CM_PEER_LIST_BYTES_MAX + 1), 0);
	assert_true(is_blocked(blocked, "a@b.test"));
	assert_int_equal(unlink(path), 0);
	test_write_text(*state, "blocked", "c.test\n");
	assert_false(is_blocked(blocked, "a@b.test"));
	assert_true(is_blocked(blocked, "a@c.test"));
	cm_peer_list_free(&blocked);
	free(path);
}

/* The configuration is read again while the list cannot be read. */
static void a_renewed_list_is_the_same(void **state)
{
	char *path = test_path(*state, "blocked"), *other = test_path(*state, "other");
	struct cm_peer_list *old, *renewed, *changed;

	test_write_text(*state, "blocked", "b.test\n");
	test_write_text(*state, "other", "c.test\n");
	old = cm_peer_list_new(path);
	assert_true(is_blocked(old, "a@b.test"));
	assert_int_equal(unlink(path), 0);
	renewed = cm_peer_list_renew(old, path);
	changed = cm_peer_list_renew(old, other);
	cm_peer_list_free(&old);
	assert_null(old);
	assert_true(is_blocked(renewed, "a@b.test"));
	assert_false(is_blocked(changed, "a@b.test"));
	assert_true(is_blocked(changed, "a@c.test"));
	cm_peer_list_free(&renewed);
	cm_peer_list_free(&changed);
	free(other);
	free(path);
}

static void many_entries(void **state)
{
	struct cm_peer_list *blocked;
	char *text = calloc(100000, 24), *at = text;

	assert_non_null(text);
	for (unsigned int i = 0; i < 100000; i++)
		at += sprintf(at, "user%u@peer.test\n", i * 7919 % 100000);
	test_write_text(*state, "blocked", text);
	blocked = open_list(*state);
	assert_true(is_blocked(blocked, "user0@peer.test"));
	assert_true(is_blocked(blocked, "user99999@peer.test"));
	assert_false(is_blocked(blocked, "user100000@peer.test"));
	cm_peer_list_free(&blocked);
	free(text);
}

#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, test_directory_setup, test_directory_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(entries_match_addresses_and_domains),
	    TEST(entries_end),
	    TEST(no_file_blocks_nobody),
	    TEST(changes_count_at_once),
	    TEST(changes_in_quick_succession_count),
	    TEST(an_old_time_hides_no_change),
	    TEST(an_unreadable_file_changes_nothing),
	    TEST(a_renewed_list_is_the_same),
	    TEST(many_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

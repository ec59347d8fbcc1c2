/*
 * test_tag_list - the lists of DKIM signatures and key records
 */
#include "support.h"

#include "tag_list.h"

static bool parse(const char *text, struct cm_tag_list *list_r)
{
	return cm_tag_list_parse(text, strlen(text), list_r);
}

static void assert_value(const struct cm_tag_list *list, const char *name, const char *expected)
{
	const struct cm_tag *tag = cm_tag_list_find(list, name);

	assert_non_null(tag);
	assert_int_equal(tag->value_length, strlen(expected));
	assert_memory_equal(tag->value, expected, tag->value_length);
}

static void test_lists(void **state)
{
	struct cm_tag_list list;

	(void)state;
	assert_true(parse("v=1;a=b", &list));
	assert_int_equal(list.count, 2);
	assert_value(&list, "v", "1");
	assert_value(&list, "a", "b");
	assert_null(cm_tag_list_find(&list, "V"));
	assert_null(cm_tag_list_find(&list, "b"));
	assert_null(cm_tag_list_find(&list, ""));

	assert_true(parse(" v = 1 ;\r\n\ta_1=x y\r\n z ;", &list));
	assert_int_equal(list.count, 2);
	assert_value(&list, "v", "1");
	assert_value(&list, "a_1", "x y\r\n z");

	assert_true(parse("p=;n= ;x", &list) == false);
	assert_true(parse("p=;n= ", &list));
	assert_value(&list, "p", "");
	assert_value(&list, "n", "");

	assert_true(parse("a=b=c==;v=\xc3\xbc", &list));
	assert_value(&list, "a", "b=c==");
	assert_value(&list, "v", "\xc3\xbc");
}

static void test_no_lists(void **state)
{
	static const char *const texts[] = {
	    "",        " ",      ";",      "=",        "=1",    "v",      "v;",
	    "1v=1",    "_v=1",   "v-x=1",  "v=1;;a=2", "v=1;;", "a b=1",  "v=1;v=2",
	    "v=1; v=", "v=\x01", "v=\x7f", "v=1;;",    ";v=1",  "v=\x0b", "\xc3\xbc=1",
	};
	struct cm_tag_list list;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (parse(texts[i], &list))
			fail_msg("\"%s\" was parsed", texts[i]);
	assert_false(cm_tag_list_parse("v=\0", 3, &list));
}

static void test_number_of_tags(void **state)
{
	char text[16 * (CM_TAG_LIST_MAX + 1)] = "";
	struct cm_tag_list list;

	(void)state;
	for (int i = 0; i < CM_TAG_LIST_MAX; i++)
		sprintf(text + strlen(text), "x%d=1;", i);
	assert_true(parse(text, &list));
	assert_int_equal(list.count, CM_TAG_LIST_MAX);
	strcat(text, "y=1;");
	assert_false(parse(text, &list));
}

static void test_raw_value(void **state)
{
	const char *text = "a=1; b = x y ;c=2";
	struct cm_tag_list list;
	const struct cm_tag *tag;

	(void)state;
	assert_true(parse(text, &list));
	tag = cm_tag_list_find(&list, "b");
	assert_non_null(tag);
	assert_ptr_equal(tag->raw, strchr(text, 'b') + 3);
	assert_int_equal(tag->raw_length, strlen(" x y "));
	assert_int_equal(tag->value_length, strlen("x y"));
}

static void test_words(void **state)
{
	struct cm_tag_list list;
	const struct cm_tag *tag;
	size_t position = 0, length;
	const char *word;

	(void)state;
	assert_true(parse("h=From : to:\r\n\tSUBJECT::;q=;s=*", &list));
	tag = cm_tag_list_find(&list, "h");
	assert_true(cm_tag_has_word(tag, "from"));
	assert_true(cm_tag_has_word(tag, "subject"));
	assert_true(cm_tag_has_word(tag, ""));
	assert_false(cm_tag_has_word(tag, "sub"));
	assert_false(cm_tag_has_word(tag, "subjects"));
	for (size_t count = 0; count < 5; count++)
		assert_true(cm_tag_next_word(tag, &position, &word, &length));
	assert_int_equal(length, 0);
	assert_false(cm_tag_next_word(tag, &position, &word, &length));

	assert_true(cm_tag_has_word(cm_tag_list_find(&list, "s"), "*"));
	assert_false(cm_tag_has_word(cm_tag_list_find(&list, "q"), "x"));
	assert_true(cm_tag_is(cm_tag_list_find(&list, "s"), "*"));
	assert_false(cm_tag_is(cm_tag_list_find(&list, "s"), "**"));
	assert_true(cm_tag_is(cm_tag_list_find(&list, "q"), ""));
}

static void test_base64(void **state)
{
	struct cm_tag_list list;
	unsigned char bytes[4];
	size_t length;

	(void)state;
	assert_true(
	    parse("a=QUJD;b=Q\r\n U\tI =;c=QUI;d=;e=QUJDREU=;f=Q;g=QU%D;h=QUJD RA==", &list));
	assert_true(cm_tag_base64(cm_tag_list_find(&list, "a"), bytes, sizeof(bytes), &length));
	assert_int_equal(length, 3);
	assert_memory_equal(bytes, "ABC", 3);
	assert_true(cm_tag_base64(cm_tag_list_find(&list, "b"), bytes, sizeof(bytes), &length));
	assert_int_equal(length, 2);
	assert_true(cm_tag_base64(cm_tag_list_find(&list, "c"), bytes, sizeof(bytes), &length));
	assert_int_equal(length, 2);
	assert_memory_equal(bytes, "AB", 2);
	assert_true(cm_tag_base64(cm_tag_list_find(&list, "h"), bytes, sizeof(bytes), &length));
	assert_int_equal(length, 4);
	for (const char *name = "defg"; *name != '\0'; name++)
		assert_false(cm_tag_base64(cm_tag_list_find(&list, (char[]){*name, '\0'}), bytes,
					   sizeof(bytes), &length));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lists),     cmocka_unit_test(test_no_lists),
	    cmocka_unit_test(test_words),     cmocka_unit_test(test_number_of_tags),
	    cmocka_unit_test(test_raw_value), cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

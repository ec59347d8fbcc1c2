/*
 * test_policy_armor - the encrypted part: armor, transfer encodings, packets, and all bounds
 */
#include "policy_fixture.h"

static char *message_of(size_t payload_length, const struct test_armor *how)
{
	size_t length;
	unsigned char *payload = test_payload(payload_length, &length);
	char *armor = test_armored(payload, length, how);
	char *text = test_encrypted_message(armor);

	free(armor);
	free(payload);
	return text;
}

/* With and without checksum and padding, each remainder of three, each usual width and odd ones. */
static void all_forms_of_armor_pass(void **state)
{
	static const unsigned int widths[] = {60, 61, 62, 63, 64, 72, 75, 76};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(widths); i++) {
		for (unsigned int form = 0; form < 12; form++) {
			struct test_armor how = {
			    .headers = "",
			    .columns = widths[i],
			    .checksum = form & 1,
			    .padding = form & 2,
			};
			char *text = message_of(300 + form / 4, &how);

			test_expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", text,
				    CM_REASON_ENCRYPTED, form);
			test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text,
				    CM_REASON_ENCRYPTED, form);
			free(text);
		}
	}
}

static void long_armor_lines_pass_only_in_incoming_mail(void **state)
{
	struct fixture *fixture = *state;
	struct test_armor how = {"", 77, true, true};

	for (size_t i = 0; i < 2; i++) {
		char *text = message_of(3000, &how);

		test_expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", text,
			    CM_REASON_ARMOR, i);
		test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text,
			    CM_REASON_ENCRYPTED, i);
		free(text);
		how.columns = 998;
	}
}

/* Base64 and quoted-printable around the armor of the same message. */
static void transfer_encodings_are_decoded(void **state)
{
	struct fixture *fixture = *state;
	char *text = test_usual_message();
	char *quoted =
	    test_replaced(text, CTE2, DISP2 "Content-Transfer-Encoding: quoted-printable\n");
	char *begin = strstr(quoted, BEGIN);
	char *end = strstr(quoted, LAST);
	size_t length;
	char *wrapped, *base64, *whole = NULL;
	const char *data;

	/* '=' of padding and checksum must be escaped: write every '=' of the armor as =3D. */
	assert_true(begin != NULL && end != NULL);
	wrapped = calloc(3, (size_t)(end - begin) + 1);
	for (char *c = begin, *out = wrapped; c < end; c++)
		out = stpcpy(out, *c == '=' ? "=3D" : (const char[]){*c, '\0'});
	assert_true(asprintf(&whole, "%.*s%s%s", (int)(begin - quoted), quoted, wrapped, end) > 0);
	test_expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", whole,
		    CM_REASON_ENCRYPTED, 0);
	test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", whole,
		    CM_REASON_ENCRYPTED, 0);
	free(whole);
	free(quoted);

	/* The armor as base64: the output of test_armored() without its frame. */
	begin = strstr(text, BEGIN);
	end = strstr(text, LAST);
	length = (size_t)(end - begin);
	base64 = test_armored((const unsigned char *)begin, length,
			      &(const struct test_armor){"", 76, false, true});
	data = base64 + strlen(BEGIN "\n");
	*strstr(base64, END) = '\0';
	quoted = test_replaced(text, CTE2, DISP2 "Content-Transfer-Encoding: base64\n");
	begin = strstr(quoted, BEGIN);
	end = strstr(quoted, LAST);
	assert_true(asprintf(&whole, "%.*s%s%s", (int)(begin - quoted), quoted, data, end) > 0);
	test_expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", whole,
		    CM_REASON_ENCRYPTED, 1);
	test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", whole,
		    CM_REASON_ENCRYPTED, 1);
	free(whole);
	free(quoted);
	free(base64);
	free(wrapped);
	free(text);
}

/* Any one character of the armor's base64, replaced by one outside the alphabet. */
static void text_in_the_armor_does_not_pass(void **state)
{
	struct fixture *fixture = *state;
	char *text = test_usual_message();
	char *from = strstr(text, BEGIN "\n") + strlen(BEGIN "\n");
	char *to = strstr(text, END);

	for (char *c = from; c < to; c++) {
		static const char others[] = {'-', ' ', '!', '\2', '\r'};
		char right = *c;

		for (size_t i = 0; i < sizeof(others); i++) {
			struct cm_verdict verdict;

			if (others[i] == right)
				continue;
			*c = others[i];
			verdict =
			    test_judge(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", text);
			if (cm_reason_accepts(verdict.reason))
				fail_msg("byte %zu as %d: %s", (size_t)(c - from), others[i],
					 cm_reason_name(verdict.reason));
		}
		*c = right;
	}
	free(text);
}

/* RFC 9580 6.1: a missing, malformed or wrong CRC-24 is no reason to refuse. The checksum of
   outgoing mail may be wrong, but not text. */
static void checksums_are_not_checked(void **state)
{
	static const struct {
		const char *line;
		bool out, in;
	} cases[] = {
	    {"", true, true},
	    {"=AAAA\n", true, true},
	    {"=zzzz\n", true, true},
	    {"=AAA=\n", true, true},
	    {"=a b!\n", false, true},
	    {"=AAA\n", false, true},
	    {"=AAAAA\n", false, true},
	    {"=\n", false, true},
	    {"====\n", false, true},
	    {"=meet me at noon\n", false, true},
	    {"=meet me at noon!!\n", false, false},
	    {"=AAAA\n=AAAA\n", false, false},
	    {"=AAAA\nAAAA\n", false, false},
	    {"AAAA=\n", false, false},
	};
	struct fixture *fixture = *state;

	for (unsigned int padded = 0; padded < 2; padded++) {
		/* 303 bytes are whole groups, 301 end with padding. */
		char *text =
		    message_of(301 + 2 * padded, &(struct test_armor){"", 64, false, true});

		for (size_t i = 0; i < COUNT(cases); i++) {
			char *end, *with;

			assert_true(asprintf(&end, "%s" END, cases[i].line) >= 0);
			with = test_replaced(text, END, end);
			test_expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", with,
				    cases[i].out ? CM_REASON_ENCRYPTED : CM_REASON_ARMOR, i);
			test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", with,
				    cases[i].in ? CM_REASON_ENCRYPTED : CM_REASON_ARMOR, i);
			free(with);
			free(end);
		}
		free(text);
	}
}

static void empty_lines_in_the_armor_pass_only_in_incoming_mail(void **state)
{
	static const struct test_armor how = {"", 64, true, true};
	struct fixture *fixture = *state;
	char *text = message_of(301, &how);
	char *data = strstr(text, BEGIN "\n") + strlen(BEGIN "\n");

	for (char *line = data; line < strstr(data, LAST); line = strchr(line, '\n') + 1) {
		char *with;

		assert_true(asprintf(&with, "%.*s\n%s", (int)(line - text), text, line) >= 0);
		test_expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", with,
			    CM_REASON_ARMOR, (size_t)(line - data));
		test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", with,
			    CM_REASON_ENCRYPTED, (size_t)(line - data));
		free(with);
	}
	free(text);
}

/* The boundary follows directly, wherever the armor ends. */
static void a_truncated_armor_does_not_pass(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned int form = 0; form < 4; form++) {
		struct test_armor how = {"", 64, form & 1, form & 2};
		char *text = message_of(301, &how);
		char *from = strstr(text, BEGIN), *to = strstr(text, END);

		assert_true(from != NULL && to != NULL);
		for (char *end = from; end <= to; end = strchr(end, '\n') + 1) {
			char *cut;

			assert_true(asprintf(&cut, "%.*s--abc--\n", (int)(end - text), text) > 0);
			test_expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", cut,
				    CM_REASON_ARMOR, (size_t)(end - from));
			test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", cut,
				    CM_REASON_ARMOR, (size_t)(end - from));
			free(cut);
		}
		free(text);
	}
}

static void a_truncated_message_does_not_pass(void **state)
{
	struct fixture *fixture = *state;
	char *text = test_usual_message();
	size_t whole = (size_t)(strstr(text, LAST) - text) + strlen("\n--abc--");

	for (size_t length = 0; length < whole; length++) {
		struct cm_verdict verdict =
		    test_judge_bytes(fixture->policy, CM_DIRECTION_OUT, ALICE, "<bob@peer.test>",
				     text, length, CM_MESSAGE_FILE_CHUNK);

		if (cm_reason_accepts(verdict.reason))
			fail_msg("%zu of %zu bytes: %s", length, whole,
				 cm_reason_name(verdict.reason));
	}
	free(text);
}

/* Packets of each kind within a message; test_packets has the others. */
static void armored_packets_are_checked(void **state)
{
	static const struct {
		unsigned char bytes[4];
		enum cm_reason reason;
	} cases[] = {
	    {{0xd2, 0x40, 1, 0}, CM_REASON_ENCRYPTED}, {{0xd2, 0x40, 2, 0}, CM_REASON_ENCRYPTED},
	    {{0xd2, 0x40, 3, 0}, CM_REASON_PACKETS},   {{0xd2, 0x3f, 1, 0}, CM_REASON_PACKETS},
	    {{0xd2, 0x41, 1, 0}, CM_REASON_PACKETS},   {{0xc9, 0x40, 1, 0}, CM_REASON_PACKETS},
	    {{0xcb, 0x40, 'b', 0}, CM_REASON_PACKETS}, {{0xc8, 0x40, 1, 0}, CM_REASON_PACKETS},
	    {{0xc1, 0x40, 3, 0}, CM_REASON_PACKETS},   {{0xd4, 0x40, 1, 0}, CM_REASON_PACKETS},
	    {{0xd5, 0x40, 1, 0}, CM_REASON_PACKETS},   {{0xca, 0x40, 'P', 0}, CM_REASON_PACKETS},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned char data[66] = {0};
		char *armor, *text;

		memcpy(data, cases[i].bytes, 4);
		armor = test_armored(data, sizeof(data), &test_armor_usual);
		text = test_encrypted_message(armor);
		test_expect(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", text,
			    cases[i].reason, i);
		test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text,
			    cases[i].reason, i);
		free(text);
		free(armor);
	}
}

/* `text` with `count` copies of `line` before `before`. */
static char *multiplied(const char *text, const char *before, const char *line, size_t count)
{
	char *lines = calloc(count, strlen(line) + 1);
	char *with, *out, *at;

	assert_non_null(lines);
	at = lines;
	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, line);
	assert_true(asprintf(&with, "%s%s", lines, before) >= 0);
	out = test_replaced(text, before, with);
	free(with);
	free(lines);
	return out;
}

static char *long_line(const char *start, size_t length)
{
	char *line = malloc(strlen(start) + length + 2);

	assert_non_null(line);
	strcpy(line, start);
	memset(line + strlen(start), 'a', length);
	strcpy(line + strlen(start) + length, "\n");
	return line;
}

static void bounds_are_kept(void **state)
{
	struct fixture *fixture = *state;
	char *base = test_usual_message();
	char *header = long_line("X-Own: ", 800), *body = long_line("", 999);
	char *fields = long_line("X-Own: ", 700), *type = long_line("Content-Type: a/b; c=", 5000);
	const struct {
		const char *before, *line;
		size_t count;
		enum cm_reason out, in;
	} cases[] = {
	    {"Subject: ", "X-Own: 1\n", 400, CM_REASON_ENCRYPTED, CM_REASON_ENCRYPTED},
	    {"Subject: ", "X-Own: 1\n", 500, CM_REASON_MIME_BOUNDS, CM_REASON_MIME_BOUNDS},
	    {"Subject: ", header, 150, CM_REASON_ENCRYPTED, CM_REASON_ENCRYPTED},
	    {"Subject: ", header, 200, CM_REASON_MIME_BOUNDS, CM_REASON_MIME_BOUNDS},
	    {"MIME-Version: ", type, 1, CM_REASON_MIME_BOUNDS, CM_REASON_MIME_BOUNDS},
	    {"Content-Description: O", "X-A: 1\n", 15, CM_REASON_CLEARTEXT_IN_MIME,
	     CM_REASON_ENCRYPTED},
	    {"Content-Description: O", "X-A: 1\n", 30, CM_REASON_CLEARTEXT_IN_MIME,
	     CM_REASON_MIME_BOUNDS},
	    {"Content-Description: O", fields, 12, CM_REASON_CLEARTEXT_IN_MIME,
	     CM_REASON_MIME_BOUNDS},
	    {"Content-Transfer-Encoding: 7bit\n\nV", " a\n", 1000, CM_REASON_MIME_BOUNDS,
	     CM_REASON_MIME_BOUNDS},
	    {"Version: 1\n\n", body, 1, CM_REASON_MIME_BOUNDS, CM_REASON_MIME_BOUNDS},
	    {BEGIN, body, 1, CM_REASON_MIME_BOUNDS, CM_REASON_MIME_BOUNDS},
	    {PART1, body, 1, CM_REASON_MIME_BOUNDS, CM_REASON_MIME_BOUNDS},
	    {PART1, "text\n", 100000, CM_REASON_CLEARTEXT_IN_MIME, CM_REASON_ENCRYPTED},
	    {PART1, "-text\n", 20000, CM_REASON_CLEARTEXT_IN_MIME, CM_REASON_MIME_BOUNDS},
	    {PART1, "\n", 100000, CM_REASON_ENCRYPTED, CM_REASON_ENCRYPTED},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = multiplied(base, cases[i].before, cases[i].line, cases[i].count);
		struct cm_verdict out =
		    test_judge(fixture->policy, CM_DIRECTION_OUT, "<bob@peer.test>", text);
		struct cm_verdict in =
		    test_judge(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text);

		if (out.reason != cases[i].out || in.reason != cases[i].in)
			fail_msg("case %zu: out %s, in %s", i, cm_reason_name(out.reason),
				 cm_reason_name(in.reason));
		free(text);
	}
	free(type);
	free(fields);
	free(body);
	free(header);
	free(base);
}

/* Programs that go by a part's name show the armor under the name of a text. Under an unknown name
   it must have no headers. */
static void the_name_of_the_data_is_not_that_of_a_text(void **state)
{
#define TYPE2_IS(rest) "Content-Type: application/octet-stream" rest "\n"
#define DISP2_IS(rest) TYPE2_IS("") "Content-Disposition: inline" rest "\n"
	static const struct {
		const char *header;
		enum cm_reason reason; /* with an armor header */
	} cases[] = {
	    {TYPE2_IS(""), CM_REASON_ENCRYPTED},
	    {TYPE2_IS("; name=\"Encrypted.ASC\""), CM_REASON_ENCRYPTED},
	    {TYPE2_IS("; name*=utf-8''%C3%A4.pgp"), CM_REASON_ENCRYPTED},
	    {DISP2_IS(""), CM_REASON_ENCRYPTED},
	    {DISP2_IS("; filename=message.gpg"), CM_REASON_ENCRYPTED},
	    {DISP2_IS("; size=3"), CM_REASON_ENCRYPTED},
	    {DISP2_IS("; filename=a.asc") "Content-Description: x\n", CM_REASON_ENCRYPTED},
	    {TYPE2_IS("; name=\"Brief an Bob\""), CM_REASON_ARMOR},
	    {TYPE2_IS("; name=a.enc"), CM_REASON_ARMOR},
	    {TYPE2_IS("; name=asc"), CM_REASON_ARMOR},
	    {TYPE2_IS("; name*0=a.; name*1=t"), CM_REASON_ARMOR},
	    {TYPE2_IS("; name=\"=?utf-8?q?a.txt?=\""), CM_REASON_ARMOR},
	    {DISP2_IS("; filename=a text.asc"), CM_REASON_ARMOR},
	    {DISP2_IS("; filename"), CM_REASON_ARMOR},
	    {TYPE2_IS("; name=a.txt"), CM_REASON_CLEARTEXT_IN_MIME},
	    {TYPE2_IS("; name=\"a.asc.HTML\""), CM_REASON_CLEARTEXT_IN_MIME},
	    {TYPE2_IS("; name=html"), CM_REASON_CLEARTEXT_IN_MIME},
	    {TYPE2_IS("; name*=utf-8''a.txt"), CM_REASON_CLEARTEXT_IN_MIME},
	    {TYPE2_IS("; name*0=a.; name*1=txt"), CM_REASON_CLEARTEXT_IN_MIME},
	    {DISP2_IS("; filename=a.txt"), CM_REASON_CLEARTEXT_IN_MIME},
	    {DISP2_IS("; filename=\"a.asc\"; filename*=utf-8''a.txt"), CM_REASON_CLEARTEXT_IN_MIME},
	    {TYPE2_IS("; name=a.txt") "Content-Disposition: inline; filename=a.asc\n",
	     CM_REASON_CLEARTEXT_IN_MIME},
	};
	struct fixture *fixture = *state;
	char *usual = test_usual_message();

	for (size_t i = 0; i < COUNT(cases); i++) {
		char *bare = test_replaced(usual, TYPE2 DESC2 CTE2, cases[i].header);
		char *text = test_replaced(bare, BEGIN, BEGIN "Comment: Hello Bob\n");

		test_expect(
		    fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", bare,
		    cases[i].reason == CM_REASON_ARMOR ? CM_REASON_ENCRYPTED : cases[i].reason, i);
		test_expect(fixture->policy, CM_DIRECTION_IN, "<carol@relay.test>", text,
			    cases[i].reason, i);
		free(text);
		free(bare);
	}
	free(usual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_name_of_the_data_is_not_that_of_a_text),
	    cmocka_unit_test(all_forms_of_armor_pass),
	    cmocka_unit_test(long_armor_lines_pass_only_in_incoming_mail),
	    cmocka_unit_test(transfer_encodings_are_decoded),
	    cmocka_unit_test(text_in_the_armor_does_not_pass),
	    cmocka_unit_test(checksums_are_not_checked),
	    cmocka_unit_test(empty_lines_in_the_armor_pass_only_in_incoming_mail),
	    cmocka_unit_test(a_truncated_armor_does_not_pass),
	    cmocka_unit_test(a_truncated_message_does_not_pass),
	    cmocka_unit_test(armored_packets_are_checked),
	    cmocka_unit_test(bounds_are_kept),
	};

	return cmocka_run_group_tests(tests, test_policy_setup, test_policy_teardown);
}

/*
 * mutants - change messages at random and print those that the policy accepts, for other readers
 *
 * usage: mutants COUNT SEED FILE...
 *
 * Each FILE is a message after one byte, a seed of fuzz_message. Prints COUNT different messages
 * that are accepted as encrypted or as a secure-join request, as their recipients get them: each
 * after a line with "in" or "out", a space and its length in decimal digits. In the whole message
 * GMime must find no text except the request.
 */
#include <gmime/gmime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "delivery.h"
#include "mailboxes.h"
#include "policy.h"

#define SIZE_MAX_OF_SEED 65536
/* Changes tried for each message that is to be found, at most. */
#define TRIES 400

struct text {
	char data[2 * SIZE_MAX_OF_SEED];
	size_t length;
};

static const char *const pieces[] = {
    "Content-Type: text/plain\n",
    "Content-Type: text/html; charset=utf-8\n",
    "Content-Type: multipart/mixed; boundary=abc\n",
    "Content-Type: application/octet-stream (text/plain)\n",
    "Content-Transfer-Encoding: base64\n",
    "Content-Transfer-Encoding: quoted-printable\n",
    "Content-Disposition: inline\n",
    "MIME-Version: 1.0\n",
    "Message-ID: <buy my pills@a.test>\n",
    "References: <pills@a.test> buy my pills\n",
    "Date: buy my pills\n",
    "Chat-Version: 1.0 pills\n",
    "To: pills <a@b.test> (pills), \"hidden-recipients\": ;\n",
    "Reply-To: buy-my-pills@b.test\n",
    "Cc: <\"=\\?utf-8?q?pills?=\"@b.test>, <=?utf-8?q?pills?=@b.test>\n",
    "In-Reply-To: <=?utf-8?q?pills?=@a.test>\n",
    "Autocrypt: addr=a@b.test; keydata=bXkgcGlsbHM=\n",
    "Autocrypt: addr==?utf-8?q?pills?=@b.test; keydata=xjMEawbsBhYJ\n",
    "Secure-Join: vc-request\n",
    "\n",
    "\r\n",
    "--abc\n",
    "--abc--\n",
    "--abc \n",
    "Buy my pills\n",
    "secure-join: vc-request\n",
    "; boundary=\"xyz\"",
    "; charset=utf-7",
    "; name=pills.html",
    "; x-boundary=abc",
    "; x=\"boundary=abc\"",
    "; x=\"\xe9\x80\"",
    "Comment: Buy my pills\n",
    "Content-Disposition: inline; filename=pills.txt\n",
    "boundary*0=ab; boundary*1=c",
    "=?utf-8?q?boundary?=",
    "=?utf-8?q?pills?=",
    " (comment) ",
    "\"",
    "\\",
    ";",
    "\t",
    "\r",
};

/* Fields of the secure-join protocol, which Delta Chat writes only into a request. */
static const char *const join_fields[] = {
    "Secure-Join: vc-request\n",
    "Secure-Join: vg-request-with-auth\n",
    "Secure-Join: buy my pills\n",
    "Secure-Join-Invitenumber: buy-my-pills\n",
    "Secure-Join-Group: buy-my-pills\n",
    "Secure-Join-Group: =?utf-8?q?pills?=\n",
    "Secure-Join-Fingerprint: 6275796D7970696C6C73\n",
    "Secure-Join-Auth: buy-my-pills\n",
};

/* "Buy my pills" in the encodings of Usenet, which some readers decode outside a part, too. */
static const char *const usenet[] = {
    "begin 644 pills.txt\n-0G5Y(&UY('!I;&QS\"@``\n`\nend\n",
    "begin-base64 644 pills.txt\nQnV5IG15IHBpbGxzCg==\n====\n",
    ("=ybegin line=128 size=12 name=pills.txt\n"
     "l\x9f\xa3J\x97\xa3J\x9a\x93\x96\x96\x9d\n=yend size=12\n"),
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static unsigned long long state;

/* xorshift, so that the same seed gives the same run on every machine. */
static size_t below(size_t bound)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return bound > 0 ? (size_t)(state % bound) : 0;
}

static void splice(struct text *text, size_t at, size_t removed, const char *data, size_t length)
{
	if (at + removed > text->length)
		removed = text->length - at;
	if (text->length - removed + length > sizeof(text->data))
		return;
	memmove(text->data + at + length, text->data + at + removed, text->length - at - removed);
	memcpy(text->data + at, data, length);
	text->length += length - removed;
}

/* A line start, more often one of the first, because the structure is there. */
static size_t line_start(const struct text *text)
{
	size_t lines = below(40), at = 0;

	while (lines-- > 0) {
		const char *end = memchr(text->data + at, '\n', text->length - at);

		if (end == NULL)
			break;
		at = (size_t)(end - text->data) + 1;
	}
	return at;
}

static size_t line_length(const struct text *text, size_t at)
{
	const char *end = memchr(text->data + at, '\n', text->length - at);

	return end != NULL ? (size_t)(end - text->data) + 1 - at : text->length - at;
}

/* After the empty line that ends the header. */
static size_t body_start(const struct text *text)
{
	const char *end = memmem(text->data, text->length, "\n\n", 2);

	return end != NULL ? (size_t)(end - text->data) + 2 : text->length;
}

static void insert_join_field(struct text *text)
{
	const char *field = join_fields[below(COUNT(join_fields))];
	size_t header = body_start(text), at = line_start(text);

	splice(text, at < header ? at : 0, 0, field, strlen(field));
}

/* Before or after the parts, or in the version part. */
static void insert_usenet(struct text *text)
{
	const char *data = usenet[below(COUNT(usenet))];
	const char *version = memmem(text->data, text->length, "\nVersion: 1", 11);
	size_t at = below(2) > 0 ? body_start(text) : text->length;

	if (version != NULL && below(3) == 0) {
		at = (size_t)(version - text->data) + 1;
		at += below(2) * line_length(text, at);
	}
	splice(text, at, 0, data, strlen(data));
}

static void mutate(struct text *text, const struct text *other)
{
	size_t start = line_start(text), length = line_length(text, start);
	const char *piece = pieces[below(COUNT(pieces))];
	char line[1000];
	size_t from;

	switch (below(8)) {
	case 0: /* change a byte */
		if (length > 0)
			text->data[start + below(length)] = (char)below(256);
		break;
	case 1: /* replace at the start of a line */
		splice(text, start, 0, piece, strlen(piece));
		break;
	case 2: /* or within it */
		splice(text, start + below(length), 0, piece, strlen(piece));
		break;
	case 3: /* delete a line */
		splice(text, start, length, "", 0);
		break;
	case 4: /* or duplicate it */
		if (length < sizeof(line)) {
			memcpy(line, text->data + start, length);
			splice(text, line_start(text), 0, line, length);
		}
		break;
	case 5:
		insert_join_field(text);
		break;
	case 6:
		insert_usenet(text);
		break;
	default: /* or insert a line of another message */
		from = line_start(other);
		splice(text, start, 0, other->data + from, line_length(other, from));
	}
}

/* True if the text without its white space is a request, or empty. */
static bool is_request(const char *text)
{
	char words[sizeof("secure-join:vc-request")];
	size_t length = 0;

	for (; *text != '\0'; text++) {
		if (strchr(" \t\r\n", *text) != NULL)
			continue;
		if (length == sizeof(words) - 1)
			return false;
		words[length++] = *text;
	}
	words[length] = '\0';
	return length == 0 || strcasecmp(words, "secure-join:vc-request") == 0 ||
	       strcasecmp(words, "secure-join:vg-request") == 0;
}

static void look_at(GMimeObject *parent, GMimeObject *part, gpointer context)
{
	char *text;

	(void)parent;
	if (!GMIME_IS_TEXT_PART(part))
		return;
	text = g_mime_text_part_get_text(GMIME_TEXT_PART(part));
	if (text != NULL && !is_request(text))
		*(bool *)context = false;
	g_free(text);
}

static bool gmime_sees_no_text(const struct text *text)
{
	GMimeStream *stream = g_mime_stream_mem_new_with_buffer(text->data, text->length);
	GMimeParser *parser = g_mime_parser_new_with_stream(stream);
	GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
	bool good = message != NULL;

	if (message != NULL) {
		g_mime_message_foreach(message, look_at, &good);
		g_object_unref(message);
	}
	g_object_unref(parser);
	g_object_unref(stream);
	return good;
}

static void read_seed(const char *path, struct text *text)
{
	FILE *file = fopen(path, "rb");

	text->length = 0;
	if (file == NULL)
		abort();
	fgetc(file);
	for (int c; text->length < SIZE_MAX_OF_SEED && (c = fgetc(file)) != EOF;) {
		if (c == '\n' && text->length > 0 && text->data[text->length - 1] == '\r')
			text->length--;
		text->data[text->length++] = (char)c;
	}
	fclose(file);
}

static void add(struct text *text, const char *data, size_t length)
{
	splice(text, text->length, 0, data, length);
}

static bool add_header(void *context, const char *name, const char *value)
{
	add(context, name, strlen(name));
	add(context, ":", 1);
	add(context, value, strlen(value));
	add(context, "\r\n", 2);
	return true;
}

static bool skip_header(void *context, const char *name, const char *value)
{
	(void)context;
	(void)name;
	(void)value;
	return true;
}

static bool add_end_of_headers(void *context)
{
	add(context, "\r\n", 2);
	return true;
}

static bool add_body(void *context, const void *data, size_t length)
{
	add(context, data, length);
	return true;
}

/* The message as its recipient gets it: with an empty line after the header, if there was none. An
   outgoing one leaves with the header that the milter makes of its own. */
static void relay(const struct cm_message *message, enum cm_direction direction,
		  const struct text *text, struct text *relayed)
{
	const struct cm_header_rewrite *rewrite = cm_message_header_rewrite(message);
	const bool rewritten = direction == CM_DIRECTION_OUT;
	const struct cm_message_file_reader reader = {relayed, rewritten ? skip_header : add_header,
						      add_end_of_headers, add_body};

	relayed->length = 0;
	for (size_t i = 0; rewritten && i < rewrite->count; i++) {
		if (rewrite->field[i].value != NULL)
			add_header(relayed, rewrite->field[i].name, rewrite->field[i].value);
	}
	if (cm_message_file_read(&reader, text->data, text->length) == CM_MESSAGE_FILE_NO_MEMORY)
		abort();
}

/* True if the message itself is accepted; relayed_r becomes the message that leaves. */
static bool passes(struct cm_policy *policy, enum cm_direction direction, const struct text *text,
		   struct text *relayed_r)
{
	struct test_delivery delivery = {
	    .message = cm_message_begin(policy, direction, "<alice@relay.test>"),
	    .piece = CM_MESSAGE_FILE_CHUNK};
	struct cm_verdict verdict;
	bool good;

	if (delivery.message == NULL)
		abort();
	/* The policy sees an existing mailbox that refuses cleartext. */
	cm_message_recipient(delivery.message, "<carol>");
	test_deliver(&delivery, text->data, text->length);
	cm_message_end(delivery.message, CM_DKIM_VALID, &verdict);
	good = verdict.reason == CM_REASON_ENCRYPTED || verdict.reason == CM_REASON_SECURE_JOIN;
	if (good)
		relay(delivery.message, direction, text, relayed_r);
	cm_message_free(&delivery.message);
	return good;
}

/* With the line ends of SMTP: a CR before one is a bare one. */
static void put_on_wire(const struct text *text, struct text *wire)
{
	const char *line = text->data, *rest = text->data + text->length, *end;

	wire->length = 0;
	while ((end = memchr(line, '\n', (size_t)(rest - line))) != NULL) {
		add(wire, line, (size_t)(end - line));
		add(wire, "\r\n", 2);
		line = end + 1;
	}
	add(wire, line, (size_t)(rest - line));
}

/* The messages, and which of them pass as they are: the others only give lines to them. */
struct seeds {
	struct text *text;
	size_t count;
	size_t *good[2], good_count[2]; /* for each direction */
};

static void list_good(struct cm_policy *policy, enum cm_direction direction, struct seeds *seeds,
		      struct text *wire, struct text *relayed)
{
	size_t *good = calloc(seeds->count, sizeof(*good)), count = 0;

	for (size_t i = 0; good != NULL && i < seeds->count; i++) {
		put_on_wire(&seeds->text[i], wire);
		if (passes(policy, direction, wire, relayed))
			good[count++] = i;
	}
	if (count == 0)
		abort();
	seeds->good[direction] = good;
	seeds->good_count[direction] = count;
}

/* True the first time. */
static bool is_new(GHashTable *seen, enum cm_direction direction, const struct text *text)
{
	guint64 hash = 14695981039346656037U + direction; /* FNV-1a */

	for (size_t i = 0; i < text->length; i++)
		hash = (hash ^ (unsigned char)text->data[i]) * 1099511628211U;
	return g_hash_table_add(seen, g_memdup2(&hash, sizeof(hash)));
}

/* Returns how many messages there are in which GMime sees text. */
static size_t make(struct cm_policy *policy, size_t count, struct seeds *seeds)
{
	struct text *text = &seeds->text[seeds->count], *wire = text + 1, *relayed = text + 2;
	GHashTable *seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	size_t bad = 0, found[2] = {0};

	list_good(policy, CM_DIRECTION_OUT, seeds, wire, relayed);
	list_good(policy, CM_DIRECTION_IN, seeds, wire, relayed);
	for (size_t i = 0; g_hash_table_size(seen) < count && i < count * TRIES; i++) {
		/* Fewer outgoing mutants are accepted, and fewer differ when they leave. */
		enum cm_direction direction = 3 * found[CM_DIRECTION_OUT] <= found[CM_DIRECTION_IN]
						  ? CM_DIRECTION_OUT
						  : CM_DIRECTION_IN;

		*text = seeds->text[seeds->good[direction][below(seeds->good_count[direction])]];
		for (size_t k = 1 + below(3); k > 0; k--)
			mutate(text, &seeds->text[below(seeds->count)]);
		put_on_wire(text, wire);
		if (!passes(policy, direction, wire, relayed) || !is_new(seen, direction, relayed))
			continue;
		found[direction]++;
		printf("%s %zu\n", direction == CM_DIRECTION_IN ? "in" : "out", relayed->length);
		fwrite(relayed->data, 1, relayed->length, stdout);
		if (!gmime_sees_no_text(relayed)) {
			fprintf(stderr, "GMime sees text:\n");
			fwrite(wire->data, 1, wire->length, stderr);
			bad++;
		}
	}
	g_hash_table_destroy(seen);
	return bad;
}

int main(int argc, char **argv)
{
	struct cm_config config = test_relay_config();
	struct seeds seeds = {.count = argc > 3 ? (size_t)argc - 3 : 0};
	struct cm_policy *policy;
	size_t bad;

	if (seeds.count == 0)
		return 2;
	state = strtoul(argv[2], NULL, 10) * 2 + 1;
	policy = cm_policy_new(&config, NULL);
	seeds.text = calloc(seeds.count + 3, sizeof(*seeds.text));
	if (policy == NULL || seeds.text == NULL)
		return 2;
	for (size_t i = 0; i < seeds.count; i++)
		read_seed(argv[3 + i], &seeds.text[i]);
	bad = make(policy, strtoul(argv[1], NULL, 10), &seeds);
	cm_policy_free(&policy);
	free(seeds.good[CM_DIRECTION_OUT]);
	free(seeds.good[CM_DIRECTION_IN]);
	free(seeds.text);
	return bad > 0 ? 1 : 0;
}

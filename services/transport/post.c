#include "post.h"

#include "https.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Maximum of bytes of a reply that are read. */
#define POST_ANSWER_MAX 1024

/* Seconds. A peer may take as long for the end of a message as in SMTP (RFC 5321 4.5.3.2.6), but
   filtermail gives up after 60, and so do our peers. */
#define CONNECT_TIMEOUT 10L
#define PROBE_TIMEOUT   15L
#define TIMEOUT         300L
#define SILENCE         60
#define UPLOAD_BUFFER   16384L
#define HEADER_SIZE     600

struct post {
	struct loop *loop;
	CURL *easy;
	struct curl_slist *headers, *resolve;
	const struct spool *spool;
	size_t offset;
	bool interrupted; /* libcurl has begun to post again */
	post_done_fn *done;
	void *context;
	size_t length;
	char answer[POST_ANSWER_MAX + 1];
};

static void destroy(struct post *post)
{
	if (post->easy != NULL) {
		curl_multi_remove_handle(loop_curl(post->loop), post->easy);
		curl_easy_cleanup(post->easy);
	}
	curl_slist_free_all(post->headers);
	curl_slist_free_all(post->resolve);
	free(post);
}

static size_t on_read(char *data, size_t size, size_t count, void *context)
{
	struct post *post = context;
	ssize_t length = spool_read(post->spool, post->offset, data, size * count);

	if (length < 0)
		return CURL_READFUNC_ABORT;
	post->offset += (size_t)length;
	return (size_t)length;
}

/* True if the peer may have received the whole message. */
static bool is_sent(const struct post *post)
{
	return post->spool != NULL && post->offset >= post->spool->length;
}

/* If a kept connection ends without a reply, libcurl posts again on another one. The peer may
   have accepted a message that it received completely: then it would get two. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
	struct post *post = context;

	if (origin != SEEK_SET || is_sent(post)) {
		post->interrupted = true;
		return CURL_SEEKFUNC_FAIL;
	}
	post->offset = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t on_answer(char *data, size_t size, size_t count, void *context)
{
	struct post *post = context;
	size_t length = size * count, kept = length;

	if (kept > POST_ANSWER_MAX - post->length)
		kept = POST_ANSWER_MAX - post->length;
	memcpy(post->answer + post->length, data, kept);
	post->length += kept;
	return post->length < POST_ANSWER_MAX ? length : 0;
}

/* An HTTP/1 peer may send more data after its reply, which would count as the reply to the
   next message on the connection. HTTP/2 numbers its streams. */
static size_t on_header(char *data, size_t size, size_t count, void *context)
{
	struct post *post = context;

	if (size * count > 7 && strncmp(data, "HTTP/1.", 7) == 0)
		curl_easy_setopt(post->easy, CURLOPT_FORBID_REUSE, 1L);
	return size * count;
}

static bool append(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer == NULL)
		return false;
	*list = longer;
	return true;
}

static bool append_header(struct post *post, const char *name, const char *value)
{
	char line[HEADER_SIZE];

	for (const char *c = value; *c != '\0'; c++) {
		if (*c < ' ' || *c >= 0x7f)
			return false;
	}
	if ((size_t)snprintf(line, sizeof(line), "%s: %s", name, value) >= sizeof(line))
		return false;
	return append(&post->headers, line);
}

static bool set_message(struct post *post, const struct post_message *message)
{
	post->spool = message->spool;
	if (message->sender[0] != '\0' && !append_header(post, "X-MAIL-FROM", message->sender))
		return false;
	for (size_t i = 0; i < message->recipient_count; i++) {
		if (!append_header(post, "X-MAIL-TO", message->recipients[i]))
			return false;
	}
	if (!append(&post->headers, "Content-Type: message/rfc822") ||
	    !append(&post->headers, "Expect:"))
		return false;
	curl_easy_setopt(post->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(post->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->spool->length);
	curl_easy_setopt(post->easy, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(post->easy, CURLOPT_READDATA, post);
	curl_easy_setopt(post->easy, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(post->easy, CURLOPT_SEEKDATA, post);
	curl_easy_setopt(post->easy, CURLOPT_HTTPHEADER, post->headers);
	return true;
}

/* Uses the address from our DNS lookup: no second lookup, in another order. */
static bool set_target(struct post *post, const struct post_target *target)
{
	char url[MX_NAME_SIZE + 32], line[MX_NAME_SIZE + MX_ADDRESSES_MAX * INET6_ADDRSTRLEN + 32];
	bool literal = strchr(target->host, ':') != NULL;
	size_t length;

	if ((size_t)snprintf(url, sizeof(url),
			     literal ? "https://[%s]/mxdeliv" : "https://%s/mxdeliv",
			     target->host) >= sizeof(url))
		return false;
	if (target->addresses != NULL && !literal) {
		length = (size_t)snprintf(line, sizeof(line), "+%s:443:", target->host);
		for (size_t i = 0; i < target->addresses->count; i++)
			length += (size_t)snprintf(line + length, sizeof(line) - length, "%s%s",
						   i > 0 ? "," : "", target->addresses->text[i]);
		if (!append(&post->resolve, line))
			return false;
		curl_easy_setopt(post->easy, CURLOPT_RESOLVE, post->resolve);
	}
	curl_easy_setopt(post->easy, CURLOPT_SSL_VERIFYPEER, target->verify ? 1L : 0L);
	curl_easy_setopt(post->easy, CURLOPT_SSL_VERIFYHOST, target->verify ? 2L : 0L);
	return curl_easy_setopt(post->easy, CURLOPT_URL, url) == CURLE_OK;
}

static void set_options(struct post *post, bool probe)
{
	CURL *easy = post->easy;

	https_set_options(easy, "chatmail-transport");
	https_set_silence(easy, SILENCE * 1000);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, probe ? PROBE_TIMEOUT : TIMEOUT);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)SILENCE);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, UPLOAD_BUFFER);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, post);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, post);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, post);
}

struct post *post_start(struct loop *loop, const struct post_target *target,
			const struct post_message *message, post_done_fn *done, void *context)
{
	struct post *post = calloc(1, sizeof(*post));

	if (post == NULL)
		return NULL;
	post->loop = loop;
	post->done = done;
	post->context = context;
	post->easy = curl_easy_init();
	if (post->easy == NULL)
		goto fail;
	set_options(post, message == NULL);
	if (!set_target(post, target) || (message != NULL && !set_message(post, message)))
		goto fail;
	if (curl_multi_add_handle(loop_curl(loop), post->easy) == CURLM_OK)
		return post;
fail:
	destroy(post);
	return NULL;
}

void post_cancel(struct post **post)
{
	if (*post == NULL)
		return;
	destroy(*post);
	*post = NULL;
}

static void end(struct post *post, CURLcode result)
{
	struct post_answer answer = {.text = post->answer};
	post_done_fn *done = post->done;
	void *context = post->context;
	long connections = 0;

	curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &answer.status);
	curl_easy_getinfo(post->easy, CURLINFO_NUM_CONNECTS, &connections);
	answer.sent = is_sent(post);
	/* libcurl counts new connections: the one for a second request, too. */
	answer.kept = answer.status == 0 && connections == (post->interrupted ? 1 : 0) &&
		      result != CURLE_OPERATION_TIMEDOUT;
	done(context, &answer);
	destroy(post);
}

void post_finish(struct loop *loop)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(loop_curl(loop), &left)) != NULL) {
		struct post *post = NULL;

		if (message->msg == CURLMSG_DONE &&
		    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &post) == CURLE_OK)
			end(post, message->data.result);
	}
}

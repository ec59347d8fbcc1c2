#include "sender.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "https.h"
#include "tokens.h"

#define CONNECT_TIMEOUT   10L /* seconds */
#define REQUEST_TIMEOUT   30L
#define CONNECTIONS_HTTP2 4L
/* Milliseconds for which sent data may stay unacknowledged before the connection counts as
   dead. */
#define TCP_SILENCE 15000
/* The body of a reply is ignored, but reading a small one keeps the connection usable. */
#define BODY_MAX 65536

struct request {
	struct request *next, *previous; /* by age; idle requests use only next */
	CURL *easy;
	void *subject;
	int64_t started;
	size_t body;   /* bytes of the reply so far */
	bool answered; /* the reply's header is complete */
	char token[CM_TOKEN_MAX + 1];
};

struct list {
	struct request *oldest, *newest;
	unsigned int count;
};

struct sender {
	char *url;
	CURLM *multi;
	struct curl_slist *headers;
	sender_done_fn *done;
	void *context;
	struct list in_flight;
	struct list ending; /* answered, but not yet finished by libcurl */
	struct request *idle;
};

/* Only the status matters. The rest of the reply may never come: a server may not send it, and
   libcurl 7.88 sometimes misses the end of the last HTTP/2 stream until other data arrives. */
static size_t note_header(char *line, size_t size, size_t count, void *context)
{
	const size_t length = size * count;
	struct request *request = context;
	long status = 0;

	if (length > 0 && (line[0] == '\r' || line[0] == '\n') &&
	    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
	    status >= 200)
		request->answered = true;
	return length;
}

static size_t discard_body(char *data, size_t size, size_t count, void *context)
{
	struct request *request = context;

	(void)data;
	request->body += size * count;
	return request->body <= BODY_MAX ? size * count : 0;
}

static void set_options(const struct sender *sender, struct request *request)
{
	CURL *easy = request->easy;

	https_set_options(easy, "chatmail-notifyd");
	curl_easy_setopt(easy, CURLOPT_URL, sender->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, sender->headers);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	/* Otherwise the end of a request, and so this program, waits for a resolver that does
	   not reply. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, REQUEST_TIMEOUT);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	https_set_silence(easy, TCP_SILENCE);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 16384L);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
	/* A proxy's reply to CONNECT is not the push service's. */
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, note_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
}

/* An idle request, or a new one. */
static struct request *take_request(struct sender *sender)
{
	struct request *request = sender->idle;

	if (request != NULL) {
		sender->idle = request->next;
		return request;
	}
	request = calloc(1, sizeof(*request));
	if (request == NULL)
		return NULL;
	request->easy = curl_easy_init();
	if (request->easy == NULL) {
		free(request);
		return NULL;
	}
	set_options(sender, request);
	return request;
}

static void give_back(struct sender *sender, struct request *request)
{
	explicit_bzero(request->token, sizeof(request->token));
	request->next = sender->idle;
	sender->idle = request;
}

static void append(struct list *list, struct request *request)
{
	request->next = NULL;
	request->previous = list->newest;
	if (list->newest != NULL)
		list->newest->next = request;
	else
		list->oldest = request;
	list->newest = request;
	list->count++;
}

static void unlink_from(struct list *list, struct request *request)
{
	if (request->previous != NULL)
		request->previous->next = request->next;
	else
		list->oldest = request->next;
	if (request->next != NULL)
		request->next->previous = request->previous;
	else
		list->newest = request->previous;
	list->count--;
}

static bool open_multi(struct sender *sender)
{
	sender->multi = curl_multi_init();
	if (sender->multi == NULL)
		return false;
	curl_multi_setopt(sender->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	curl_multi_setopt(sender->multi, CURLMOPT_MAX_HOST_CONNECTIONS, CONNECTIONS_HTTP2);
	curl_multi_setopt(sender->multi, CURLMOPT_MAXCONNECTS, (long)SENDER_WINDOW_HTTP1);
	return true;
}

/* Sends no unnecessary header: the POST is as small as possible. */
static bool set_headers(struct sender *sender)
{
	static const char *const empty[] = {"Content-Type:", "Accept:", "Expect:"};
	struct curl_slist *list;

	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		list = curl_slist_append(sender->headers, empty[i]);
		if (list == NULL)
			return false;
		sender->headers = list;
	}
	return true;
}

struct sender *sender_new(const char *url, sender_done_fn *done, void *context,
			  struct cm_error *err)
{
	struct sender *sender = calloc(1, sizeof(*sender));

	if (sender == NULL)
		goto fail;
	sender->done = done;
	sender->context = context;
	sender->url = strdup(url);
	if (sender->url != NULL && set_headers(sender) && open_multi(sender))
		return sender;
fail:
	cm_error_set(err, "out of memory");
	sender_free(&sender);
	return NULL;
}

static void free_request(struct request *request)
{
	curl_easy_cleanup(request->easy);
	explicit_bzero(request->token, sizeof(request->token));
	free(request);
}

static void break_off(struct sender *sender, struct list *list)
{
	struct request *request;

	while ((request = list->oldest) != NULL) {
		unlink_from(list, request);
		curl_multi_remove_handle(sender->multi, request->easy);
		free_request(request);
	}
}

static void free_idle(struct sender *sender)
{
	struct request *request;

	while ((request = sender->idle) != NULL) {
		sender->idle = request->next;
		free_request(request);
	}
}

void sender_free(struct sender **sender)
{
	if (*sender == NULL)
		return;
	break_off(*sender, &(*sender)->in_flight);
	break_off(*sender, &(*sender)->ending);
	free_idle(*sender);
	if ((*sender)->multi != NULL)
		curl_multi_cleanup((*sender)->multi);
	curl_slist_free_all((*sender)->headers);
	free((*sender)->url);
	free(*sender);
	*sender = NULL;
}

bool sender_post(struct sender *sender, const char *token, void *subject, int64_t now)
{
	const size_t length = strlen(token);
	struct request *request;

	if (sender->in_flight.count + sender->ending.count >= SENDER_MAX || length > CM_TOKEN_MAX)
		return false;
	request = take_request(sender);
	if (request == NULL)
		return false;
	memcpy(request->token, token, length + 1);
	request->subject = subject;
	request->started = now;
	request->body = 0;
	request->answered = false;
	curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS, request->token);
	curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE, (long)length);
	if (curl_multi_add_handle(sender->multi, request->easy) != CURLM_OK) {
		give_back(sender, request);
		return false;
	}
	append(&sender->in_flight, request);
	return true;
}

unsigned int sender_in_flight(const struct sender *sender)
{
	return sender->in_flight.count;
}

unsigned int sender_in_flight_since(const struct sender *sender, int64_t before)
{
	unsigned int count = 0;

	for (const struct request *request = sender->in_flight.oldest;
	     request != NULL && request->started < before; request = request->next)
		count++;
	return count;
}

bool sender_disconnect(struct sender *sender)
{
	break_off(sender, &sender->ending);
	/* The handles refer to the multi handle's caches. */
	free_idle(sender);
	curl_multi_cleanup(sender->multi);
	return open_multi(sender);
}

/* Reads the result of one request. The status line is the reply, even if the body then broke
   off. */
static void read_answer(CURL *easy, CURLcode result, struct sender_answer *answer)
{
	long version = 0;
	curl_off_t wait = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer->status);
	if (answer->status < 200) {
		answer->status = 0;
		answer->error = curl_easy_strerror(result);
		return;
	}
	curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
	answer->http2 = version != CURL_HTTP_VERSION_1_0 && version != CURL_HTTP_VERSION_1_1;
	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &wait);
	if (wait > 0 && wait < INT32_MAX)
		answer->retry_after = (int64_t)wait * 1000;
}

/* HTTP/1.1 has one request at a time on a connection, so it needs more of them. */
static void set_connections(struct sender *sender, bool http2)
{
	curl_multi_setopt(sender->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
			  http2 ? CONNECTIONS_HTTP2 : (long)SENDER_WINDOW_HTTP1);
}

/* Reports the result of a request; the caller has removed it from those in flight. */
static void report(struct sender *sender, const struct request *request, CURLcode result)
{
	struct sender_answer answer = {.started = request->started};

	read_answer(request->easy, result, &answer);
	if (answer.status != 0)
		set_connections(sender, answer.http2);
	sender->done(sender->context, request->subject, &answer);
}

static void report_answered(struct sender *sender)
{
	struct request *request, *next;

	for (request = sender->in_flight.oldest; request != NULL; request = next) {
		next = request->next;
		if (!request->answered)
			continue;
		unlink_from(&sender->in_flight, request);
		append(&sender->ending, request);
		report(sender, request, CURLE_OK);
	}
}

static void finish(struct sender *sender, CURL *easy, CURLcode result)
{
	struct request *request = NULL;
	char *private = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
	request = (struct request *)(void *)private;
	if (request->answered) {
		unlink_from(&sender->ending, request);
	} else {
		unlink_from(&sender->in_flight, request);
		report(sender, request, result);
	}
	curl_multi_remove_handle(sender->multi, easy);
	give_back(sender, request);
}

void sender_run(struct sender *sender, const int *fds, size_t count, int timeout_ms)
{
	struct curl_waitfd waits[SENDER_DESCRIPTORS_MAX];
	CURLMsg *message;
	int running, left;

	assert(count <= SENDER_DESCRIPTORS_MAX);
	for (size_t i = 0; i < count; i++)
		waits[i] = (struct curl_waitfd){.fd = fds[i], .events = CURL_WAIT_POLLIN};
	curl_multi_poll(sender->multi, waits, (unsigned int)count, timeout_ms, NULL);
	curl_multi_perform(sender->multi, &running);
	report_answered(sender);
	while ((message = curl_multi_info_read(sender->multi, &left)) != NULL)
		if (message->msg == CURLMSG_DONE)
			finish(sender, message->easy_handle, message->data.result);
}

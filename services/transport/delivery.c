#include "delivery.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "peer_address.h"
#include "post.h"

struct delivery {
	struct delivery_world *world;
	struct delivery_message message;
	char domain[ROUTE_DOMAIN_SIZE];
	bool probe;
	struct delivery **place; /* of a probe, among all probes */
	delivery_result_fn *result;
	delivery_done_fn *done;
	void *context;
	struct delivery *next; /* in the list of the finished */
	bool finished;

	struct mx_question *question;
	struct mx_hosts hosts;
	size_t host; /* the current host */
	struct mx_addresses addresses;
	struct post *post;
	bool alone;       /* one request for each recipient */
	size_t recipient; /* the first recipient without a result */
};

static void destroy(struct delivery *delivery)
{
	if (delivery->place != NULL && *delivery->place == delivery)
		*delivery->place = NULL;
	mx_cancel(&delivery->question);
	post_cancel(&delivery->post);
	free(delivery);
}

/* Ends the delivery: recipients without a result get this one. done() comes from
   delivery_finish(). */
static void finish(struct delivery *delivery, int code, const char *text)
{
	for (; delivery->recipient < delivery->message.recipient_count; delivery->recipient++)
		delivery->result(delivery->context, code, text);
	delivery->finished = true;
	delivery->next = delivery->world->finished;
	delivery->world->finished = delivery;
}

static void learn(struct delivery *delivery, enum route route)
{
	route_learn(delivery->world->routes, delivery->domain, route, cm_clock_seconds());
}

/* After a probe without any reply the domain is probed again soon (route.c, PROBE_SECONDS). */
static void leave_to_smtp(struct delivery *delivery)
{
	if (!delivery->probe)
		learn(delivery, ROUTE_SMTP);
	finish(delivery, 451, "4.4.1 The peer accepts no mail over HTTPS now");
}

/* Copies the first line of the peer's text, up to the first byte that is not printable ASCII. */
static void copy_line(char *to, size_t size, const char *from)
{
	size_t length = 0;

	while (length + 1 < size && (unsigned char)*from >= ' ' && (unsigned char)*from < 0x7f)
		to[length++] = *from++;
	to[length] = '\0';
}

/* The SMTP reply in a refusal: "550 5.1.1 text", or "550-...". Any other text is a temporary
   failure: mail does not bounce because of an unknown reply. */
static int read_reply(const char *answer, char text[DELIVERY_TEXT_SIZE])
{
	int code = 0;

	for (int i = 0; i < 3; i++) {
		if (!isdigit((unsigned char)answer[i]))
			return 0;
		code = 10 * code + (answer[i] - '0');
	}
	if (code < 400 || code > 599 || (answer[3] != ' ' && answer[3] != '-'))
		return 0;
	copy_line(text, DELIVERY_TEXT_SIZE, answer + 4);
	return code;
}

static void start_post(struct delivery *delivery);

/* Sets the result of the recipients in the last request. */
static void conclude(struct delivery *delivery, int code, const char *text)
{
	if (!delivery->alone) {
		finish(delivery, code, text);
		return;
	}
	delivery->result(delivery->context, code, text);
	delivery->recipient++;
	if (delivery->recipient < delivery->message.recipient_count)
		start_post(delivery);
	else
		finish(delivery, 451, "4.3.0 Internal failure");
}

static void on_refusal(struct delivery *delivery, const struct post_answer *answer)
{
	char text[DELIVERY_TEXT_SIZE];
	int code = read_reply(answer->text, text);

	if (!delivery->alone && delivery->message.recipient_count > 1) {
		delivery->alone = true;
		start_post(delivery);
	} else if (code != 0) {
		conclude(delivery, code, text);
	} else {
		conclude(delivery, 451, "4.5.0 The peer refused without an SMTP reply");
	}
}

static void next_host(struct delivery *delivery);

static void on_answer(void *context, const struct post_answer *answer)
{
	struct delivery *delivery = context;

	delivery->post = NULL;
	if (delivery->probe && answer->status != 0) {
		/* Upstream's reply to other methods than POST. */
		learn(delivery, answer->status == 405 ? ROUTE_HTTPS : ROUTE_SMTP);
		finish(delivery, 0, "");
	} else if (answer->status >= 200 && answer->status < 300 && answer->sent) {
		route_accepted(delivery->world->routes, delivery->domain, cm_clock_seconds());
		conclude(delivery, 250, "2.0.0 Accepted over HTTPS");
	} else if (answer->status == 400) {
		on_refusal(delivery, answer);
	} else if (answer->status == 413) {
		conclude(delivery, 552, "5.3.4 The message is too large for the peer");
	} else if (answer->status == 0 && !answer->sent && !delivery->alone) {
		next_host(delivery);
	} else if (answer->kept && answer->sent) {
		/* The peer may have ended it while the request was on its way. */
		finish(delivery, 451, "4.4.2 The connection ended before the peer replied");
	} else {
		leave_to_smtp(delivery);
	}
}

/* Address literals, and test relays, cannot have a certificate from a public authority. */
static bool is_excused(const char *domain)
{
	return domain[0] == '[' || domain[0] == '_';
}

static void start_post(struct delivery *delivery)
{
	const struct delivery_message *message = &delivery->message;
	const struct post_target target = {
	    .host = delivery->hosts.name[delivery->host],
	    .addresses = delivery->addresses.count > 0 ? &delivery->addresses : NULL,
	    .verify = !is_excused(delivery->domain),
	};
	const struct post_message posted = {
	    .sender = message->sender,
	    .recipients =
		delivery->alone ? message->recipients + delivery->recipient : message->recipients,
	    .recipient_count = delivery->alone ? 1 : message->recipient_count,
	    .spool = message->spool,
	};

	delivery->post = post_start(delivery->world->loop, &target,
				    delivery->probe ? NULL : &posted, on_answer, delivery);
	if (delivery->post == NULL)
		finish(delivery, 451, "4.3.0 Cannot create the request");
}

static void on_addresses(void *context, const struct mx_addresses *addresses)
{
	struct delivery *delivery = context;

	delivery->question = NULL;
	delivery->addresses = *addresses;
	if (!delivery->world->private_peers)
		peer_addresses_filter(&delivery->addresses);
	if (delivery->addresses.status == MX_FOUND)
		start_post(delivery);
	else
		next_host(delivery);
}

static void find_addresses(struct delivery *delivery)
{
	delivery->question = mx_find_addresses(
	    delivery->world->mx, delivery->hosts.name[delivery->host], on_addresses, delivery);
	if (delivery->question == NULL)
		finish(delivery, 451, "4.4.3 Cannot query the DNS");
}

static void next_host(struct delivery *delivery)
{
	if (++delivery->host < delivery->hosts.count)
		find_addresses(delivery);
	else
		leave_to_smtp(delivery);
}

static void on_hosts(void *context, const struct mx_hosts *hosts)
{
	struct delivery *delivery = context;

	delivery->question = NULL;
	delivery->hosts = *hosts;
	if (hosts->status == MX_NONE) {
		learn(delivery, ROUTE_SMTP);
		finish(delivery, 556, "5.1.10 The domain accepts no mail");
	} else if (hosts->status == MX_TROUBLE) {
		learn(delivery, ROUTE_UNKNOWN);
		finish(delivery, 451, "4.4.3 The DNS gave no reply");
	} else {
		find_addresses(delivery);
	}
}

static struct delivery *begin(struct delivery_world *world, const struct delivery_message *message)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));

	if (delivery == NULL)
		return NULL;
	delivery->world = world;
	delivery->message = *message;
	if (strlen(message->domain) >= sizeof(delivery->domain)) {
		free(delivery);
		return NULL;
	}
	strcpy(delivery->domain, message->domain);
	return delivery;
}

static bool may_post_to(const struct delivery *delivery, const char *address)
{
	return delivery->world->private_peers || peer_address_allowed(address);
}

static void find_hosts(struct delivery *delivery)
{
	if (delivery->domain[0] == '[') {
		delivery->hosts.count = 1;
		if (!peer_address_read_literal(delivery->domain, delivery->hosts.name[0]))
			finish(delivery, 550, "5.1.2 The address literal is malformed");
		else if (!may_post_to(delivery, delivery->hosts.name[0]))
			finish(delivery, 550, "5.1.2 The address literal is not a public address");
		else
			start_post(delivery);
		return;
	}
	delivery->question =
	    mx_find_hosts(delivery->world->mx, delivery->domain, on_hosts, delivery);
	if (delivery->question == NULL)
		finish(delivery, 451, "4.4.3 Cannot query the DNS");
}

struct delivery *delivery_start(struct delivery_world *world,
				const struct delivery_message *message, delivery_result_fn *result,
				delivery_done_fn *done, void *context)
{
	struct delivery *delivery = begin(world, message);

	if (delivery == NULL)
		return NULL;
	delivery->result = result;
	delivery->done = done;
	delivery->context = context;
	find_hosts(delivery);
	return delivery;
}

/* A finished one is destroyed by delivery_finish(). */
static void end_probe(struct delivery *delivery)
{
	if (delivery != NULL && !delivery->finished)
		destroy(delivery);
}

void delivery_end_probes(struct delivery_world *world)
{
	for (size_t i = 0; i < DELIVERY_PROBES_MAX; i++)
		end_probe(world->probes[i]);
}

void delivery_probe(struct delivery_world *world, const char *domain)
{
	const struct delivery_message message = {.domain = domain};
	struct delivery **place = &world->probes[world->next_probe % DELIVERY_PROBES_MAX];
	struct delivery *delivery = begin(world, &message);

	if (delivery == NULL)
		return;
	end_probe(*place);
	*place = delivery;
	world->next_probe++;
	delivery->place = place;
	delivery->probe = true;
	learn(delivery, ROUTE_PROBING);
	find_hosts(delivery);
}

void delivery_finish(struct delivery_world *world)
{
	while (world->finished != NULL) {
		struct delivery *delivery = world->finished;

		world->finished = delivery->next;
		if (delivery->done != NULL)
			delivery->done(delivery->context);
		destroy(delivery);
	}
}

void delivery_cancel(struct delivery **delivery)
{
	struct delivery *one = *delivery;

	if (one == NULL)
		return;
	*delivery = NULL;
	one->done = NULL;
	if (!one->finished)
		destroy(one);
}

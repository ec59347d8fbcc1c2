#include "mx.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>

#include "resolver.h"

struct mx {
	struct loop *loop;
	struct ub_ctx *context;
	struct loop_watch watch;
};

struct mx_question {
	struct mx *mx;
	char name[MX_NAME_SIZE];
	mx_hosts_fn *hosts_done;
	mx_addresses_fn *addresses_done;
	void *context;
	struct mx_addresses addresses;
	int id;
	bool cancelled; /* the call-back frees it */
};

static void on_ready(void *context, short revents)
{
	struct mx *mx = context;

	(void)revents;
	ub_process(mx->context);
}

struct mx *mx_new(struct loop *loop, const char *server, struct cm_error *err)
{
	struct mx *mx = calloc(1, sizeof(*mx));

	if (mx == NULL) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	mx->loop = loop;
	mx->context = cm_resolver_context(server, err);
	if (mx->context == NULL) {
		free(mx);
		return NULL;
	}
	mx->watch = (struct loop_watch){
	    .fd = ub_fd(mx->context),
	    .events = POLLIN,
	    .ready = on_ready,
	    .context = mx,
	};
	if (!loop_add(loop, &mx->watch)) {
		cm_error_set(err, "out of memory");
		mx_free(&mx);
	}
	return mx;
}

void mx_free(struct mx **mx)
{
	if (*mx == NULL)
		return;
	loop_remove((*mx)->loop, &(*mx)->watch);
	ub_ctx_delete((*mx)->context);
	free(*mx);
	*mx = NULL;
}

/* RFC 1035 3.1, uncompressed as libunbound returns it. False if it is not a host name. */
static bool read_name(const unsigned char *data, size_t length, char name[MX_NAME_SIZE])
{
	size_t at = 0, out = 0;

	while (at < length && data[at] != 0) {
		size_t label = data[at++];

		if (label > NS_MAXLABEL || label > length - at || out + label + 1 >= MX_NAME_SIZE)
			return false;
		for (size_t i = 0; i < label; i++) {
			char c = (char)data[at + i];

			if (c <= ' ' || c >= 0x7f || strchr("./\\:,[]@", c) != NULL)
				return false;
			name[out++] = c;
		}
		name[out++] = '.';
		at += label;
	}
	if (at >= length)
		return false;
	if (out > 0)
		out--;
	name[out] = '\0';
	return true;
}

struct preferred {
	unsigned int preference;
	char name[MX_NAME_SIZE];
};

/* Keeps the best MX_HOSTS_MAX in order. */
static void insert(struct preferred *best, size_t *count, const struct preferred *one)
{
	size_t place = *count;

	while (place > 0 && best[place - 1].preference > one->preference)
		place--;
	if (place >= MX_HOSTS_MAX)
		return;
	if (*count < MX_HOSTS_MAX)
		(*count)++;
	memmove(best + place + 1, best + place, (*count - place - 1) * sizeof(*best));
	best[place] = *one;
}

static void read_hosts(const struct ub_result *result, struct mx_hosts *hosts)
{
	struct preferred best[MX_HOSTS_MAX], one;
	size_t count = 0;
	bool null = false;

	for (size_t i = 0; result->data[i] != NULL; i++) {
		const unsigned char *data = (const unsigned char *)result->data[i];

		if (result->len[i] < 3 ||
		    !read_name(data + 2, (size_t)result->len[i] - 2, one.name))
			continue;
		one.preference = (unsigned int)data[0] << 8 | data[1];
		if (one.name[0] == '\0')
			null = true;
		else
			insert(best, &count, &one);
	}
	for (size_t i = 0; i < count; i++)
		strcpy(hosts->name[i], best[i].name);
	hosts->count = count;
	hosts->status = count > 0 ? MX_FOUND : null ? MX_NONE : MX_TROUBLE;
}

static bool has_failed(int error, const struct ub_result *result)
{
	return error != 0 || result == NULL || result->bogus ||
	       (result->rcode != ns_r_noerror && result->rcode != ns_r_nxdomain);
}

static void on_hosts(void *context, int error, struct ub_result *result)
{
	struct mx_question *question = context;
	struct mx_hosts hosts = {.status = MX_TROUBLE};

	if (!question->cancelled) {
		if (has_failed(error, result)) {
			hosts.status = MX_TROUBLE;
		} else if (result->havedata) {
			read_hosts(result, &hosts);
		} else if (result->rcode == ns_r_nxdomain) {
			hosts.status = MX_NONE;
		} else {
			hosts.status = MX_FOUND; /* the implicit MX of RFC 5321 5.1 */
			hosts.count = 1;
			strcpy(hosts.name[0], question->name);
		}
		question->hosts_done(question->context, &hosts);
	}
	ub_resolve_free(result);
	free(question);
}

static void read_addresses(const struct ub_result *result, int family, size_t size,
			   struct mx_addresses *addresses)
{
	for (size_t i = 0; result->data[i] != NULL && addresses->count < MX_ADDRESSES_MAX; i++) {
		if ((size_t)result->len[i] == size &&
		    inet_ntop(family, result->data[i], addresses->text[addresses->count],
			      INET6_ADDRSTRLEN) != NULL)
			addresses->count++;
	}
}

static void end_addresses(struct mx_question *question, bool failed)
{
	struct mx_addresses *addresses = &question->addresses;

	addresses->status = addresses->count > 0 ? MX_FOUND : failed ? MX_TROUBLE : MX_NONE;
	if (!question->cancelled)
		question->addresses_done(question->context, addresses);
	free(question);
}

static void on_ipv6(void *context, int error, struct ub_result *result)
{
	struct mx_question *question = context;
	bool failed = has_failed(error, result);

	if (!failed && result->havedata)
		read_addresses(result, AF_INET6, sizeof(struct in6_addr), &question->addresses);
	ub_resolve_free(result);
	end_addresses(question, failed);
}

static void on_ipv4(void *context, int error, struct ub_result *result)
{
	struct mx_question *question = context;
	bool failed = has_failed(error, result);

	if (!failed && result->havedata)
		read_addresses(result, AF_INET, sizeof(struct in_addr), &question->addresses);
	ub_resolve_free(result);
	if (question->cancelled ||
	    ub_resolve_async(question->mx->context, question->name, ns_t_aaaa, ns_c_in, question,
			     on_ipv6, &question->id) != 0)
		end_addresses(question, failed);
}

static struct mx_question *ask(struct mx *mx, const char *name, int type,
			       const struct mx_question *template, ub_callback_type answered)
{
	struct mx_question *question;

	if (strlen(name) >= sizeof(question->name))
		return NULL;
	question = malloc(sizeof(*question));
	if (question == NULL)
		return NULL;
	*question = *template;
	question->mx = mx;
	strcpy(question->name, name);
	if (ub_resolve_async(mx->context, name, type, ns_c_in, question, answered, &question->id) ==
	    0)
		return question;
	free(question);
	return NULL;
}

struct mx_question *mx_find_hosts(struct mx *mx, const char *domain, mx_hosts_fn *done,
				  void *context)
{
	const struct mx_question template = {.hosts_done = done, .context = context};

	return ask(mx, domain, ns_t_mx, &template, on_hosts);
}

struct mx_question *mx_find_addresses(struct mx *mx, const char *host, mx_addresses_fn *done,
				      void *context)
{
	const struct mx_question template = {.addresses_done = done, .context = context};

	return ask(mx, host, ns_t_a, &template, on_ipv4);
}

void mx_cancel(struct mx_question **question)
{
	struct mx_question *one = *question;

	if (one == NULL)
		return;
	*question = NULL;
	/* 0: the call-back will not come any more. */
	if (ub_cancel(one->mx->context, one->id) == 0)
		free(one);
	else
		one->cancelled = true;
}

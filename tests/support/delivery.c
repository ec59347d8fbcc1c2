#include "delivery.h"

static bool on_header(void *context, const char *name, const char *value)
{
	struct test_delivery *delivery = context;

	return cm_message_header(delivery->message, name, value);
}

static bool on_end_of_headers(void *context)
{
	struct test_delivery *delivery = context;

	delivery->headers_done = cm_message_end_of_headers(delivery->message);
	return delivery->headers_done;
}

static bool on_body(void *context, const void *data, size_t length)
{
	struct test_delivery *delivery = context;
	const char *bytes = data;

	for (size_t at = 0; at < length; at += delivery->piece) {
		size_t rest = length - at < delivery->piece ? length - at : delivery->piece;

		if (!cm_message_body(delivery->message, bytes + at, rest))
			return false;
	}
	return true;
}

enum cm_message_file_status test_deliver(struct test_delivery *delivery, const char *data,
					 size_t length)
{
	struct cm_message_file_reader reader = {delivery, on_header, on_end_of_headers, on_body};

	return cm_message_file_read(&reader, data, length);
}

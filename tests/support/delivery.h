/*
 * delivery - pass a message in a file's form to the policy, in pieces of any size
 */
#ifndef CM_TEST_DELIVERY_H
#define CM_TEST_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>

#include "message_file.h"
#include "policy.h"

struct test_delivery {
	struct cm_message *message;
	size_t piece;      /* bytes in each call of cm_message_body() */
	bool headers_done; /* the header gave no verdict */
};

/* Passes header and body until the policy has a verdict. */
enum cm_message_file_status test_deliver(struct test_delivery *delivery, const char *data,
					 size_t length);

#endif

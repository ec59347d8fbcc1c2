/*
 * header_rewrite - the new header of an outgoing message
 *
 * The header leaves in the clear, so it is an allow-list (outgoing_fields.h): a field stays
 * unchanged, gets the value that its type allows, or is deleted. The milter changes the message by
 * this list and signs by the same list.
 */
#ifndef CM_HEADER_REWRITE_H
#define CM_HEADER_REWRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "field_writer.h"

struct cm_rewritten_field {
	const char *name;  /* as received; borrowed */
	const char *value; /* the outgoing value, in the form that policy.h describes: leading white
			      space kept, folded with "\n" or "\r\n"; NULL: the field is deleted */
	unsigned int index; /* among the fields of this name in any case, from 1, as
			       smfi_chgheader() counts in the received header */
	bool changed;       /* value differs from the received one */
	char *written;      /* owns value if its type wrote it; or NULL */
};

/* All fields of the header, in their order. */
struct cm_header_rewrite {
	size_t count, size;
	struct cm_rewritten_field *field;
	struct cm_field_writer writer;
};

/* sender is borrowed; NULL: unknown, so that no field about the sender leaves. */
void cm_header_rewrite_init(struct cm_header_rewrite *rewrite, const struct cm_address *sender);
void cm_header_rewrite_free(struct cm_header_rewrite *rewrite);

/* The next field. name and value must outlive the list. False if out of memory. */
bool cm_header_rewrite_add(struct cm_header_rewrite *rewrite, const char *name, const char *value);

/* Deletes the fields that leave only with a request of the secure-join protocol. */
void cm_header_rewrite_delete_request(struct cm_header_rewrite *rewrite);

/* Replaces the value of the first field of this name by value, which is copied. name must
   outlive the list. False if out of memory. */
bool cm_header_rewrite_set(struct cm_header_rewrite *rewrite, const char *name, const char *value);

#endif

/*
 * mime_value - Content-Type and Content-Disposition, read strictly (RFC 2045 5.1, RFC 2183 2)
 *
 * Accepts only values that all other readers read in the same way. Always refused: parameters
 * given twice, RFC 2231 forms of parameters that decide the structure, values that lack necessary
 * quotes, control bytes. Refused in strict mode (outgoing mail) also: comments, encoded words,
 * backslashes, any RFC 2231 form, bytes above 126, empty parameters. Readers differ in all of
 * these: Delta Chat's supports neither comments nor backslashes.
 */
#ifndef CM_MIME_VALUE_H
#define CM_MIME_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#define CM_MIME_PARAMETERS_MAX 8
#define CM_MIME_NAME_MAX       63
#define CM_MIME_TEXT_MAX       255
/* RFC 2046 5.1.1. */
#define CM_MIME_BOUNDARY_MAX 70

struct cm_mime_value {
	char value[2 * CM_MIME_NAME_MAX + 2]; /* "type/subtype" or a token, lower case */
	bool unusual; /* has a form that some readers misread: comments, \, encoded words, bytes
			 above 126, ';' in quotes, '/' without quotes, "boundary=" in another place
		       */
	bool comment;
	size_t parameter_count;
	struct {
		char name[CM_MIME_NAME_MAX + 1]; /* lower case */
		char text[CM_MIME_TEXT_MAX + 1]; /* without quotes */
	} parameter[CM_MIME_PARAMETERS_MAX];
};

/* Reads a header's value (folded or not, NUL-terminated). slash: the value has the form
   type/subtype. NULL on success, otherwise the fault. */
const char *cm_mime_value_parse(const char *text, bool slash, bool strict,
				struct cm_mime_value *value_r);

/* The parameter's text, or NULL. name is in lower case. */
const char *cm_mime_value_parameter(const struct cm_mime_value *value, const char *name);

/* RFC 2046 5.1.1: 1 to 70 characters of its set, the last no space. strict: no space at all. */
bool cm_mime_boundary_valid(const char *boundary, bool strict);

#endif

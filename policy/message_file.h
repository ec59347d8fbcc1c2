/*
 * message_file - pass a message in a file on piece by piece, as Postfix's milter client does
 *
 * For `chatmailctl check`, tests, fuzzers and the benchmark. The header is split into fields and
 * unfolded no further than an MTA does; the body comes in libmilter's chunks.
 */
#ifndef CM_MESSAGE_FILE_H
#define CM_MESSAGE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* libmilter's MILTER_CHUNK_SIZE. */
#define CM_MESSAGE_FILE_CHUNK 65535

/* The functions that receive the pieces. Each returns false to stop. */
struct cm_message_file_reader {
	void *context;
	bool (*header)(void *context, const char *name, const char *value);
	bool (*end_of_headers)(void *context);
	bool (*body)(void *context, const void *data, size_t length);
};

enum cm_message_file_status {
	CM_MESSAGE_FILE_OK,
	CM_MESSAGE_FILE_STOPPED, /* one of the functions returned false */
	CM_MESSAGE_FILE_NO_MEMORY,
};

/* Line ends may be LF or CRLF and are passed on unchanged. The header ends at an empty line,
   or before a line that is not a field, as in Postfix. A NUL in a field, which the strings of
   the milter protocol cannot hold, becomes another control byte. */
enum cm_message_file_status cm_message_file_read(const struct cm_message_file_reader *reader,
						 const char *data, size_t length);

#endif

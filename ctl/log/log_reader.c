#include "log_reader.h"

char *cm_log_reader_next(struct cm_log_reader *reader, bool last)
{
	int byte;

	while ((byte = getc_unlocked(reader->stream)) != EOF && byte != '\n') {
		if (reader->length < CM_LOG_LINE_MAX)
			reader->line[reader->length++] = (char)(byte != '\0' ? byte : '?');
	}
	if (byte == EOF && (!last || reader->length == 0))
		return NULL;
	reader->line[reader->length] = '\0';
	reader->length = 0;
	return reader->line;
}

#include "html.h"

void cm_html_escape(FILE *stream, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			(void)fputs("&amp;", stream);
			break;
		case '<':
			(void)fputs("&lt;", stream);
			break;
		case '>':
			(void)fputs("&gt;", stream);
			break;
		case '"':
			(void)fputs("&quot;", stream);
			break;
		case '\'':
			(void)fputs("&#39;", stream);
			break;
		default:
			(void)putc(*text, stream);
		}
	}
}

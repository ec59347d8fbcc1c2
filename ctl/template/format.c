#include "format.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

char *cm_format(const char *text, ...)
{
	va_list arguments;
	char *result;
	int length;

	va_start(arguments, text);
	length = vasprintf(&result, text, arguments);
	va_end(arguments);
	return length < 0 ? NULL : result;
}

#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set_text(struct cm_error *err, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void set_text(struct cm_error *err, const char *format, va_list arguments)
{
	int length = vsnprintf(err->text, sizeof(err->text), format, arguments);

	if (length < 0)
		err->text[0] = '\0';
	else if ((size_t)length >= sizeof(err->text))
		memcpy(err->text + sizeof(err->text) - 4, "...", 4);
}

void cm_error_set(struct cm_error *err, const char *format, ...)
{
	va_list arguments;

	if (err == NULL)
		return;
	va_start(arguments, format);
	set_text(err, format, arguments);
	va_end(arguments);
}

/* glibc's and musl's strerror() return constant strings for every errno a system call sets, so it
   is safe here where the two strerror_r() differ. */
void cm_error_set_errno(struct cm_error *err, const char *format, ...)
{
	int saved_errno = errno;
	va_list arguments;
	size_t used;

	if (err == NULL)
		return;
	va_start(arguments, format);
	set_text(err, format, arguments);
	va_end(arguments);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(saved_errno));
	errno = saved_errno;
}

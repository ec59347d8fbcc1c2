#include "lib.h"

#include "log_privacy.h"
#include "log_repeats.h"

#include "redact.h"

#include <stdlib.h>

static struct handlers {
	failure_callback_t *fatal, *error, *info, *debug;
} dovecot_handlers;

static void pass_on(failure_callback_t *next, const struct failure_context *ctx, const char *format,
		    ...) ATTR_FORMAT(3, 4);

static void pass_on(failure_callback_t *next, const struct failure_context *ctx, const char *format,
		    ...)
{
	va_list args;

	va_start(args, format);
	next(ctx, format, args);
	va_end(args);
}

static const char *redacted(const char *text)
{
	char *result = text != NULL ? cm_redact(text) : NULL;
	const char *copy = text == NULL ? NULL : result != NULL ? t_strdup(result) : CM_REDACTED;

	free(result);
	return copy;
}

static void hide(failure_callback_t *next, const struct failure_context *ctx, const char *format,
		 va_list args)
{
	struct failure_context hidden = *ctx;
	const char *plain = t_strdup_vprintf(format, args), *text;

	if (cm_log_repeats(plain))
		return;
	text = redacted(plain);
	/* The position is where Dovecot inserts "Error: ". */
	if (ctx->log_prefix != NULL) {
		const char *before = redacted(t_strndup(ctx->log_prefix, ctx->log_prefix_type_pos));

		hidden.log_prefix =
		    t_strconcat(before, redacted(ctx->log_prefix + ctx->log_prefix_type_pos), NULL);
		hidden.log_prefix_type_pos = (unsigned int)strlen(before);
	}
	pass_on(next, &hidden, "%s", text);
}

static void hide_in_error(const struct failure_context *ctx, const char *format, va_list args)
{
	T_BEGIN
	{
		hide(dovecot_handlers.error, ctx, format, args);
	}
	T_END;
}

static void hide_in_info(const struct failure_context *ctx, const char *format, va_list args)
{
	T_BEGIN
	{
		hide(dovecot_handlers.info, ctx, format, args);
	}
	T_END;
}

static void hide_in_debug(const struct failure_context *ctx, const char *format, va_list args)
{
	T_BEGIN
	{
		hide(dovecot_handlers.debug, ctx, format, args);
	}
	T_END;
}

void cm_log_privacy_start(void)
{
	struct handlers now;

	if (getenv(CM_LOG_ADDRESSES_ENVIRONMENT) != NULL)
		return;
	i_get_failure_handlers(&now.fatal, &now.error, &now.info, &now.debug);
	if (now.error == hide_in_error)
		return;
	dovecot_handlers = now;
	i_set_error_handler(hide_in_error);
	i_set_info_handler(hide_in_info);
	i_set_debug_handler(hide_in_debug);
}

void cm_log_privacy_stop(void)
{
	struct handlers now;

	i_get_failure_handlers(&now.fatal, &now.error, &now.info, &now.debug);
	if (now.error != hide_in_error)
		return;
	i_set_error_handler(dovecot_handlers.error);
	i_set_info_handler(dovecot_handlers.info);
	i_set_debug_handler(dovecot_handlers.debug);
}

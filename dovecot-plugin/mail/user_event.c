#include "lib.h"

#include "lib-event.h"

#include "mail-user.h"
#include "module-context.h"

#include "relay.h"
#include "user_event.h"

struct chatmail_user {
	union mail_user_module_context module_ctx;
	struct event *event;
};

static MODULE_CONTEXT_DEFINE_INIT(user_module, &mail_user_module_register);

#define CHATMAIL_USER(user) ((struct chatmail_user *)MODULE_CONTEXT_REQUIRE(user, user_module))

struct event *cm_user_event(struct mail_user *user)
{
	return CHATMAIL_USER(user)->event;
}

static void user_deinit(struct mail_user *user)
{
	struct chatmail_user *chatmail = CHATMAIL_USER(user);

	event_unref(&chatmail->event);
	chatmail->module_ctx.super.deinit(user);
}

void cm_user_event_create(struct mail_user *user)
{
	struct chatmail_user *chatmail = p_new(user->pool, struct chatmail_user, 1);
	struct mail_user_vfuncs *v = user->vlast;

	chatmail->event = event_create(user->event);
	event_set_append_log_prefix(chatmail->event, CM_LOG_PREFIX);
	chatmail->module_ctx.super = *v;
	user->vlast = &chatmail->module_ctx.super;
	v->deinit = user_deinit;
	MODULE_CONTEXT_SET(user, user_module, chatmail);
}

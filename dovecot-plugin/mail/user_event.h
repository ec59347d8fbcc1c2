/*
 * user_event - the event for log lines about a user
 */
#ifndef CM_USER_EVENT_H
#define CM_USER_EVENT_H

struct event;
struct mail_user;

/* Called once for each user; the event lives as long as the user. */
void cm_user_event_create(struct mail_user *user);

/* Its lines start with mail_log_prefix, which contains no user name by default. */
struct event *cm_user_event(struct mail_user *user);

#endif

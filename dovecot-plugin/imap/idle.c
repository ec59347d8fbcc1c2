/*
 * idle - a mailbox that reports changes at once
 *
 * Dovecot waits half a second after inotify says that a mailbox changed, so that a burst of changes
 * causes no burst of work. This module adds a second inotify descriptor on the same files, of the
 * kind that Dovecot makes for hibernation. When it is readable, its events are read and the mailbox
 * is synced. Mail that arrives during the sync makes the descriptor readable again.
 *
 * Two things cost a client milliseconds, both because close(2) of an inotify descriptor waits for a
 * grace period of the kernel's (SRCU, about 10 ms). Waiting for the lock of Dovecot's list of UIDs
 * uses such a descriptor, and a delivery still holds that lock when inotify reports its file: so
 * the sync is deferred until the lock is gone. And a client that ends its IDLE to fetch a message
 * waits for the server's OK: so our descriptor stays open until the mailbox is closed.
 *
 * Hibernation has a gap: a change that inotify has reported to the imap process, but that the
 * process has not looked at when it hands the client over, is never reported (in stock Dovecot, any
 * change in the half second before). So a process that hands over its client with such a change
 * wakes the successor, by making a change itself.
 *
 * Without the descriptor (fs.inotify.max_user_instances), or on a file system without inotify,
 * Dovecot's own delay remains.
 */
#include "lib.h"

#include "imap-common.h"
#include "ioloop.h"
#include "mail-storage-private.h"
#include "mailbox-watch.h"
#include "maildir-uidlist.h"

#include "imap/plugin.h"
#include "mail/plugin.h"
#include "relay.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

/* Below a Maildir, where nothing that starts with a dot is a message. */
#define WAKE_FILE "/new/.chatmail-wake"

/* Of Dovecot's dotlock, in a Maildir's control directory. */
#define LOCK_FILE "/" MAILDIR_UIDLIST_NAME ".lock"

/* Milliseconds between two checks of the lock, and how many checks are made before Dovecot does the
 * waiting. A delivery holds the lock for about one millisecond. */
#define LOCK_INTERVAL 1
#define LOCK_LOOKS    20

struct idle_mailbox {
	union mailbox_module_context module_ctx;
	struct io *io;
	struct timeout *to_notify;
	unsigned int locked_looks; /* since the last change was reported */
	int fd;                    /* -1: not made yet, or impossible */
};

static MODULE_CONTEXT_DEFINE_INIT(idle_module, &mail_storage_module_register);

#define IDLE_MAILBOX(box) ((struct idle_mailbox *)MODULE_CONTEXT_REQUIRE(box, idle_module))

/* True if there are changes that have not been synced. */
static bool is_pending(const struct idle_mailbox *idle)
{
	struct pollfd events = {.fd = idle->fd, .events = POLLIN};

	return idle->to_notify != NULL || (idle->io != NULL && poll(&events, 1, 0) > 0);
}

/* True if imap-hibernate has the mailbox's client already. */
static bool is_handed_over(const struct mailbox *box)
{
	const struct client *client = imap_clients;

	while (client != NULL && client->mailbox != box)
		client = client->next;
	return client != NULL && client->hibernated;
}

static bool is_maildir(const struct mailbox *box)
{
	return strcmp(box->storage->name, "maildir") == 0;
}

static void wake_successor(struct mailbox *box)
{
	const char *path = t_strconcat(mailbox_get_path(box), WAKE_FILE, NULL);
	int fd;

	if (!is_maildir(box))
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	if (fd < 0 || unlink(path) < 0)
		e_error(cm_user_event(box->storage->user),
			"a hibernated client cannot be woken: %m");
}

/* True if a delivery or another session is working on the mailbox. */
static bool is_locked(struct mailbox *box)
{
	const char *directory;
	bool locked = false;

	T_BEGIN
	{
		if (is_maildir(box) &&
		    mailbox_get_path_to(box, MAILBOX_LIST_PATH_TYPE_CONTROL, &directory) > 0)
			locked = access(t_strconcat(directory, LOCK_FILE, NULL), F_OK) == 0;
	}
	T_END;
	return locked;
}

static void stop_watching(struct idle_mailbox *idle)
{
	io_remove(&idle->io);
	timeout_remove(&idle->to_notify);
	idle->locked_looks = 0;
}

static void close_descriptor(struct idle_mailbox *idle)
{
	stop_watching(idle);
	if (idle->fd >= 0)
		close(idle->fd);
	idle->fd = -1;
}

/* False if the descriptor is no longer usable. */
static bool read_events(const struct idle_mailbox *idle)
{
	char events[4096];
	ssize_t size;

	while ((size = read(idle->fd, events, sizeof(events))) > 0)
		;
	return size < 0 && (errno == EAGAIN || errno == EINTR);
}

/* The mailbox may be gone when the callback returns. */
static void notify(struct mailbox *box)
{
	struct idle_mailbox *idle = IDLE_MAILBOX(box);

	timeout_remove(&idle->to_notify);
	if (idle->locked_looks < LOCK_LOOKS && is_locked(box)) {
		idle->locked_looks++;
		idle->to_notify = timeout_add_short(LOCK_INTERVAL, notify, box);
		return;
	}
	idle->locked_looks = 0;
	/* Dovecot saw the same change and would sync again in half a second. */
	timeout_remove(&box->to_notify_delay);
	if (box->notify_callback != NULL)
		box->notify_callback(box, box->notify_context);
}

static void changed(struct mailbox *box)
{
	struct idle_mailbox *idle = IDLE_MAILBOX(box);

	if (!read_events(idle)) {
		close_descriptor(idle);
		return;
	}
	/* Called after Dovecot's own handler, so that its timer exists and can be removed. */
	if (idle->to_notify == NULL)
		idle->to_notify = timeout_add_short(0, notify, box);
}

/* Earlier changes do not matter: starting to watch syncs the mailbox. */
static void start_watching(struct mailbox *box, struct idle_mailbox *idle)
{
	const char *reason;

	if (idle->fd >= 0 && !read_events(idle))
		close_descriptor(idle);
	if (idle->fd < 0) {
		idle->fd = mailbox_watch_extract_notify_fd(box, &reason);
		if (idle->fd >= 0)
			net_set_nonblock(idle->fd, TRUE);
	}
	if (idle->fd >= 0)
		idle->io = io_add(idle->fd, IO_READ, changed, box);
}

static void notify_changes(struct mailbox *box)
{
	struct idle_mailbox *idle = IDLE_MAILBOX(box);
	bool pending = is_pending(idle) || box->to_notify_delay != NULL;

	idle->module_ctx.super.notify_changes(box);
	stop_watching(idle);
	if (box->notify_callback != NULL)
		start_watching(box, idle);
	else if (pending && is_handed_over(box))
		T_BEGIN
		{
			wake_successor(box);
		}
	T_END;
}

static void close_mailbox(struct mailbox *box)
{
	struct idle_mailbox *idle = IDLE_MAILBOX(box);

	close_descriptor(idle);
	idle->module_ctx.super.close(box);
}

void cm_idle_mailbox_allocated(struct mailbox *box)
{
	const struct cm_config *config = cm_relay_config();
	struct mailbox_vfuncs *v = box->vlast;
	struct idle_mailbox *idle;

	if (config == NULL || !config->instant_idle)
		return;
	idle = p_new(box->pool, struct idle_mailbox, 1);
	idle->fd = -1;
	idle->module_ctx.super = *v;
	box->vlast = &idle->module_ctx.super;
	v->notify_changes = notify_changes;
	v->close = close_mailbox;
	MODULE_CONTEXT_SET(box, idle_module, idle);
}

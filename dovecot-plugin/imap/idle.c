/*
 * idle - a mailbox that reports changes at once
 *
 * Dovecot waits half a second after inotify says that a mailbox changed, so that a burst of changes
 * causes no burst of work. This module watches Dovecot's inotify instance through a second
 * descriptor. When it is readable, Dovecot reads the events, and the mailbox is synced at once.
 * Mail that arrives during the sync makes the descriptor readable again.
 *
 * A delivery moves its file into the mailbox, writes the directory's new time to the index, and
 * then the message. A sync between the last two finds nothing new, and inotify reports nothing
 * more. The delivery holds the lock of Dovecot's list of UIDs meanwhile, so the sync is
 * deferred until the lock is gone. Waiting for the lock itself would need an inotify instance,
 * whose close(2) waits for a grace period of the kernel (SRCU, about 10 ms). If the lock stays,
 * Dovecot's sync decides whether it is stale; then the sync is repeated, ever more rarely, until
 * the lock is gone.
 *
 * Hibernation has a gap: a change that inotify has reported to the imap process, but that the
 * process has not processed when it hands the client over, is never reported (in stock Dovecot, any
 * change in the half second before). So a process that hands over its client with such a change
 * wakes its successor by making a change itself.
 *
 * Without an instance (fs.inotify.max_user_instances) Dovecot checks the mailbox every 30
 * seconds, and this module every two.
 */
#include "lib.h"

#include "imap-common.h"
#include "ioloop.h"
#include "mail-storage-private.h"
#include "maildir-uidlist.h"

#include "imap/plugin.h"
#include "mail/user_event.h"
#include "relay.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Below a Maildir, where a name that starts with a dot is not a message. */
#define WAKE_FILE "/new/.chatmail-wake"

/* Dovecot's dotlock, in a Maildir's control directory. */
#define LOCK_FILE "/" MAILDIR_UIDLIST_NAME ".lock"

/* Milliseconds between two checks of the lock, and the number of checks after which the sync no
   longer waits for it: a delivery holds the lock for about a millisecond. From then on the interval
   doubles; together with Dovecot's own check after 30 seconds that is enough. */
#define LOCK_INTERVAL      1
#define LOCK_LOOKS         20
#define LOCK_INTERVAL_LATE 100
#define LOCK_LOOKS_LATE    9

/* Milliseconds between two checks without inotify. */
#define POLL_INTERVAL 2000

struct idle_mailbox {
	union mailbox_module_context module_ctx;
	struct io *io;
	struct timeout *to_notify;
	unsigned int locked_looks; /* since the mailbox was last seen without lock */
	bool unreported;           /* a change that Dovecot's timer does not wait for */
	int fd;                    /* -1: not created yet, or impossible */
	struct timeout *to_poll;   /* without inotify */
	struct timespec polled[2]; /* change times of new and cur */
};

static MODULE_CONTEXT_DEFINE_INIT(idle_module, &mail_storage_module_register);

#define IDLE_MAILBOX(box) ((struct idle_mailbox *)MODULE_CONTEXT_REQUIRE(box, idle_module))

/* True if there are changes that the session has not seen yet. */
static bool is_pending(const struct idle_mailbox *idle)
{
	struct pollfd events = {.fd = idle->fd, .events = POLLIN};

	return idle->to_notify != NULL || (idle->io != NULL && poll(&events, 1, 0) > 0);
}

/* True if imap-hibernate already has the mailbox's client. */
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
		e_error(cm_user_event(box->storage->user), "cannot wake a hibernated client: %m");
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
	timeout_remove(&idle->to_poll);
	idle->locked_looks = 0;
	idle->unreported = FALSE;
}

static void close_descriptor(struct idle_mailbox *idle)
{
	stop_watching(idle);
	if (idle->fd >= 0)
		close(idle->fd);
	idle->fd = -1;
}

/* Another descriptor of Dovecot's inotify instance; -1 without an instance. */
static int share_inotify(void)
{
	DIR *directory = opendir("/proc/self/fd");
	char target[64];
	int found = -1;

	if (directory == NULL)
		return -1;
	for (const struct dirent *entry; found < 0 && (entry = readdir(directory)) != NULL;) {
		ssize_t length =
		    readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);

		if (length <= 0)
			continue;
		target[length] = '\0';
		if (strcmp(target, "anon_inode:inotify") == 0)
			found = fcntl(atoi(entry->d_name), F_DUPFD_CLOEXEC, 0);
	}
	closedir(directory);
	return found;
}

static void watch(struct mailbox *box, struct idle_mailbox *idle);

static void notify(struct mailbox *box);

static void look_again(struct mailbox *box, struct idle_mailbox *idle)
{
	unsigned int looks = idle->locked_looks++, interval = LOCK_INTERVAL;

	if (looks >= LOCK_LOOKS)
		interval = LOCK_INTERVAL_LATE << (looks - LOCK_LOOKS);
	idle->to_notify = timeout_add_short(interval, notify, box);
}

/* The mailbox may be gone when the callback returns. */
static void notify(struct mailbox *box)
{
	struct idle_mailbox *idle = IDLE_MAILBOX(box);
	/* Without it the instance's events were not changes of this mailbox. */
	bool change = box->to_notify_delay != NULL || idle->unreported;
	bool late = idle->locked_looks >= LOCK_LOOKS;

	timeout_remove(&idle->to_notify);
	idle->unreported =
	    change && idle->locked_looks < LOCK_LOOKS + LOCK_LOOKS_LATE && is_locked(box);
	if (idle->unreported)
		look_again(box, idle);
	else
		idle->locked_looks = 0;
	if (idle->unreported && !late)
		return;
	watch(box, idle);
	if (!change)
		return;
	/* Dovecot got the same change and would sync again in half a second. */
	timeout_remove(&box->to_notify_delay);
	if (box->notify_callback != NULL)
		box->notify_callback(box, box->notify_context);
}

/* Dovecot reads the events. Its handler is called in the same round as this one, and its timer
   can then be removed. */
static void changed(struct mailbox *box)
{
	struct idle_mailbox *idle = IDLE_MAILBOX(box);

	io_remove(&idle->io);
	if (idle->to_notify == NULL)
		idle->to_notify = timeout_add_short(0, notify, box);
}

static void watch(struct mailbox *box, struct idle_mailbox *idle)
{
	if (idle->io == NULL && idle->fd >= 0)
		idle->io = io_add(idle->fd, IO_READ, changed, box);
}

/* True if messages were added or removed since the last call. */
static bool has_moved(struct mailbox *box, struct idle_mailbox *idle)
{
	static const char *const names[N_ELEMENTS(idle->polled)] = {"/new", "/cur"};
	bool moved = FALSE;
	struct stat st;

	T_BEGIN
	{
		const char *path = mailbox_get_path(box);

		for (unsigned int i = 0; i < N_ELEMENTS(names); i++) {
			if (stat(t_strconcat(path, names[i], NULL), &st) < 0 ||
			    (st.st_mtim.tv_sec == idle->polled[i].tv_sec &&
			     st.st_mtim.tv_nsec == idle->polled[i].tv_nsec))
				continue;
			idle->polled[i] = st.st_mtim;
			moved = TRUE;
		}
	}
	T_END;
	return moved;
}

static void poll_mailbox(struct mailbox *box)
{
	struct idle_mailbox *idle = IDLE_MAILBOX(box);

	if (!has_moved(box, idle))
		return;
	idle->unreported = TRUE;
	notify(box);
}

/* Earlier events do not matter: a session reads the mailbox when it starts to watch, and once more
   if a delivery is not finished then. */
static void start_watching(struct mailbox *box, struct idle_mailbox *idle)
{
	if (idle->fd < 0)
		idle->fd = share_inotify();
	watch(box, idle);
	if (is_locked(box)) {
		idle->unreported = TRUE;
		look_again(box, idle);
	}
	if (idle->fd < 0 && is_maildir(box)) {
		(void)has_moved(box, idle);
		idle->to_poll = timeout_add(POLL_INTERVAL, poll_mailbox, box);
	}
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

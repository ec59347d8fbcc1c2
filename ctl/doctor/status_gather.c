#include "status_gather.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backends.h"
#include "directory.h"
#include "push_queue.h"
#include "registration.h"
#include "tls_pair.h"

/* Postfix hashes its queues over one or two levels of directories (hash_queue_depth). */
#define QUEUE_DEPTH_MAX 3

static const struct cm_program programs[CM_STATUS_PROGRAMS] = {
    {"Postfix", "postfix", "master", "/postfix/", "postfix", 0, 0, NULL},
    {"Dovecot", "dovecot", "dovecot", NULL, "dovecot", 0, 0, NULL},
    {"milter", "milter", "chatmail-milter", NULL, "chatmail-milter", 0, 0, NULL},
    {"notifier", "notifyd", "chatmail-notifyd", NULL, "chatmail-notifyd", 0, 0, NULL},
    {"web", "httpd", "chatmail-httpd", NULL, "chatmail-httpd", 0, 0, NULL},
    {"nginx", "nginx", "nginx", NULL, "nginx", 0, 0, NULL},
    {"transport", "transport", "chatmail-transport", NULL, "chatmail-transport", 0, 0, NULL},
    {"OpenDKIM", "opendkim", "opendkim", NULL, "opendkim", 0, 0, NULL},
    {"coturn", "coturn", "turnserver", NULL, "coturn", 0, 0, NULL},
    {"iroh-relay", "iroh-relay", "iroh-relay", NULL, "iroh-relay", 0, 0, NULL},
};

static const char *why_no_httpd(const struct cm_config *config)
{
	return config->metrics_listen[0] == '\0' && config->web_listen[0] == '\0' &&
		       config->mxdeliv_listen[0] == '\0'
		   ? "metrics_listen, web_listen and mxdeliv_listen are empty"
		   : NULL;
}

static const char *why_no_transport(const struct cm_config *config)
{
	return config->outbound == CM_OUTBOUND_SMTP ? "outbound = smtp" : NULL;
}

static const char *why_no_opendkim(const struct cm_config *config)
{
	if (config->mail_domain_is_ip)
		return "a relay without a domain name signs nothing";
	return config->dkim_signing == CM_DKIM_SIGNING_MILTER ? "the milter signs" : NULL;
}

/* coturn may run on another machine: then only its replies count. */
static const char *why_no_turn(const struct cm_config *config)
{
	return config->turn_secret_file[0] == '\0' ? "turn_secret_file is empty"
						   : "not on this machine";
}

static const char *why_no_iroh(const struct cm_config *config)
{
	return config->iroh_relay_local ? "not on this machine"
					: "iroh_relay is on another machine";
}

/* Programs that a relay may lack. */
static const struct {
	const char *key;
	const char *(*why_not)(const struct cm_config *config);
} optional[] = {
    {"httpd", why_no_httpd}, {"transport", why_no_transport}, {"opendkim", why_no_opendkim},
    {"coturn", why_no_turn}, {"iroh-relay", why_no_iroh},
};

/* On a relay of several machines: the reason why this one lacks a program. */
static const char *why_elsewhere(const struct cm_config *config, const char *key)
{
	static const char *const of_fronts[] = {"postfix",   "milter", "httpd",     "nginx",
						"transport", "coturn", "iroh-relay"};

	if (cm_backends_used(config) && strcmp(key, "notifyd") == 0)
		return "the backends run it";
	if (config->backend_listen[0] == '\0')
		return NULL;
	for (size_t i = 0; i < sizeof(of_fronts) / sizeof(of_fronts[0]); i++)
		if (strcmp(key, of_fronts[i]) == 0)
			return "the front runs it";
	return NULL;
}

static void turn_off(struct cm_program *program, const char *why)
{
	if (program->state != CM_PROGRAM_STOPPED || why == NULL)
		return;
	program->why = why;
	program->state = CM_PROGRAM_OFF;
}

static void find_programs(struct cm_status *status)
{
	memcpy(status->programs, programs, sizeof(programs));
	cm_status_find_programs(status->programs, CM_STATUS_PROGRAMS);
	for (size_t i = 0; i < CM_STATUS_PROGRAMS; i++) {
		struct cm_program *program = &status->programs[i];

		turn_off(program, why_elsewhere(status->config, program->key));
		for (size_t j = 0; j < sizeof(optional) / sizeof(optional[0]); j++)
			if (strcmp(program->key, optional[j].key) == 0)
				turn_off(program, optional[j].why_not(status->config));
	}
}

/* "closed" also describes a relay that temporarily creates no accounts. */
static bool judge_registration(struct cm_status *status)
{
	static const char *const words[] = {[CM_REGISTRATION_ALLOWED] = "open",
					    [CM_REGISTRATION_REFUSED_CLOSED] = "closed",
					    [CM_REGISTRATION_REFUSED_INVITE] = "invite"};
	const struct cm_config *config = status->config;
	struct cm_error why = {""}, no_limits = {""};
	struct cm_limits *limits = cm_limits_open(config->run_dir, &no_limits);
	/* An ordinary user may not open them: then the existence of their directory is enough. */
	bool has_limits = limits != NULL || (geteuid() != 0 && access(config->run_dir, F_OK) == 0);
	enum cm_registration result = cm_registration_now(config, has_limits, &why);

	if (result == CM_REGISTRATION_TROUBLE && !has_limits)
		why = no_limits;
	cm_limits_close(&limits);
	status->registration = result < sizeof(words) / sizeof(words[0]) ? words[result] : "closed";
	status->registration_why = strdup(why.text);
	return status->registration_why != NULL;
}

static void measure_certificate(struct cm_status *status)
{
	struct cm_tls_pair pair;
	struct cm_error ignored;
	time_t now = time(NULL);

	if (!cm_tls_pair_read(status->config, &pair, &ignored))
		return;
	status->certificate_seconds =
	    (struct cm_amount){true, pair.not_after > now ? (uint64_t)(pair.not_after - now) : 0};
	status->certificate_ends_soon = cm_tls_pair_ends_soon(&pair, now);
}

static void measure_disk(struct cm_status *status)
{
	struct statvfs st;

	if (statvfs(status->config->mailboxes_dir, &st) < 0)
		return;
	status->disk_free = (struct cm_amount){true, (uint64_t)st.f_bavail * st.f_frsize};
	status->disk_size = (struct cm_amount){true, (uint64_t)st.f_blocks * st.f_frsize};
	status->inodes_free = (struct cm_amount){st.f_files > 0, st.f_favail};
}

/* Counts the entries of a directory that are not hidden, and those of its directories. Closes
   dir. False if a part could not be read. */
static bool count_entries(int dir, unsigned int depth, uint64_t *count)
{
	DIR *stream = cm_directory_stream(dir);
	struct dirent *entry;
	bool good = true;
	struct stat st;
	int child;

	if (stream == NULL)
		return false;
	while ((entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		/* A file that disappears meanwhile has been delivered. */
		if (fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!S_ISDIR(st.st_mode)) {
			++*count;
		} else if (depth < QUEUE_DEPTH_MAX) {
			child = cm_directory_open(dirfd(stream), entry->d_name);
			good = child >= 0 && count_entries(child, depth + 1, count) && good;
		}
	}
	closedir(stream);
	return good;
}

/* name: a directory below parent, or NULL for the parent itself. Postfix creates directories
   as needed. */
static struct cm_amount queue_length(const char *parent, const char *name)
{
	struct cm_amount amount = {false, 0};
	int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return amount;
	if (name != NULL) {
		int child = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		amount.known = child < 0 && errno == ENOENT;
		close(dir);
		dir = child;
	}
	if (dir >= 0)
		amount.known = count_entries(dir, 0, &amount.value);
	return amount;
}

static void add(struct cm_amount *sum, struct cm_amount amount)
{
	sum->known = sum->known && amount.known;
	sum->value += amount.value;
}

static bool measure_queues(struct cm_status *status, const char *queue_directory)
{
	char *path = cm_push_queue_path(status->config);

	if (path == NULL)
		return false;
	status->push_queue = queue_length(path, NULL);
	/* No directory: there never was a notification. */
	if (!status->push_queue.known && access(path, F_OK) < 0 && errno == ENOENT)
		status->push_queue.known = true;
	free(path);
	status->postfix_active = queue_length(queue_directory, "active");
	add(&status->postfix_active, queue_length(queue_directory, "incoming"));
	add(&status->postfix_active, queue_length(queue_directory, "maildrop"));
	status->postfix_deferred = queue_length(queue_directory, "deferred");
	status->postfix_hold = queue_length(queue_directory, "hold");
	return true;
}

bool cm_status_gather(struct cm_status *status, const struct cm_config *config,
		      const char *queue_directory, struct cm_error *err)
{
	*status = (struct cm_status){.config = config, .load = -1};
	status->stats = cm_stats_open(config->run_dir, &status->stats_error);
	find_programs(status);
	measure_disk(status);
	measure_certificate(status);
	getloadavg(&status->load, 1);
	if (judge_registration(status) && measure_queues(status, queue_directory))
		return true;
	cm_error_set(err, "out of memory");
	cm_status_release(status);
	return false;
}

void cm_status_release(struct cm_status *status)
{
	cm_stats_close(&status->stats);
	free(status->registration_why);
	status->registration_why = NULL;
}

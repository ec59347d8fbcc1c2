/*
 * examine_machine - disk, inodes, limits of the kernel, clock, certificate
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <openssl/x509_vfy.h>

#include "examination.h"
#include "resources.h"
#include "tls_trust.h"

/* Each idle client takes one; the kernel's default is 128. */
#define INOTIFY_TOO_FEW 1024
/* The value in our sysctl file. */
#define INOTIFY_ENOUGH 65535

/* An earlier time means that the clock was never set; 2025-01-01. */
#define CLOCK_MIN 1735689600

/* Postfix requires space for one and a half messages of the maximum size. */
static uint64_t queue_needs(const struct cm_doctor *doctor)
{
	return doctor->config->max_message_size + doctor->config->max_message_size / 2;
}

static void examine_space(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	uint64_t least = doctor->config->min_free_disk_space;
	const struct cm_status *status = doctor->status;
	uint64_t available = status->disk_free.value, size = status->disk_size.value;
	struct cm_check *check;
	struct statvfs st;

	if (!status->disk_free.known) {
		check = cm_checks_add(checks, "disk", "disk", CM_HEALTH_FAULT,
				      "%s cannot be examined", doctor->config->mailboxes_dir);
		cm_check_remedy(check, "create or mount %s", doctor->config->mailboxes_dir);
		return;
	}
	check =
	    cm_checks_add(checks, "disk", "disk",
			  available < least       ? CM_HEALTH_FAULT
			  : available < size / 10 ? CM_HEALTH_WARNING
						  : CM_HEALTH_GOOD,
			  "%" PRIu64 " of %" PRIu64 " MiB are free", available >> 20, size >> 20);
	if (available < least || available < size / 10)
		cm_check_remedy(check, "chatmailctl expire; chatmailctl report shows what is "
				       "stored; or a larger disk");
	if (statvfs(doctor->queue_directory, &st) == 0 &&
	    (uint64_t)st.f_bavail * st.f_frsize < queue_needs(doctor)) {
		check = cm_checks_add(checks, "queue-disk", "queue's disk", CM_HEALTH_FAULT,
				      "%s is full: Postfix refuses mail", doctor->queue_directory);
		cm_check_remedy(check, "free space there");
	}
}

static void examine_inodes(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	uint64_t least = doctor->config->min_free_disk_space / CM_RESOURCE_INODE_BYTES;
	uint64_t available = doctor->status->inodes_free.value;
	struct cm_check *check;
	struct statvfs st;
	bool few;

	/* Some file systems count no inodes. */
	if (!doctor->status->inodes_free.known || statvfs(doctor->config->mailboxes_dir, &st) < 0)
		return;
	few = available < (uint64_t)st.f_files / 10;
	check =
	    cm_checks_add(checks, "inodes", "inodes",
			  available < least ? CM_HEALTH_FAULT
			  : few             ? CM_HEALTH_WARNING
					    : CM_HEALTH_GOOD,
			  "%" PRIu64 " of %" PRIu64 " are free", available, (uint64_t)st.f_files);
	if (available < least || few)
		cm_check_remedy(check, "chatmailctl expire; lower max_mailbox_messages and "
				       "max_mailbox_folders; or a file system with more inodes");
}

static bool read_number(const char *path, unsigned long *value_r)
{
	FILE *file = fopen(path, "re");
	bool good = file != NULL && fscanf(file, "%lu", value_r) == 1;

	if (file != NULL)
		fclose(file);
	return good;
}

static void examine_inotify(struct cm_checks *checks)
{
	struct cm_check *check;
	unsigned long limit;

	if (!read_number("/proc/sys/fs/inotify/max_user_instances", &limit))
		return;
	check = cm_checks_add(checks, "inotify", "inotify",
			      limit < INOTIFY_TOO_FEW  ? CM_HEALTH_FAULT
			      : limit < INOTIFY_ENOUGH ? CM_HEALTH_WARNING
						       : CM_HEALTH_GOOD,
			      "instances for %lu idle clients", limit);
	if (limit < INOTIFY_ENOUGH)
		cm_check_remedy(check,
				"sysctl --system, if /etc/sysctl.d contains a file of chatmail's; "
				"now: sysctl -w fs.inotify.max_user_instances=%d",
				INOTIFY_ENOUGH);
}

static bool read_descriptors(pid_t pid, unsigned long *limit_r)
{
	char path[64], line[256];
	bool found = false;
	FILE *limits;

	snprintf(path, sizeof(path), "/proc/%ld/limits", (long)pid);
	limits = fopen(path, "re");
	if (limits == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), limits) != NULL)
		found = sscanf(line, "Max open files %lu", limit_r) == 1;
	fclose(limits);
	return found;
}

/* Each of Dovecot's login and hibernation processes needs descriptors for many clients. */
static void examine_descriptors(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	unsigned long wanted = strtoul(cm_doctor_setting(doctor, "dovecot_client_limit"), NULL, 10);
	unsigned long limit;
	struct cm_check *check;

	for (size_t i = 0; i < CM_STATUS_PROGRAMS; i++) {
		const struct cm_program *program = &doctor->status->programs[i];

		if (strcmp(program->key, "dovecot") != 0 || program->state != CM_PROGRAM_RUNNING ||
		    !read_descriptors(program->pid, &limit))
			continue;
		check = cm_checks_add(checks, "descriptors", "descriptors",
				      limit < wanted / 4 ? CM_HEALTH_FAULT
				      : limit < wanted   ? CM_HEALTH_WARNING
							 : CM_HEALTH_GOOD,
				      "Dovecot may open %lu files in a process", limit);
		if (limit < wanted)
			cm_check_remedy(check,
					"LimitNOFILE=%lu in Dovecot's unit, or rc_ulimit=\"-n "
					"%lu\" in /etc/conf.d/dovecot; then restart it",
					wanted, wanted);
	}
}

static void examine_clock(struct cm_checks *checks)
{
	struct timex state = {.modes = 0};
	time_t now = time(NULL);
	struct cm_check *check;

	if (now < CLOCK_MIN) {
		check = cm_checks_add(checks, "clock", "clock", CM_HEALTH_FAULT,
				      "is years slow: no certificate is valid, and no signature");
	} else if (adjtimex(&state) < 0 || (state.status & STA_UNSYNC) == 0) {
		cm_checks_add(checks, "clock", "clock", CM_HEALTH_GOOD, "synchronized");
		return;
	} else {
		check = cm_checks_add(checks, "clock", "clock", CM_HEALTH_WARNING,
				      "nothing synchronizes it");
	}
	cm_check_remedy(check, "install and start chrony, or: timedatectl set-ntp true");
}

/* Clients and peers accept any certificate from relays whose name begins with '_', and from
   those without a name. */
static void report_trust(const struct cm_doctor *doctor, const struct cm_tls_pair *pair,
			 struct cm_checks *checks)
{
	static const char key[] = "certificate", title[] = "certificate";
	bool soon = cm_tls_pair_ends_soon(pair, time(NULL));
	long days = (long)((pair->not_after - time(NULL)) / 86400);
	int trust =
	    doctor->config->tls_self_signed ? X509_V_OK : cm_tls_trust_verify(doctor->config);
	struct cm_check *check;

	if (trust == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
	    trust == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE) {
		check = cm_checks_add(
		    checks, key, title, CM_HEALTH_FAULT,
		    "its authority is not a public one, or an intermediate certificate is missing");
		cm_check_remedy(check,
				"put the whole chain into %s, then: chatmailctl certificate "
				"deployed",
				doctor->config->tls_certificate);
		return;
	}
	check = cm_checks_add(checks, key, title,
			      soon || trust != X509_V_OK ? CM_HEALTH_WARNING : CM_HEALTH_GOOD,
			      "valid for %ld days%s%s", days, trust != X509_V_OK ? "; " : "",
			      trust != X509_V_OK ? X509_verify_cert_error_string(trust) : "");
	if (soon)
		cm_check_remedy(check, "find out why the ACME client did not renew it; then: "
				       "chatmailctl certificate deployed");
	else if (trust != X509_V_OK)
		cm_check_remedy(check,
				"only relays whose name begins with _ or is an address can "
				"keep it; others need an ACME client, see Certificates in the "
				"manual");
}

void cm_examine_certificate(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	const struct cm_tls_files files = {doctor->config->tls_certificate,
					   doctor->config->tls_key};
	time_t now = time(NULL);
	struct cm_tls_pair pair;
	struct cm_error err;
	struct cm_check *check;

	if (access(doctor->config->tls_key, R_OK) < 0 && geteuid() != 0 && doctor->has_pair) {
		pair = doctor->pair;
	} else if (!cm_tls_pair_check(doctor->config, &files, now, &pair, &err)) {
		check = cm_checks_add(checks, "certificate", "certificate", CM_HEALTH_FAULT, "%s",
				      err.text);
		cm_check_remedy(check, "renew it with the ACME client; then: chatmailctl "
				       "certificate deployed");
		return;
	}
	report_trust(doctor, &pair, checks);
}

void cm_examine_machine(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	examine_space(doctor, checks);
	examine_inodes(doctor, checks);
	examine_inotify(checks);
	examine_descriptors(doctor, checks);
	examine_clock(checks);
	if (doctor->status->load >= 0)
		cm_checks_add(checks, "load", "load", CM_HEALTH_GOOD, "%.2f", doctor->status->load);
}

#include "doctor.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "backends.h"

/* Each examination, in the order in which its lines are shown. */
enum when {
	FIRST,    /* alone, because it starts children */
	TOGETHER, /* in a thread */
	LAST,     /* alone, because it looks at processes that the others have started */
};

/* Of a relay of several machines. */
enum place {
	EVERYWHERE,
	NOT_ON_BACKENDS,
	NOT_ON_FRONTS,
};

static const struct examination {
	enum cm_subject subject;
	enum when when;
	bool quick; /* makes no connections */
	cm_examine_fn *run;
	enum place place;
} examinations[] = {
    {CM_SUBJECT_PROGRAMS, FIRST, true, cm_examine_programs, EVERYWHERE},
    {CM_SUBJECT_PROGRAMS, FIRST, false, cm_examine_configuration, EVERYWHERE},
    {CM_SUBJECT_PORTS, TOGETHER, false, cm_examine_smtp, NOT_ON_BACKENDS},
    {CM_SUBJECT_PORTS, TOGETHER, false, cm_examine_submission, NOT_ON_BACKENDS},
    {CM_SUBJECT_PORTS, TOGETHER, false, cm_examine_smtps, NOT_ON_BACKENDS},
    {CM_SUBJECT_PORTS, TOGETHER, false, cm_examine_imap, EVERYWHERE},
    {CM_SUBJECT_PORTS, TOGETHER, false, cm_examine_imaps, EVERYWHERE},
    {CM_SUBJECT_PORTS, TOGETHER, false, cm_examine_https, NOT_ON_BACKENDS},
    {CM_SUBJECT_PORTS, TOGETHER, false, cm_examine_https_imap, NOT_ON_BACKENDS},
    {CM_SUBJECT_PORTS, TOGETHER, false, cm_examine_https_smtp, NOT_ON_BACKENDS},
    {CM_SUBJECT_PORTS, TOGETHER, false, cm_examine_http, NOT_ON_BACKENDS},
    {CM_SUBJECT_MAIL, FIRST, true, cm_examine_accounts, EVERYWHERE},
    {CM_SUBJECT_MAIL, TOGETHER, false, cm_examine_milter, NOT_ON_BACKENDS},
    {CM_SUBJECT_MAIL, TOGETHER, false, cm_examine_delivery, EVERYWHERE},
    {CM_SUBJECT_MAIL, TOGETHER, false, cm_examine_backends, EVERYWHERE},
    {CM_SUBJECT_MAIL, FIRST, true, cm_examine_moves, NOT_ON_FRONTS},
    {CM_SUBJECT_MAIL, LAST, false, cm_examine_dovecot, EVERYWHERE},
    {CM_SUBJECT_MAIL, LAST, true, cm_examine_queue, NOT_ON_BACKENDS},
    {CM_SUBJECT_MAIL, FIRST, true, cm_examine_notifications, NOT_ON_FRONTS},
    {CM_SUBJECT_MAIL, FIRST, true, cm_examine_expiry, NOT_ON_FRONTS},
    {CM_SUBJECT_MACHINE, FIRST, true, cm_examine_certificate, EVERYWHERE},
    {CM_SUBJECT_MACHINE, FIRST, true, cm_examine_machine, EVERYWHERE},
    {CM_SUBJECT_DNS, TOGETHER, false, cm_examine_dns, NOT_ON_BACKENDS},
    {CM_SUBJECT_OUTSIDE, TOGETHER, false, cm_examine_push, NOT_ON_FRONTS},
    {CM_SUBJECT_OUTSIDE, TOGETHER, false, cm_examine_turn, NOT_ON_BACKENDS},
    {CM_SUBJECT_OUTSIDE, TOGETHER, false, cm_examine_iroh, NOT_ON_BACKENDS},
};

#define EXAMINATIONS (sizeof(examinations) / sizeof(examinations[0]))

static bool is_for(const struct examination *examination, const struct cm_doctor *doctor)
{
	if (doctor->quick && !examination->quick)
		return false;
	if (doctor->only != 0 && (doctor->only & 1U << examination->subject) == 0)
		return false;
	if (examination->place == NOT_ON_BACKENDS)
		return doctor->config->backend_listen[0] == '\0';
	return examination->place != NOT_ON_FRONTS || !cm_backends_used(doctor->config);
}

static const char *const titles[CM_SUBJECT_COUNT] = {
    [CM_SUBJECT_PROGRAMS] = "Programs", [CM_SUBJECT_PORTS] = "Ports",
    [CM_SUBJECT_MAIL] = "Mail",         [CM_SUBJECT_MACHINE] = "Machine",
    [CM_SUBJECT_DNS] = "Names",         [CM_SUBJECT_OUTSIDE] = "Other services",
};

/* The words of --only. */
static const char *const names[CM_SUBJECT_COUNT] = {
    [CM_SUBJECT_PROGRAMS] = "programs", [CM_SUBJECT_PORTS] = "ports",
    [CM_SUBJECT_MAIL] = "mail",         [CM_SUBJECT_MACHINE] = "machine",
    [CM_SUBJECT_DNS] = "names",         [CM_SUBJECT_OUTSIDE] = "services",
};

bool cm_doctor_find_subject(const char *name, enum cm_subject *subject_r)
{
	for (size_t i = 0; i < CM_SUBJECT_COUNT; i++) {
		if (strcmp(name, names[i]) == 0) {
			*subject_r = (enum cm_subject)i;
			return true;
		}
	}
	return false;
}

struct task {
	const struct cm_doctor *doctor;
	const struct examination *examination;
	struct cm_checks checks;
	pthread_t thread;
	bool running;
};

/* The address for clients. Postfix may trust the machine itself, so an address of its network
   is better than loopback for checking what strangers may do. */
static void choose_address(struct cm_doctor *doctor)
{
	const char *listen = cm_doctor_setting(doctor, "listen");
	struct ifaddrs *list = NULL;

	snprintf(doctor->address, sizeof(doctor->address), "127.0.0.1");
	if (listen[0] != '\0') {
		snprintf(doctor->address, sizeof(doctor->address), "%.*s",
			 (int)strcspn(listen, ","), listen);
		return;
	}
	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *one = list; one != NULL; one = one->ifa_next) {
		if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET ||
		    (one->ifa_flags & IFF_LOOPBACK) != 0 || (one->ifa_flags & IFF_UP) == 0)
			continue;
		if (getnameinfo(one->ifa_addr, sizeof(struct sockaddr_in), doctor->address,
				sizeof(doctor->address), NULL, 0, NI_NUMERICHOST) == 0)
			break;
	}
	freeifaddrs(list);
}

static void *run_task(void *context)
{
	struct task *task = context;

	task->examination->run(task->doctor, &task->checks);
	return NULL;
}

/* A server that closes its connection must not kill this process. */
static void run_together(struct task *tasks)
{
	sigset_t pipe, old;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &old);
	for (size_t i = 0; i < EXAMINATIONS; i++)
		if (tasks[i].examination != NULL && tasks[i].examination->when == TOGETHER)
			tasks[i].running =
			    pthread_create(&tasks[i].thread, NULL, run_task, &tasks[i]) == 0;
	for (size_t i = 0; i < EXAMINATIONS; i++) {
		if (tasks[i].running)
			pthread_join(tasks[i].thread, NULL);
		else if (tasks[i].examination != NULL && tasks[i].examination->when == TOGETHER)
			run_task(&tasks[i]);
	}
	/* A signal that is pending for this thread. */
	while (sigtimedwait(&pipe, NULL, &(struct timespec){0}) > 0)
		;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void run_alone(struct task *tasks, enum when when)
{
	for (size_t i = 0; i < EXAMINATIONS; i++)
		if (tasks[i].examination != NULL && tasks[i].examination->when == when)
			run_task(&tasks[i]);
}

/* Moves the lines of a task to its subject. */
static void collect(struct task *task, struct cm_checks *subject)
{
	for (size_t i = 0; i < task->checks.count; i++) {
		struct cm_check *from = &task->checks.list[i];
		struct cm_check *to =
		    cm_checks_add(subject, from->key, from->title, from->health, "%s", from->text);

		if (from->remedy != NULL)
			cm_check_remedy(to, "%s", from->remedy);
	}
	subject->incomplete = subject->incomplete || task->checks.incomplete;
	cm_checks_free(&task->checks);
}

bool cm_doctor_examine(struct cm_doctor *doctor, struct cm_checks subjects[CM_SUBJECT_COUNT],
		       struct cm_error *err)
{
	struct task *tasks = calloc(EXAMINATIONS, sizeof(*tasks));
	bool incomplete = tasks == NULL;

	for (size_t i = 0; i < CM_SUBJECT_COUNT; i++)
		subjects[i] = (struct cm_checks){.title = titles[i]};
	choose_address(doctor);
	doctor->has_pair = cm_tls_pair_read(doctor->config, &doctor->pair, err);
	for (size_t i = 0; tasks != NULL && i < EXAMINATIONS; i++) {
		tasks[i].doctor = doctor;
		if (is_for(&examinations[i], doctor))
			tasks[i].examination = &examinations[i];
	}
	if (tasks != NULL) {
		run_alone(tasks, FIRST);
		run_together(tasks);
		run_alone(tasks, LAST);
		for (size_t i = 0; i < EXAMINATIONS; i++)
			collect(&tasks[i], &subjects[examinations[i].subject]);
	}
	free(tasks);
	for (size_t i = 0; i < CM_SUBJECT_COUNT; i++)
		incomplete = incomplete || subjects[i].incomplete;
	if (incomplete)
		cm_error_set(err, "out of memory");
	return !incomplete;
}

size_t cm_doctor_count(const struct cm_checks subjects[CM_SUBJECT_COUNT], enum cm_health health)
{
	size_t count = 0;

	for (size_t i = 0; i < CM_SUBJECT_COUNT; i++)
		count += cm_checks_count(&subjects[i], health);
	return count;
}

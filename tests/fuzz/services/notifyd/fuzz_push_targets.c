/*
 * fuzz_push_targets - the notifier's targets in memory, driven by the bytes as a list of
 * operations
 *
 * A model keeps track of each name. An entry is never lost or duplicated; a token is never in
 * flight twice, nor sent again before the hold is over.
 */
#include "fuzz.h"

#include "targets.h"

#include <stdio.h>
#include <string.h>

#define NAMES    48
#define TOKENS   12
#define CAPACITY 32
#define ALL      ((1U << TARGET_CLASSES) - 1)

struct model {
	struct targets *targets;
	int64_t now;
	bool present[NAMES];
	size_t count;
	struct target *flying[TOKENS];
	int64_t sent[TOKENS]; /* time of the last one; negative: never */
};

/* The name contains the token, so that each entry's token is known. */
static void make_name(char *name, size_t size, unsigned int number)
{
	snprintf(name, size, "%u.%u", number, number % TOKENS);
}

static unsigned int number_of(const char *name)
{
	unsigned int number = NAMES;

	require(sscanf(name, "%u.", &number) == 1);
	require(number < NAMES);
	return number;
}

static void gone(struct model *model, const char *name)
{
	const unsigned int number = number_of(name);

	require(model->present[number]);
	model->present[number] = false;
	model->count--;
}

static void expired(void *context, const char *name)
{
	struct model *model = context;

	const unsigned int token = number_of(name) % TOKENS;

	require(model->flying[token] == NULL);
	gone(model, name);
	/* The target disappears with its last entry, and so does its hold. */
	model->sent[token] = -1;
}

static void add(struct model *model, unsigned int byte, unsigned int argument)
{
	const unsigned int number = byte % NAMES;
	struct target_item item = {.arrival = (time_t)(argument + 1)};
	char name[16];

	make_name(name, sizeof(name), number);
	item.name = name;
	memset(item.key, (int)(number % TOKENS), sizeof(item.key));
	item.class = (enum target_class)(argument % TARGET_CLASSES);
	item.failures = item.class == TARGET_RETRY;
	item.due = model->now + (item.failures ? (int64_t)argument * 100 : 0);
	require(targets_knows(model->targets, name) == model->present[number]);
	switch (targets_add(model->targets, &item, model->now)) {
	case TARGET_ADMITTED:
		require(!model->present[number]);
		model->present[number] = true;
		model->count++;
		break;
	case TARGET_KNOWN:
		require(model->present[number]);
		break;
	case TARGET_FULL:
		require(!targets_has_room(model->targets, item.class, item.due <= model->now));
		break;
	}
}

static void send_next(struct model *model, unsigned int classes)
{
	const int64_t due = targets_next_due(model->targets, classes, model->now);
	enum target_class class;
	struct target *target = targets_next(model->targets, classes, model->now, &class);
	unsigned int token;

	if (target == NULL)
		return;
	require(due == model->now);
	require(classes & 1U << class);
	require(target_class(target) == class);
	require(target_entries(target) != NULL);
	token = number_of(target_entries(target)->name) % TOKENS;
	require(model->flying[token] == NULL);
	require(model->sent[token] < 0 || model->now - model->sent[token] >= TARGET_HOLD);
	model->flying[token] = target;
	model->sent[token] = model->now;
}

/* All entries of a finished target have the same token. */
static void finish(struct model *model, unsigned int token)
{
	struct target *target = model->flying[token];
	struct target_entry *entry;

	while ((entry = target_entries(target)) != NULL) {
		require(number_of(entry->name) % TOKENS == token);
		gone(model, entry->name);
		targets_remove_entry(model->targets, target, entry);
	}
	targets_finish(model->targets, target, model->now);
	model->flying[token] = NULL;
}

static void forget(struct model *model, unsigned int token)
{
	char name[16];

	targets_forget(model->targets, model->flying[token]);
	model->flying[token] = NULL;
	model->sent[token] = -1;
	for (unsigned int number = token; number < NAMES; number += TOKENS) {
		make_name(name, sizeof(name), number);
		require(!targets_knows(model->targets, name));
		if (model->present[number])
			gone(model, name);
	}
}

static void operate(struct model *model, unsigned int byte, unsigned int argument)
{
	const unsigned int token = argument % TOKENS;

	if (byte < 128)
		add(model, byte, argument);
	else if (byte < 176)
		send_next(model, argument % 4 == 0 ? ALL & ~(1U << TARGET_RETRY) : ALL);
	else if (byte < 200)
		model->now += (int64_t)argument * 10;
	else if (byte < 206)
		targets_expire(model->targets, (time_t)argument, expired, model);
	else if (model->flying[token] == NULL)
		return;
	else if (byte < 230)
		finish(model, token);
	else if (byte < 250) {
		targets_defer(model->targets, model->flying[token], model->now + 8000);
		model->flying[token] = NULL;
	} else
		forget(model, token);
}

/* Takes out all entries. */
static void drain(struct model *model)
{
	for (unsigned int token = 0; token < TOKENS; token++)
		if (model->flying[token] != NULL)
			finish(model, token);
	model->now += 1000000;
	for (unsigned int turn = 0; turn < NAMES && model->count > 0; turn++) {
		send_next(model, ALL);
		for (unsigned int token = 0; token < TOKENS; token++)
			if (model->flying[token] != NULL)
				finish(model, token);
	}
	require(model->count == 0);
	require(targets_oldest(model->targets) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model model = {.targets = targets_new(CAPACITY)};

	require(model.targets != NULL);
	memset(model.sent, 0xff, sizeof(model.sent));
	for (size_t i = 0; i + 1 < size; i += 2) {
		operate(&model, data[i], data[i + 1]);
		require(targets_length(model.targets) == model.count);
		require(model.count <= CAPACITY);
	}
	drain(&model);
	targets_free(&model.targets);
	return 0;
}

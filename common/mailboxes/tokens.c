#include "tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <jansson.h>

#include "account.h"
#include "file.h"

#define LOCK_FILE CM_ACCOUNT_METADATA_FILE ".lock"
#define MEMBER    "devicetoken"
#define FILE_MAX  (1024 * 1024) /* bytes */

enum read_status {
	READ_OK,
	READ_BROKEN, /* there is a file, but not in our format */
	READ_TROUBLE,
};

bool cm_token_valid(const char *token, size_t length)
{
	if (length == 0 || length > CM_TOKEN_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (token[i] <= ' ' || token[i] >= 0x7f)
			return false;
	return true;
}

/* The file as a JSON object; an absent one is an empty object. */
static enum read_status read_metadata(int mailbox, json_t **root_r, struct cm_error *err)
{
	json_error_t json_error;
	char *text;
	size_t length;

	*root_r = NULL;
	if (!cm_file_read(mailbox, CM_ACCOUNT_METADATA_FILE, FILE_MAX, &text, &length)) {
		if (errno != ENOENT) {
			cm_error_set_errno(err, "%s: cannot be read", CM_ACCOUNT_METADATA_FILE);
			return errno == EFBIG ? READ_BROKEN : READ_TROUBLE;
		}
		*root_r = json_object();
		return *root_r != NULL ? READ_OK : READ_TROUBLE;
	}
	*root_r = json_loadb(text, length, 0, &json_error);
	free(text);
	if (json_is_object(*root_r))
		return READ_OK;
	json_decref(*root_r);
	*root_r = NULL;
	cm_error_set(err, "%s: not a JSON object", CM_ACCOUNT_METADATA_FILE);
	return READ_BROKEN;
}

/* A double, like JSON's numbers: a wrong one may exceed every integer type. */
static bool is_valid(const char *token, double time, time_t now)
{
	return cm_token_valid(token, strlen(token)) && time > (double)(now - CM_TOKEN_LIFETIME) &&
	       time <= (double)(now + CM_TOKEN_FUTURE_MAX);
}

struct aged_token {
	const char *token;
	json_int_t time;
};

static int compare_age(const void *a, const void *b)
{
	const struct aged_token *one = a, *two = b;

	if (one->time != two->time)
		return one->time < two->time ? -1 : 1;
	return strcmp(one->token, two->token);
}

/* The object's tokens, oldest first, in an array that the caller frees; NULL: out of memory. */
static struct aged_token *sort_by_age(json_t *tokens)
{
	size_t count = json_object_size(tokens), used = 0;
	struct aged_token *aged = calloc(count + 1, sizeof(*aged));
	const char *token;
	json_t *value;

	if (aged == NULL)
		return NULL;
	json_object_foreach(tokens, token, value) aged[used++] =
	    (struct aged_token){token, json_integer_value(value)};
	qsort(aged, used, sizeof(*aged), compare_age);
	return aged;
}

/* Drops the oldest tokens until there are at most max. False: out of memory. */
static bool keep_newest(json_t *tokens, size_t max)
{
	size_t count = json_object_size(tokens);
	struct aged_token *aged;

	if (count <= max)
		return true;
	aged = sort_by_age(tokens);
	for (size_t i = 0; aged != NULL && i < count - max; i++)
		json_object_del(tokens, aged[i].token);
	free(aged);
	return aged != NULL;
}

/* A new object with the valid tokens of either form, {token: time} or [token]: the newest, if
   upstream's file contains more than we keep. NULL: out of memory. */
static json_t *valid_tokens(const json_t *root, time_t now)
{
	const json_t *member = json_object_get(root, MEMBER);
	json_t *tokens = json_object();
	const char *token;
	json_t *value;
	size_t index;

	if (tokens == NULL)
		return NULL;
	json_object_foreach((json_t *)member, token, value)
	{
		double time = json_number_value(value);

		if (json_is_number(value) && is_valid(token, time, now))
			json_object_set_new(tokens, token, json_integer((json_int_t)time));
	}
	json_array_foreach(member, index, value)
	{
		token = json_string_value(value);
		if (token != NULL && is_valid(token, (double)now, now))
			json_object_set_new(tokens, token, json_integer(now));
	}
	if (!keep_newest(tokens, CM_TOKENS_MAX)) {
		json_decref(tokens);
		return NULL;
	}
	return tokens;
}

static bool write_metadata(int mailbox, const json_t *root, struct cm_error *err)
{
	char *text = json_dumps(root, JSON_COMPACT);
	bool good = text != NULL &&
		    cm_file_write(mailbox, CM_ACCOUNT_METADATA_FILE, CM_ACCOUNT_TMP_PREFIX, text,
				  strlen(text), 0600, CM_FILE_REPLACE | CM_FILE_DURABLE);

	if (!good)
		cm_error_set_errno(err, "%s: cannot be written", CM_ACCOUNT_METADATA_FILE);
	free(text);
	return good;
}

static int open_mailbox(const char *path, struct cm_error *err)
{
	int mailbox = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (mailbox < 0)
		cm_error_set_errno(err, "mailbox directory: cannot be opened");
	return mailbox;
}

static int lock_mailbox(int mailbox, struct cm_error *err)
{
	int lock = openat(mailbox, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (lock >= 0 && cm_file_lock(lock, LOCK_EX))
		return lock;
	cm_error_set_errno(err, "%s: cannot be locked", LOCK_FILE);
	if (lock >= 0)
		close(lock);
	return -1;
}

/* Changes the valid tokens in place. False: nothing to write. */
typedef bool change_fn(json_t *tokens, const char *token, time_t now);

static bool change_locked(int mailbox, change_fn *change, const char *token, time_t now,
			  struct cm_error *err)
{
	json_t *root = NULL, *tokens = NULL;
	enum read_status status = read_metadata(mailbox, &root, err);
	bool good = false;

	/* The content of a broken file is lost anyway; the devices set their tokens again. */
	if (status == READ_BROKEN)
		root = json_object();
	if (root != NULL)
		tokens = valid_tokens(root, now);
	/* A list has no times: its tokens get the current time when it is first converted. */
	if (tokens != NULL && !change(tokens, token, now) &&
	    !json_is_array(json_object_get(root, MEMBER)))
		good = true;
	else if (tokens != NULL && json_object_set(root, MEMBER, tokens) == 0)
		good = write_metadata(mailbox, root, err);
	else if (status != READ_TROUBLE)
		cm_error_set(err, "out of memory");
	json_decref(tokens);
	json_decref(root);
	return good;
}

static bool change_tokens(const char *mailbox_dir, change_fn *change, const char *token, time_t now,
			  struct cm_error *err)
{
	int mailbox = open_mailbox(mailbox_dir, err);
	int lock = mailbox >= 0 ? lock_mailbox(mailbox, err) : -1;
	bool good = lock >= 0 && change_locked(mailbox, change, token, now, err);

	if (lock >= 0)
		close(lock);
	if (mailbox >= 0)
		close(mailbox);
	return good;
}

static bool add_token(json_t *tokens, const char *token, time_t now)
{
	const json_t *known = json_object_get(tokens, token);

	if (known != NULL && json_integer_value(known) == now)
		return false;
	if (known == NULL && !keep_newest(tokens, CM_TOKENS_MAX - 1))
		return false;
	return json_object_set_new(tokens, token, json_integer(now)) == 0;
}

static bool remove_token(json_t *tokens, const char *token, time_t now)
{
	(void)now;
	return json_object_del(tokens, token) == 0;
}

bool cm_tokens_set(const char *mailbox_dir, const char *token, time_t now, struct cm_error *err)
{
	if (!cm_token_valid(token, strlen(token))) {
		cm_error_set(err, "not a push token");
		return false;
	}
	return change_tokens(mailbox_dir, add_token, token, now, err);
}

bool cm_tokens_remove(const char *mailbox_dir, const char *token, struct cm_error *err)
{
	return change_tokens(mailbox_dir, remove_token, token, time(NULL), err);
}

static bool copy_sorted(json_t *tokens, struct cm_tokens *tokens_r)
{
	size_t count = json_object_size(tokens);
	struct aged_token *aged = sort_by_age(tokens);
	bool good;

	tokens_r->token = calloc(count + 1, sizeof(*tokens_r->token));
	good = aged != NULL && tokens_r->token != NULL;
	for (size_t i = 0; good && i < count; i++) {
		tokens_r->token[i] = strdup(aged[i].token);
		good = tokens_r->token[i] != NULL;
		if (good)
			tokens_r->count++;
	}
	free(aged);
	return good;
}

/* No lock is needed: the file is always replaced atomically. */
bool cm_tokens_get(const char *mailbox_dir, time_t now, struct cm_tokens *tokens_r,
		   struct cm_error *err)
{
	int mailbox = open_mailbox(mailbox_dir, err);
	json_t *root = NULL, *tokens = NULL;
	bool good = false;

	*tokens_r = (struct cm_tokens){NULL, 0};
	if (mailbox < 0)
		return false;
	if (read_metadata(mailbox, &root, err) == READ_OK) {
		tokens = valid_tokens(root, now);
		good = tokens != NULL && copy_sorted(tokens, tokens_r);
		if (!good) {
			cm_error_set(err, "out of memory");
			cm_tokens_free(tokens_r);
		}
	}
	json_decref(tokens);
	json_decref(root);
	close(mailbox);
	return good;
}

void cm_tokens_free(struct cm_tokens *tokens)
{
	for (size_t i = 0; i < tokens->count; i++)
		free(tokens->token[i]);
	free(tokens->token);
	*tokens = (struct cm_tokens){NULL, 0};
}

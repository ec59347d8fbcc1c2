#include "log_source.h"

#include <stdlib.h>
#include <unistd.h>

#include "log_file.h"

#define LOG_SOURCES_MAX 8

struct source {
	struct cm_log_file *file;
	enum cm_log_next state; /* LINE: line is the next one */
	struct cm_log_line line;
};

struct cm_log_sources {
	struct source list[LOG_SOURCES_MAX];
	size_t count;
};

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* True if journald keeps all that was logged. Where it forgets at each boot, a syslog daemon's file
   knows more. */
static bool has_journal(const char *file)
{
	return is_there("/run/systemd/system") && (file == NULL || is_there("/var/log/journal"));
}

static const char *syslog_file(void)
{
	static const char *const paths[] = {"/var/log/mail.log", "/var/log/maillog",
					    "/var/log/messages"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (is_there(paths[i]))
			return paths[i];
	return NULL;
}

static bool add(struct cm_log_sources *sources, struct cm_log_file *file)
{
	if (file != NULL)
		sources->list[sources->count++] =
		    (struct source){.file = file, .state = CM_LOG_NEXT_NONE};
	return file != NULL;
}

static bool add_of_the_machine(struct cm_log_sources *sources, time_t since, bool follow,
			       struct cm_error *err)
{
	static const char nginx[] = "/var/log/nginx/error.log";
	const char *file = syslog_file();
	bool good;

	if (has_journal(file)) {
		good = add(sources, cm_log_file_journal(since, follow, err));
	} else if (file != NULL) {
		good = add(sources, cm_log_file_open(file, since, follow, err));
	} else {
		cm_error_set(err, "found neither journald nor /var/log/mail.log nor "
				  "/var/log/messages: name the log with --file");
		good = false;
	}
	return good &&
	       (!is_there(nginx) || add(sources, cm_log_file_open(nginx, since, follow, err)));
}

struct cm_log_sources *cm_log_sources_open(const char *const *files, time_t since, bool follow,
					   struct cm_error *err)
{
	struct cm_log_sources *sources = calloc(1, sizeof(*sources));
	bool good = sources != NULL;

	if (!good)
		cm_error_set(err, "out of memory");
	else if (files[0] == NULL)
		good = add_of_the_machine(sources, since, follow, err);
	for (; good && *files != NULL; files++)
		good = add(sources, cm_log_file_open(*files, since, follow, err));
	if (!good)
		cm_log_sources_close(&sources);
	return sources;
}

enum cm_log_next cm_log_sources_next(struct cm_log_sources *sources, struct cm_log_line *line_r)
{
	struct source *first = NULL;
	bool waiting = false;

	for (struct source *source = sources->list; source < sources->list + sources->count;
	     source++) {
		if (source->state == CM_LOG_NEXT_NONE)
			source->state = cm_log_file_next(source->file, &source->line);
		if (source->state == CM_LOG_NEXT_LINE &&
		    (first == NULL || source->line.time < first->line.time))
			first = source;
		waiting |= source->state == CM_LOG_NEXT_NONE;
	}
	if (first == NULL)
		return waiting ? CM_LOG_NEXT_NONE : CM_LOG_NEXT_END;
	*line_r = first->line;
	first->state = CM_LOG_NEXT_NONE;
	return CM_LOG_NEXT_LINE;
}

void cm_log_sources_close(struct cm_log_sources **sources_p)
{
	struct cm_log_sources *sources = *sources_p;

	*sources_p = NULL;
	if (sources == NULL)
		return;
	for (size_t i = 0; i < sources->count; i++)
		cm_log_file_close(&sources->list[i].file);
	free(sources);
}

#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define BAR_WIDTH           40
#define REDRAW_MILLISECONDS 100

void cm_progress_begin(struct cm_progress *progress, const char *what, uint64_t total)
{
	memset(progress, 0, sizeof(*progress));
	progress->visible = isatty(STDERR_FILENO) != 0;
	progress->what = what;
	progress->total = total;
}

static void draw(const struct cm_progress *progress, uint64_t done)
{
	char bar[BAR_WIDTH + 1];
	size_t filled;

	if (progress->total == 0) {
		fprintf(stderr, "\r%" PRIu64 " %s", done, progress->what);
		return;
	}
	filled = done >= progress->total ? BAR_WIDTH : (size_t)(done * BAR_WIDTH / progress->total);
	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', filled);
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r[%s] %" PRIu64 "/%" PRIu64 " %s", bar, done, progress->total,
		progress->what);
}

void cm_progress_update(struct cm_progress *progress, uint64_t done)
{
	int64_t now = cm_clock_milliseconds();

	if (!progress->visible || now - progress->drawn < REDRAW_MILLISECONDS)
		return;
	progress->drawn = now;
	draw(progress, done);
	fflush(stderr);
}

void cm_progress_end(struct cm_progress *progress)
{
	if (progress->visible && progress->drawn != 0)
		fprintf(stderr, "\r\033[K");
	progress->visible = false;
}

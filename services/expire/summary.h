/*
 * summary - the results of a run, as text, as JSON and in the statistics
 */
#ifndef EXPIRE_SUMMARY_H
#define EXPIRE_SUMMARY_H

#include <stdbool.h>

#include "expire.h"

/* Both print on standard output; seconds is the duration of the run. */
void expire_print_json(const struct expire_result *result, const struct expire_options *options,
		       bool refused, double seconds);
void expire_print_text(const struct expire_result *result, const struct expire_options *options,
		       double seconds);

/* Add to the shared statistics, if they can be opened: a completed run; the deletions
   of --quota. config may be NULL: then nothing is counted. */
void expire_count(const struct cm_config *config, const struct expire_result *result,
		  const struct expire_options *options, double seconds);
void expire_count_trim(const struct cm_config *config, const struct cm_maildir_trim_result *result);

#endif

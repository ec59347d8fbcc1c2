/*
 * journal - changes of many files, atomic as a whole
 *
 * A change is written completely to next/, which is then renamed to commit/. From then on it is
 * committed, and cm_journal_recover() completes it after a kill or a power cut. A file that was
 * edited in between is merged; if that is impossible, it stays as it is, and the new text is
 * written to FILE.chatmail-new.
 *
 * One entry is a directory: `list` has a line "MODE UID GID PATH" for each file; before/, after/,
 * base-before/ and base-after/ contain the contents, absent where there was no file; `undoes`, if
 * it exists, contains the number of the entry that this one undoes.
 */
#ifndef CM_JOURNAL_H
#define CM_JOURNAL_H

#include <stdbool.h>

#include "change.h"
#include "error.h"
#include "state.h"

/* The new text of a file that could not be merged. */
#define CM_JOURNAL_NEW ".chatmail-new"

/* Commits the pending changes. undoes: the entry that they undo, 0: none. The lock must be
   held. */
bool cm_journal_commit(const struct cm_state *state, const struct cm_changes *changes,
		       unsigned int undoes, struct cm_error *err);

/* Finishes an interrupted change, if there is one: *recovered_r. */
bool cm_journal_recover(const struct cm_state *state, bool *recovered_r, struct cm_error *err);

/* True if there is an interrupted change. */
bool cm_journal_interrupted(const struct cm_state *state);

/* Reads entry number of history/: before, after, base_before, base_after and owner of each change.
   Free with cm_changes_free(), also after a failure. */
bool cm_journal_read(const struct cm_state *state, unsigned int number,
		     struct cm_changes *changes_r, struct cm_error *err);

#endif

/*
 * coturn - what only the template of coturn's configuration asks for
 */
#ifndef CM_COTURN_H
#define CM_COTURN_H

#include "config.h"
#include "error.h"
#include "settings.h"

/* The secret that coturn shares with the relay, below root. NULL with err filled, also if coturn
   would read it otherwise than the relay does. Free it with cm_turn_secret_free(). */
char *cm_coturn_secret(const char *root, const struct cm_config *config, struct cm_error *err);

/* Overwrites the secret by '*' wherever text has it; either may be NULL. */
void cm_coturn_hide(const char *secret, char *text);

/* Lines of the file, malloc'd: "listening" has the addresses it binds, and those that a router
   makes of them; "own_peers" refuses the machine's own addresses to peers. NULL for other names,
   and if out of memory. */
char *cm_coturn_lines(const struct cm_settings *settings, const char *name);

#endif

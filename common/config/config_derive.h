/*
 * config_derive - values that follow from other values of chatmail.ini
 */
#ifndef CM_CONFIG_DERIVE_H
#define CM_CONFIG_DERIVE_H

#include "config.h"

/* Normalizes mail_domain and fills in every field whose key is absent and has no constant
   default. False with err filled if out of memory. */
bool cm_config_derive(struct cm_config *config, struct cm_error *err);

#endif

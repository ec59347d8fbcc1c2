/*
 * dkim_status - results of DKIM verification, shared by dkim/ and policy/
 */
#ifndef CM_DKIM_STATUS_H
#define CM_DKIM_STATUS_H

enum cm_dkim_status {
	CM_DKIM_VALID,     /* at least one acceptable signature of the From domain */
	CM_DKIM_NONE,      /* no signature at all */
	CM_DKIM_INVALID,   /* signatures, none of them acceptable */
	CM_DKIM_TEMPORARY, /* DNS failure or internal error: retry later */
};

#endif

/*
 * authdb - Dovecot's passdb and userdb driver `chatmail`
 */
#ifndef CM_AUTHDB_H
#define CM_AUTHDB_H

extern struct passdb_module_interface cm_passdb;
extern struct userdb_module_interface cm_userdb;

#endif

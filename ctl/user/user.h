/*
 * user - chatmailctl user: its subcommands
 */
#ifndef CM_USER_H
#define CM_USER_H

int cm_user_list(int argc, char **argv);
int cm_user_show(int argc, char **argv);
int cm_user_block(int argc, char **argv);
int cm_user_unblock(int argc, char **argv);
int cm_user_delete(int argc, char **argv);
int cm_user_password(int argc, char **argv);
int cm_user_move(int argc, char **argv);
int cm_user_export(int argc, char **argv);
int cm_user_import(int argc, char **argv);

#endif

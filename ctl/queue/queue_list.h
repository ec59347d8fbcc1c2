/*
 * queue_list - chatmailctl queue list: the mail that waits, by destination
 */
#ifndef CM_QUEUE_LIST_H
#define CM_QUEUE_LIST_H

/* Returns the exit status. */
int cm_queue_list(int argc, char **argv);

#endif

#include "auth-common.h"

#include "ioloop.h"
#include "userdb.h"

#include "first_worker.h"

#if DOVECOT_PREREQ(2, 4, 0)

#include "auth-worker-connection.h"

/* If a worker takes longer, something is wrong; each login will report it. */
#define WAIT_MAX_MSECS 10000

/* Looks up a name without a domain, so that it never matches an account. */
#define NOBODY "nobody"

static bool asked, answered, waiting;

static bool on_answer(struct auth_worker_connection *connection ATTR_UNUSED,
		      const char *const *args ATTR_UNUSED, void *context)
{
	pool_t pool = context;

	answered = TRUE;
	/* After a timeout this is the loop of auth itself. */
	if (waiting)
		io_loop_stop(current_ioloop);
	pool_unref(&pool);
	return TRUE;
}

static void give_up(struct ioloop *ioloop)
{
	io_loop_stop(ioloop);
}

void cm_first_worker_wait(const struct userdb_module *module)
{
	struct timeout *timeout;
	pool_t pool;

	/* Each protocol has its own userdb; a lookup without a protocol uses the first one. */
	if (worker || asked)
		return;
	asked = TRUE;
	pool = pool_alloconly_create("chatmail first worker", 512);
	auth_worker_call(pool, NOBODY,
			 t_strdup_printf("USER\t%u\tuser=" NOBODY "\tprotocol=auth", module->id),
			 on_answer, pool);
	if (answered)
		return;
	timeout = timeout_add(WAIT_MAX_MSECS, give_up, current_ioloop);
	waiting = TRUE;
	io_loop_run(current_ioloop);
	waiting = FALSE;
	timeout_remove(&timeout);
}

#else

void cm_first_worker_wait(const struct userdb_module *module ATTR_UNUSED)
{
}

#endif

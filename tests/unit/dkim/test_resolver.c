/*
 * test_resolver - the number of queries in flight, with a name server that never replies
 */
#include "support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "resolver.h"

#define QUESTIONS_MAX (CM_RESOLVER_UNDER_WAY_MAX + 16)

struct world {
	int silent_socket;
	struct cm_resolver *resolver;
	struct cm_question *questions[QUESTIONS_MAX];
	size_t count;
};

static int set_up(void **state)
{
	static struct world world;
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	struct cm_error err;
	char server[64];

	memset(&world, 0, sizeof(world));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	world.silent_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(world.silent_socket >= 0);
	assert_int_equal(
	    bind(world.silent_socket, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(world.silent_socket, (struct sockaddr *)&address, &length), 0);
	snprintf(server, sizeof(server), "127.0.0.1@%u", ntohs(address.sin_port));
	world.resolver = cm_resolver_new(server, &err);
	assert_non_null(world.resolver);
	*state = &world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	for (size_t i = 0; i < world->count; i++)
		cm_question_free(&world->questions[i]);
	cm_resolver_free(&world->resolver);
	close(world->silent_socket);
	return 0;
}

static bool ask(struct world *world, const char *name, uint64_t client)
{
	assert_true(world->count < QUESTIONS_MAX);
	world->questions[world->count] = cm_question_start(world->resolver, name, client);
	return world->questions[world->count] != NULL && ++world->count > 0;
}

/* Queries this many names of the given form, which contains one number. */
__attribute__((format(printf, 2, 0))) static void ask_many(struct world *world, const char *form,
							   size_t many, uint64_t client)
{
	char name[128];

	for (size_t i = 0; i < many; i++) {
		snprintf(name, sizeof(name), form, (unsigned int)i);
		assert_true(ask(world, name, client));
	}
}

static void test_one_domain(void **state)
{
	struct world *world = *state;

	ask_many(world, "s._domainkey.x%u.dead.test", CM_RESOLVER_ZONE_MAX, 0);
	assert_false(ask(world, "s._domainkey.another.dead.test", 0));
	assert_false(ask(world, "S._domainkey.another.DEAD.test", 0));
	assert_false(ask(world, "dead.test", 0));
	assert_true(ask(world, "s._domainkey.x0.dead.test", 0));
	assert_true(ask(world, "S._DomainKey.X1.dead.test", 0));
	assert_true(ask(world, "s._domainkey.undead.test", 0));
	assert_true(ask(world, "test", 0));
}

static void test_one_client(void **state)
{
	struct world *world = *state;

	ask_many(world, "s._domainkey.x%u.test", CM_RESOLVER_CLIENT_MAX, 7);
	assert_false(ask(world, "s._domainkey.another.test", 7));
	assert_true(ask(world, "s._domainkey.x0.test", 7));
	assert_true(ask(world, "s._domainkey.another.test", 8));
	assert_true(ask(world, "s._domainkey.one-more.test", 0));
}

static void test_all(void **state)
{
	struct world *world = *state;

	ask_many(world, "s._domainkey.x%u.test", CM_RESOLVER_UNDER_WAY_MAX, 0);
	assert_false(ask(world, "s._domainkey.another.test", 0));
	assert_true(ask(world, "s._domainkey.x0.test", 0));
}

/* A query counts until libunbound has given it up, even if nobody waits for it any more. */
static void test_abandoned(void **state)
{
	struct world *world = *state;
	struct timespec now;

	ask_many(world, "s._domainkey.x%u.dead.test", CM_RESOLVER_ZONE_MAX, 0);
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_int_equal(cm_question_wait(world->questions[0], &now), CM_RESOLVER_TROUBLE);
	while (world->count > 0)
		cm_question_free(&world->questions[--world->count]);
	assert_false(ask(world, "s._domainkey.another.dead.test", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_one_domain, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_one_client, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_all, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_abandoned, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

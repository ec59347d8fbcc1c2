/*
 * turn_probe - ask the TURN server of a chatmail.ini
 *
 * usage: turn_probe INI
 *
 * Prints a line for each of its addresses; exits 1 if one of them fails the check.
 */
#include "turn_probe.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	struct cm_turn_finding findings[CM_TURN_ADDRESSES_MAX];
	struct cm_error err = {""};
	struct cm_config *config;
	size_t count = 0;
	int status = 1;

	if (argc != 2)
		return 2;
	config = cm_config_load(argv[1], NULL, NULL, &err);
	if (config != NULL)
		count = cm_turn_check(config, 5000, findings, &err);
	if (count > 0)
		status = 0;
	else
		puts(err.text);
	for (size_t i = 0; i < count; i++) {
		printf("%s: %s\n", findings[i].address,
		       findings[i].good ? "good" : findings[i].err.text);
		if (!findings[i].good)
			status = 1;
	}
	cm_config_free(&config);
	return status;
}

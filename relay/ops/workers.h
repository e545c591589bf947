/*
 * Several processes instead of one: a supervisor that forks workers, and forks others for those that
 * die.
 *
 * The supervisor does nothing else, so that nothing can happen to it. It has no event loop.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>

#define WORKERS_MAX 64

/*
 * What a worker gets instead of SIGTERM and SIGINT, which it ignores: of those a terminal or systemd
 * sends one to each process, and the second would mean "now". It gets it also when the supervisor
 * has died.
 */
#define WORKERS_STOP SIGUSR1

struct workers_settings {
	unsigned count; /* 2..WORKERS_MAX */
	bool reload;    /* SIGHUP is handed on; else it ends the supervisor, as any process */
	int (*work)(unsigned worker,
	            void *context); /* what a worker does; returns its exit status */
	void (*died)(unsigned worker,
	             void *context); /* called in the supervisor for each that ended */
	void *context;
};

/*
 * Runs workers 0..count-1 until SIGTERM or SIGINT, which are handed on as WORKERS_STOP each time, and
 * returns the exit status when all have ended: 0 if all ended well. A worker that ends without being
 * asked is replaced, at first at once; when too many have died in a minute, the others are asked to
 * end, and the exit status is EXIT_FAILURE.
 */
int workers_run(const struct workers_settings *settings);

/*
 * The loop of a program of the rig: one thread, one epoll, timers, and what happens between turns.
 * Each program has exactly one, so nobody passes it around.
 */
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

#include "common/timers.h"

/* A descriptor and who wants to know of it; embedded in what it belongs to. */
struct source {
	int fd;          /* -1 = closed */
	uint32_t events; /* of epoll, asked for now */
	bool watched;
	void (*ready)(struct source *source, uint32_t events);
};

void loop_init(void);

/* Runs until loop_end(). `turn_ended` (NULL allowed) frees what events of the turn may still name. */
void loop_run(void (*turn_ended)(void));
void loop_end(void);

struct timers *loop_timers(void);

/* Asks for these events from now on; with 0 epoll still reports errors. */
void source_watch(struct source *source, uint32_t events);

/* No more events at all, not even errors. */
void source_forget(struct source *source);

/* Closes the descriptor, with a TCP reset if asked to. May be called again. */
void source_close(struct source *source, bool reset);

/* Ends the program: prints the sentence, exit 1. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

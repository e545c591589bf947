/*
 * The event loop, and the timers that run on it.
 *
 * One thread does everything: sockets, Redis, signals, timers.
 */
#pragma once

struct event_base;
struct loop;
struct timers;

/* Returns owned. */
struct loop *loop_create(void);

/* Whatever was registered at the base must be gone. Accepts NULL. */
void loop_destroy(struct loop *loop);

/* Borrowed, for the loop's life. */
struct event_base *loop_base(struct loop *loop);
struct timers *loop_timers(struct loop *loop);

/* Calls `caught` with the signal's number, from the loop, as often as one of the signals comes. */
void loop_on_signals(struct loop *loop, const int *signals, unsigned count,
                     void (*caught)(int signal, void *context), void *context);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

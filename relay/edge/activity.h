/*
 * Is the node busy? For AgentCore's /ping.
 *
 * The platform stops a microVM that says Healthy for too long, and leaves alone one that says
 * HealthyBusy. Busy is a node while a socket is open and for a while after, so that a client that
 * lost its connection finds the node still there. The time of the last change must be just that: a
 * node that says "now" each time is never stopped.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACTIVITY_AFTERGLOW_SECONDS 120

/* Zeroed memory is a node that never had a socket. Written by one process, and read by others. */
struct activity {
	_Atomic size_t open;
	atomic_bool ever;
	_Atomic uint64_t busy_since_s;   /* wall clock */
	_Atomic uint64_t last_closed_s;  /* wall clock */
	_Atomic uint64_t last_closed_ms; /* monotonic */
};

void activity_opened(struct activity *activity, uint64_t now_ms, uint64_t wall_s);
void activity_closed(struct activity *activity, uint64_t now_ms, uint64_t wall_s);

/* Is it busy? *changed_s: when that changed last, on the wall clock; 0 if it never did. */
bool activity_is_busy(const struct activity *activity, uint64_t now_ms, uint64_t *changed_s);

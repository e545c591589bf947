/*
 * p2p-relay --healthcheck: whether the relay that runs here, with the same variables, is alive.
 *
 * For containers, which have no other program to ask with. It asks what /livez answers, that the
 * loop turns, and nothing about Redis: who is unhealthy gets restarted, and an outage of Redis must
 * not restart every relay. Whether newcomers should be sent here is for load balancers to ask, at
 * /readyz.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct options;

/* Takes 4 s at most. Says on `err` what is wrong. */
bool healthcheck(const struct options *options, FILE *err);

/*
 * Loading a mesh's roster: all of it when cold and after each loss, and every few minutes what is
 * unknown, as a net under the events.
 */
#pragma once

#include <stdbool.h>

struct load;
struct topic;

/* Returns owned. */
struct load *load_create(struct topic *topic);
/* Nothing may be under way. Accepts NULL. */
void load_destroy(struct load *load);

/* The channel is subscribed and this node's peers are announced. */
void load_start(struct load *load);

/* The topic was closed. */
void load_stop(struct load *load);

/*
 * The session is over. `missed`: the channel had been subscribed, so that messages may be missing.
 */
void load_lost(struct load *load, bool missed);

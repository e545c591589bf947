/*
 * Loading a mesh's roster: all of it when cold and after each loss, and every few minutes what is
 * unknown, as a net under the events.
 */
#pragma once

struct load;
struct topic;

/* The channel is subscribed and this node's peers are announced. Owned until load_end(). */
struct load *load_begin(struct topic *topic);

/* The session is over, or the topic is closed or moves. Accepts NULL. */
void load_end(struct load *load);

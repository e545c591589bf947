/*
 * Signs of life on their way to Redis, gathered for a moment: up to 100 peers of a mesh in one
 * call.
 */
#pragma once

#include <stdint.h>

struct inbox;
struct refreshes;
struct topic;

/* Returns owned. */
struct refreshes *refreshes_create(struct topic *topic);
/* Accepts NULL. */
void refreshes_destroy(struct refreshes *refreshes);

/* The session must be ready. */
void refreshes_add(struct refreshes *refreshes, struct inbox *inbox, uint64_t heard_ms);

/* Forgets what was not sent. */
void refreshes_lost(struct refreshes *refreshes);

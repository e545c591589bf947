/*
 * Who is the master? Asks the sentinels, and hears from them when it changes.
 */
#pragma once

struct sentinel;
struct session;
struct shared;

/* Returns owned. */
struct sentinel *sentinel_create(struct shared *shared, struct session *session);
/* Accepts NULL. */
void sentinel_destroy(struct sentinel *sentinel);

/*
 * Asks: session_found() or session_fail() follows, later. From then on session_fail() is called
 * when the sentinels have another master than the session's.
 */
void sentinel_seek(struct sentinel *sentinel);

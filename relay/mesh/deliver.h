/* From a parcel to frames: what both kinds of channel do with what comes in. */
#pragma once

#include "mesh/ports.h"
#include "wire/parcel.h"

/* Reads a parcel; one that is not for this build is counted, and logged once. Returns false then. */
bool deliver_open(const struct ports *ports, struct slice bytes, struct parcel *parcel);

/*
 * Takes the next presence off a PARCEL_PRESENCE body (a copy of it). What can't be one is passed over,
 * and counted.
 */
bool deliver_presence(const struct ports *ports, struct slice *records, struct slice *id,
                      struct slice *message);

/* The same for what Redis keeps of a peer. */
bool deliver_is_presence(const struct ports *ports, struct slice id, struct slice message);

/*
 * Takes the next message off a PARCEL_BUNDLE body (a copy of it). What can't be one is passed over,
 * and counted.
 */
bool deliver_message(const struct ports *ports, struct slice *parcels, struct parcel *message);

/* Puts the age of a message that came in now (ms, of the wall clock) down in the latency histogram. */
void deliver_note_age(const struct ports *ports, const struct parcel *message, uint64_t now);

/* Returns owned: a message, framed. Its age is noted. */
struct blob *deliver_frames(const struct ports *ports, const struct parcel *message);

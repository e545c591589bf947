/* Where a Cluster keeps a key: one of 16,384 slots. */
#pragma once

#include "common/text.h"

#define SLOT_COUNT 16384

/* The slot of all keys and channels with this hash tag: CRC16 (XMODEM) of it, modulo 16,384. */
unsigned slot_of(struct slice tag);

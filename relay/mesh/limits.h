/* What one connection may send per second, and what it may get wrong. */
#pragma once

#include "common/bucket.h"

struct hub_settings;

struct limits {
	struct bucket messages;
	struct bucket bytes;
	struct bucket refusals;
	struct bucket faults;
};

void limits_init(struct limits *limits, const struct hub_settings *settings, uint64_t now_ms);

enum limits_verdict {
	LIMITS_PASS,
	LIMITS_REFUSE, /* above the rate: the message is not taken, and its sender told */
	LIMITS_FLOOD,  /* went on for seconds: the connection is closed */
};
enum limits_verdict limits_take(struct limits *limits, uint64_t bytes, uint64_t now_ms);

/* A message that can't be read came in. Returns false if there were too many: the connection is closed. */
bool limits_take_fault(struct limits *limits, uint64_t now_ms);

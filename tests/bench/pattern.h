/*
 * Messages that are alike but for a sequence number, so that a receiver can check every byte.
 *
 * They are the relay's, and the same for every server. The relay forwards what it got; a message
 * that carries `from` comes out as it went in.
 */
#pragma once

#include "common/buffer.h"

/* What every message ends with, and nothing else of it contains. */
#define PATTERN_END "\"},\"timestamp\":1760000000123}"

struct pattern {
	struct buffer text;
	size_t type_size; /* of what all messages of the type begin with */
	size_t digits_at; /* the ten digits of the sequence number */
};

/* Messages of `type` and exactly `bytes` bytes (or as few as possible); `to` may be NULL. */
void pattern_init(struct pattern *pattern, const char *type, const char *from, const char *to,
                  size_t bytes);
void pattern_fini(struct pattern *pattern);

/* The message with that number; good until the next call. */
struct slice pattern_write(struct pattern *pattern, uint32_t sequence);

/* Whether the message is of the pattern's type, from whomever and to whomever. */
bool pattern_has_type(const struct pattern *pattern, struct slice message);

/* Returns false if the message is not of this pattern. */
bool pattern_read(const struct pattern *pattern, struct slice message, uint32_t *sequence);

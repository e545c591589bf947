/*
 * Allocation that cannot fail.
 *
 * Every queue and table of the program is bounded, so running out of memory is a configuration
 * error or somebody else's leak: there is nothing left to do but to stop with a message. What is
 * allocated here is given back with free().
 */
#pragma once

#include <stddef.h>

/*
 * Says once, before anything is allocated, how much freed memory the process keeps: enough for the next
 * message of megabytes, which would otherwise be paid for in page faults, each anew.
 */
void mem_setup(void);

void *mem_alloc(size_t size) __attribute__((returns_nonnull, malloc, warn_unused_result));

/* Like mem_alloc(), all bytes zero. */
void *mem_zero(size_t size) __attribute__((returns_nonnull, malloc, warn_unused_result));

/* Takes `old` (NULL allowed), returns owned memory that begins with its bytes. */
void *mem_resize(void *old, size_t size) __attribute__((returns_nonnull, warn_unused_result));

/* Returns an owned copy of the bytes. */
void *mem_copy(const void *bytes, size_t size)
	__attribute__((returns_nonnull, malloc, warn_unused_result));

/*
 * Bytes, all zero, that processes which are forked later share with this one. Never given back: they
 * are there as long as one of the processes is.
 */
void *mem_shared(size_t size) __attribute__((returns_nonnull, warn_unused_result));

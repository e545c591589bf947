/* What a file was like when it was looked at, so as to see whether it is another one now. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

struct stamp { /* all zero: of a file that is not there */
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

/*
 * Looks at the file, through symbolic links. Returns whether it is another than the last time.
 *
 * To be called before the file is read, not after: what is written meanwhile is then seen next time.
 */
bool stamp_renew(struct stamp *stamp, const char *file);

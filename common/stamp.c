#include "common/stamp.h"

#include <sys/stat.h>

static bool is_same(const struct stamp *a, const struct stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

bool stamp_renew(struct stamp *stamp, const char *file)
{
	struct stamp before = *stamp;
	struct stat now;

	*stamp = (struct stamp){0};
	if (stat(file, &now) == 0)
		*stamp = (struct stamp){now.st_dev, now.st_ino, now.st_size, now.st_mtim};
	return !is_same(stamp, &before);
}

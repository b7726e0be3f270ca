/*
 * files.c: opened without a wait, then looked at: a link may lead to a pipe or to a device.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Open a regular file, with nobody to wait for at the other end; -1 with errno for anything else.
 * A link is followed, as the agent does. */
static int open_regular(const char *path)
{
	int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (descriptor < 0 || (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)))
		return descriptor;
	close(descriptor);
	errno = EINVAL;
	return -1;
}

ssize_t file_read(const char *path, char *bytes, size_t room)
{
	int descriptor = open_regular(path);
	size_t used = 0;
	ssize_t count = 1;

	if (descriptor < 0)
		return -1;
	while (used < room && count != 0) {
		count = read(descriptor, bytes + used, room - used);
		if (count > 0)
			used += (size_t)count;
		else if (count < 0 && errno != EINTR)
			break;
	}
	close(descriptor);
	return count < 0 ? -1 : (ssize_t)used;
}

bool file_is_missing(void)
{
	return errno == ENOENT || errno == ENOTDIR;
}

/*
 * files.c: files are opened without waiting for the other end, then checked: a link may lead to a
 * pipe or to a device.
 */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

ssize_t file_read(const char *path, char *bytes, size_t room)
{
	int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (descriptor < 0)
		return -1;
	if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode))
		return read_and_close(descriptor, bytes, room);
	(void)close(descriptor);
	errno = EINVAL;
	return -1;
}

bool file_is_missing(void)
{
	return errno == ENOENT || errno == ENOTDIR;
}

ssize_t read_and_close(int descriptor, char *bytes, size_t room)
{
	size_t used = 0;
	ssize_t count = 1;

	while (used < room && count > 0) {
		count = read(descriptor, bytes + used, room - used);
		used += count > 0 ? (size_t)count : 0;
	}
	(void)close(descriptor);
	return count < 0 ? -1 : (ssize_t)used;
}

void close_from(int first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
		return;
#endif
	for (long descriptor = sysconf(_SC_OPEN_MAX) - 1; descriptor >= first; descriptor--)
		(void)close((int)descriptor);
}

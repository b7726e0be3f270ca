/*
 * knock: connect to a socket, wait until the other end closes, end. A new caller, and nothing else.
 *
 *   knock SOCKET
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char byte;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
		return 2;
	strcpy(address.sun_path, argv[1]);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return 1;
	while (read(fd, &byte, 1) > 0)
		;
	return 0;
}

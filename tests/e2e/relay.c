// SPDX-License-Identifier: GPL-2.0
/*
 * relay KBYTES FROM TO: wait for a connection on the Unix socket FROM, connect
 * it with the one that listens on TO. What goes there goes at KBYTES a second,
 * what comes back goes at once.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int unix_socket(const char *path, int (*use)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd < 0 || use(fd, (void *)&address, sizeof(address)))
		err(1, "%s", path);
	return fd;
}

/* Until the end of @from; with a pause of @us for each octet. */
static void copy(int from, int to, double us)
{
	static char buffer[4096];
	ssize_t n, done, m;

	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		for (done = 0; done < n; done += m) {
			m = write(to, buffer + done, n - done);
			if (m < 0)
				return;
		}
		if (us > 0)
			usleep(n * us);
	}
	shutdown(to, SHUT_WR);
}

int main(int argc, char **argv)
{
	int from, to;

	if (argc != 4 || atol(argv[1]) <= 0)
		errx(2, "usage: relay KBYTES FROM TO");
	from = unix_socket(argv[2], bind);
	if (listen(from, 1) || (from = accept(from, NULL, NULL)) < 0)
		err(1, "%s", argv[2]);
	to = unix_socket(argv[3], connect);
	if (fork() == 0) {
		copy(to, from, 0);
		return 0;
	}
	copy(from, to, 1e6 / 1024 / atol(argv[1]));
	wait(NULL);
	return 0;
}

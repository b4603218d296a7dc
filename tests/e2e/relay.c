// SPDX-License-Identifier: GPL-2.0
/*
 * relay KBYTES FROM TO: wait for a connection on the Unix socket FROM, connect
 * it with the one that listens on TO. What goes there goes at KBYTES a second,
 * what comes back goes at once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int unix_socket(const char *path, struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static int accepted(const char *path)
{
	struct sockaddr_un address;
	int fd = unix_socket(path, &address), peer;

	unlink(path);
	if (bind(fd, (void *)&address, sizeof(address)) || listen(fd, 1) ||
	    (peer = accept(fd, NULL, NULL)) < 0) {
		perror(path);
		exit(1);
	}
	close(fd);
	return peer;
}

static int connected(const char *path)
{
	struct sockaddr_un address;
	int fd = unix_socket(path, &address);

	if (connect(fd, (void *)&address, sizeof(address))) {
		perror(path);
		exit(1);
	}
	return fd;
}

static void pause_ns(long long ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

/* Until the end of @from; at @rate bytes a second, or at once if that is 0. */
static void copy(int from, int to, long rate)
{
	static char buffer[4096];
	ssize_t n, done, m;

	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		for (done = 0; done < n; done += m) {
			m = write(to, buffer + done, n - done);
			if (m < 0)
				return;
		}
		if (rate)
			pause_ns(n * 1000000000LL / rate);
	}
	shutdown(to, SHUT_WR);
}

int main(int argc, char **argv)
{
	int from, to;

	if (argc != 4 || atol(argv[1]) <= 0) {
		fprintf(stderr, "usage: relay KBYTES FROM TO\n");
		return 2;
	}
	from = accepted(argv[2]);
	to = connected(argv[3]);
	if (fork() == 0) {
		copy(to, from, 0);
		return 0;
	}
	copy(from, to, atol(argv[1]) * 1024);
	wait(NULL);
	return 0;
}

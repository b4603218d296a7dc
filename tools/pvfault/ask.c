// SPDX-License-Identifier: GPL-2.0
/* pvfault-pager --status and --drain, see status.h. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "exitcode.h"
#include "log.h"
#include "status.h"

#define ASK_S		10	/* a pager answers at once */
#define LOOK_MS		2000
#define STATUS_SIZE	16384

/* The whole answer, as text. Return: 0 or a negative errno. */
static int ask(uint32_t domid, const char *folder, char *text, struct ucred *peer)
{
	struct timeval limit = { .tv_sec = ASK_S };
	struct sockaddr_un address;
	socklen_t size = sizeof(*peer);
	size_t used = 0;
	ssize_t n = -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	status_address(folder, domid, &address);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size))
		goto out;
	while (used < STATUS_SIZE - 1) {
		n = read(fd, text + used, STATUS_SIZE - 1 - used);
		if (n <= 0)
			break;
		used += n;
	}
out:
	n = n < 0 ? -errno : 0;
	text[used] = 0;
	close(fd);
	return n;
}

static int nobody(uint32_t domid, int rc)
{
	return give_up(EXIT_NO_PAGER, "no pager of domain %u answers: %s", domid,
		       strerror(-rc));
}

/* Its lines of a name and a whole number, as one object. */
static void print_json(uint32_t domid, const char *text)
{
	char name[64];
	long long value;
	int used;

	printf("{\"schema\": 1, \"domid\": %u", domid);
	for (; sscanf(text, "%63s %lld%n", name, &value, &used) == 2; text += used)
		printf(", \"%s\": %lld", name, value);
	puts("}");
}

int ask_status(uint32_t domid, const char *folder, bool json)
{
	char text[STATUS_SIZE];
	struct ucred peer;
	int rc = ask(domid, folder, text, &peer);

	if (rc)
		return nobody(domid, rc);
	if (json)
		print_json(domid, text);
	else
		fputs(text, stdout);
	return EXIT_DONE;
}

static unsigned long value(const char *text, const char *name)
{
	unsigned long n = 0;
	const char *line = strstr(text, name);

	if (line)
		sscanf(line + strlen(name), " %lu", &n);
	return n;
}

int ask_drain(uint32_t domid, const char *folder)
{
	char text[STATUS_SIZE];
	struct sockaddr_un address;
	struct ucred peer;
	struct pollfd end = { .events = POLLIN };
	int rc = ask(domid, folder, text, &peer);

	if (rc)
		return nobody(domid, rc);
	end.fd = pidfd_open(peer.pid, 0);
	if (end.fd < 0 || pidfd_send_signal(end.fd, SIGTERM, NULL, 0))
		return give_up(EXIT_DENIED, "the pager of domain %u, process %d, can't be asked: %s",
			       domid, peer.pid, strerror(errno));
	while (poll(&end, 1, LOOK_MS) <= 0) {
		if (ask(domid, folder, text, &peer))
			continue;
		say("domain %u: %lu pages are still out, %lu KiB of free memory are missing",
		    domid, value(text, "\naway"), value(text, "\nmissing_kib"));
	}
	close(end.fd);
	/* It takes its socket away when no page is out. */
	status_address(folder, domid, &address);
	if (!access(address.sun_path, F_OK))
		return give_up(EXIT_TROUBLE,
			       "the pager of domain %u ended before it was done; start it again",
			       domid);
	return EXIT_DONE;
}

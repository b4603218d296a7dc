// SPDX-License-Identifier: GPL-2.0
/* The socket of a running pager, see status.h. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "pager.h"
#include "status.h"

void status_address(const char *folder, uint32_t domid, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un) { .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof(address->sun_path), "%s/%u", folder, domid);
}

void status_open(struct pager *p, const char *folder)
{
	struct sockaddr_un address;
	int fd;

	p->status_fd = -1;
	p->status_folder = folder;
	status_address(folder, p->xen->domid, &address);
	if (mkdir(folder, 0700) && errno != EEXIST)
		goto err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto err;
	/* One that was killed leaves its own behind. */
	unlink(address.sun_path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8)) {
		close(fd);
		goto err;
	}
	p->status_fd = fd;
	return;
err:
	say("%s can't be made: %s; --status and --drain won't find this pager",
	    address.sun_path, strerror(errno));
}

void status_tell(struct pager *p)
{
	int fd = accept4(p->status_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	char *text = NULL;
	size_t size = 0;
	FILE *file;

	if (fd < 0)
		return;
	file = open_memstream(&text, &size);
	if (file) {
		stats_print(p, file);
		fclose(file);
		/* It fits into a socket's buffer, so a client that doesn't read does no harm. */
		if (send(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			chat("a client asked and didn't wait for the answer");
		free(text);
	}
	close(fd);
}

void status_close(struct pager *p)
{
	struct sockaddr_un address;

	if (p->status_fd < 0)
		return;
	status_address(p->status_folder, p->xen->domid, &address);
	unlink(address.sun_path);
	close(p->status_fd);
	p->status_fd = -1;
}

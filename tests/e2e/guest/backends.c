// SPDX-License-Identifier: GPL-2.0
/*
 * A Xen guest that uses a disk and a network card while its memory is walked, and taken:
 *
 *   load.disk=1	write to /dev/xvda and read back, direct and buffered, from and
 *			into memory that has been out
 *   load.net=1		serve a file of 1 MiB by sendfile() at 10.9.0.2, port 80; what is
 *			sent is page cache that has been out
 *
 * Reports "disk_rounds", "disk_wrong" (octets) and "files_sent".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "guest.h"
#include "pvload.h"

#define SIZE		(2U << 20)	/* of what is written to the disk */
#define FILE_SIZE	(1U << 20)
#define DISK		"/dev/xvda"
#define PATIENCE	120	/* seconds until a device must be there */

static unsigned char octet(unsigned int round, unsigned int at)
{
	return round * 31 + at / 4096 * 7 + at;
}

static char *buffer(void)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		report("error mmap: %s", strerror(errno));
		exit(1);
	}
	return p;
}

/* Return: whether all of it has been moved. */
static bool move(int fd, char *p, bool out)
{
	ssize_t n;
	size_t at;

	for (at = 0; at < SIZE; at += n) {
		n = out ? pwrite(fd, p + at, SIZE - at, at) : pread(fd, p + at, SIZE - at, at);
		if (n <= 0)
			return false;
	}
	return true;
}

static void disk(void)
{
	unsigned int round, at, wrong = 0, tries = 0;
	char *out = buffer(), *in = buffer();
	int direct, buffered;

	while ((direct = open(DISK, O_RDWR | O_DIRECT)) < 0 && tries++ < PATIENCE)
		sleep(1);
	buffered = open(DISK, O_RDWR);
	if (direct < 0 || buffered < 0) {
		report("error " DISK ": %s", strerror(errno));
		return;
	}
	await_walk();
	for (round = 0; walking(); round++) {
		for (at = 0; at < SIZE; at++)
			out[at] = octet(round, at);
		/* Time for the pager to take both. */
		sleep(2);
		if (!move(round % 2 ? direct : buffered, out, true) || fsync(buffered) ||
		    !move(round / 2 % 2 ? direct : buffered, in, false)) {
			report("error " DISK ": %s", strerror(errno));
			break;
		}
		for (at = 0; at < SIZE; at++)
			wrong += (unsigned char)in[at] != octet(round, at);
		report("disk_rounds %u", round + 1);
	}
	report("disk_wrong %u", wrong);
}

static bool set_up(void)
{
	struct ifreq r = { .ifr_name = "eth0" };
	struct sockaddr_in *address = (struct sockaddr_in *)&r.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	bool good;

	address->sin_family = AF_INET;
	address->sin_addr.s_addr = inet_addr("10.9.0.2");
	good = !ioctl(fd, SIOCSIFADDR, &r);
	if (good) {
		address->sin_addr.s_addr = inet_addr("255.255.255.0");
		good = !ioctl(fd, SIOCSIFNETMASK, &r) && !ioctl(fd, SIOCGIFFLAGS, &r);
		r.ifr_flags |= IFF_UP;
		good = good && !ioctl(fd, SIOCSIFFLAGS, &r);
	}
	close(fd);
	return good;
}

/* A file whose content dom0 can make as well: lines of 16 octets. */
static int make_file(void)
{
	int fd = open("/tmp/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char line[17];
	unsigned int i;

	for (i = 0; i < FILE_SIZE / 16; i++) {
		snprintf(line, sizeof(line), "pvfault %7u\n", i);
		if (write(fd, line, 16) != 16)
			report("error /tmp/file: %s", strerror(errno));
	}
	return fd;
}

static void net(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(80) };
	int s = socket(AF_INET, SOCK_STREAM, 0), file = make_file(), c, tries = 0;
	struct timeval patience = { .tv_sec = 1 };
	unsigned int sent = 0;
	ssize_t n;
	off_t at;

	while (!set_up() && tries++ < PATIENCE)
		sleep(1);
	/* accept() looks once a second whether memory is still being walked. */
	if (setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    bind(s, (struct sockaddr *)&address, sizeof(address)) || listen(s, 1)) {
		report("error port 80: %s", strerror(errno));
		return;
	}
	await_walk();
	while (walking()) {
		c = accept(s, NULL, NULL);
		if (c < 0)
			continue;
		at = 0;
		do
			n = sendfile(c, file, &at, FILE_SIZE - at);
		while (n > 0 && at < FILE_SIZE);
		sent += at == FILE_SIZE;
		close(c);
	}
	report("files_sent %u", sent);
}

void backends_start(void)
{
	start_if("load.disk", disk);
	start_if("load.net", net);
}

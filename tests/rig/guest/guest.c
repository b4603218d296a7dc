// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static FILE *results;
static const char *before = "";	/* each result */

void guest_start(void)
{
	static const struct { const char *type, *path; } mounts[] = {
		{ "proc", "/proc" },
		{ "sysfs", "/sys" },
		{ "devtmpfs", "/dev" },
		{ "tmpfs", "/tmp" },
		{ "debugfs", "/sys/kernel/debug" },
	};
	char path[64], huge[16] = "always";

	for (unsigned int i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].path, 0755);
		mount(mounts[i].type, mounts[i].path, mounts[i].type, 0, NULL);
	}
	/* Below 512 MiB Linux boots without huge pages; people's guests are larger. */
	parameter_text("transparent_hugepage", huge, sizeof(huge));
	write_file("/sys/kernel/mm/transparent_hugepage/enabled", huge);
	if (!parameter_text("guest.results", path, sizeof(path)))
		strcpy(path, "/dev/ttyS1");
	if (!strcmp(path, "/dev/kmsg"))
		before = "guest: ";
	results = fopen(path, "w");
	if (!results)
		results = stdout;
}

void report_to(const char *tty)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/dev/%s", tty);
	f = fopen(path, "w");
	if (!f) {
		report("error %s", path);
		return;
	}
	fclose(results);
	results = f;
}

void guest_end(void)
{
	report("done 1");
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

void report(const char *fmt, ...)
{
	va_list ap;

	fputs(before, results);
	va_start(ap, fmt);
	vfprintf(results, fmt, ap);
	va_end(ap);
	fputc('\n', results);
	fflush(results);
}

void await_line(const char *tty)
{
	char path[32], line[16];
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", tty);
	fd = open(path, O_RDONLY | O_NOCTTY);
	if (fd < 0 || read(fd, line, sizeof(line)) <= 0)
		report("error %s: %s", path, strerror(errno));
	close(fd);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

long read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	return n > 0 ? strtol(text, NULL, 10) : -1;
}

bool parameter_text(const char *name, char *value, size_t size)
{
	static char line[4096];
	const char *at;

	if (!line[0]) {
		int fd = open("/proc/cmdline", O_RDONLY);

		if (fd < 0 || read(fd, line, sizeof(line) - 1) < 0)
			return false;
		close(fd);
	}
	at = strstr(line, name);
	if (!at || at[strlen(name)] != '=')
		return false;
	at += strlen(name) + 1;
	snprintf(value, size, "%.*s", (int)strcspn(at, " \n"), at);
	return true;
}

long parameter(const char *name, long fallback)
{
	char value[32];

	return parameter_text(name, value, sizeof(value)) ?
	       strtol(value, NULL, 0) : fallback;
}

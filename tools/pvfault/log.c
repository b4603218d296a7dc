// SPDX-License-Identifier: GPL-2.0
/* The pager's messages, see log.h. */

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"

bool log_verbose;
bool log_quiet;

unsigned long log_unsaid;

static char last[512];

/* A reader that stops must not stop the pager: a line is written whole and at once, or not. */
static void write_line(void)
{
	struct pollfd fd = { .fd = STDERR_FILENO, .events = POLLOUT };
	char line[640];
	int length;

	if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT)) {
		log_unsaid++;
		return;
	}
	length = log_unsaid ?
		 snprintf(line, sizeof(line), "pvfault-pager: %s (%lu lines before were not read in time)\n",
			  last, log_unsaid) :
		 snprintf(line, sizeof(line), "pvfault-pager: %s\n", last);
	log_unsaid = 0;
	/* Shorter than what a pipe takes at once. */
	if (write(STDERR_FILENO, line, length) != length)
		log_unsaid++;
}

static void vsay(const char *fmt, va_list args)
{
	vsnprintf(last, sizeof(last), fmt, args);
	if (!log_quiet)
		write_line();
}

void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
}

void chat(const char *fmt, ...)
{
	va_list args;

	if (!log_verbose)
		return;
	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
}

int give_up(int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
	return code;
}

const char *log_last(void)
{
	return last;
}

// SPDX-License-Identifier: GPL-2.0
/* What the pager says, see log.h. */

#include <stdarg.h>
#include <stdio.h>

#include "log.h"

bool log_verbose;
bool log_quiet;

static char last[512];

static void vsay(const char *fmt, va_list args)
{
	vsnprintf(last, sizeof(last), fmt, args);
	if (!log_quiet)
		fprintf(stderr, "pvfault-pager: %s\n", last);
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

// SPDX-License-Identifier: GPL-2.0
/*
 * The counts of an instrumented kernel, as results.
 *
 * How often each line was run, with load.gcov=TTY (configs/gcov.config): a file is
 * "gcda PATH", then "bytes xHEX" again and again. They go to a terminal, which makes the
 * writer wait; a kernel log would forget lines that its console is too slow for.
 *
 * How many accesses were watched for races (configs/kcsan.config).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "pvload.h"

#define COUNTS	"/sys/kernel/debug/gcov"
#define ONCE	256

static int report_counts(const char *path, const struct stat *st, int type,
			 struct FTW *where)
{
	unsigned char bytes[ONCE];
	char hex[2 * ONCE + 1];
	ssize_t n;
	int fd;

	if (type != FTW_F || !strstr(path, ".gcda"))
		return 0;
	fd = open(path, O_RDONLY);
	if (fd < 0) {
		report("error %s: %s", path, strerror(errno));
		return 0;
	}
	report("gcda %s", path + strlen(COUNTS));
	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			sprintf(hex + 2 * i, "%02x", bytes[i]);
		report("bytes x%s", hex);	/* no number */
	}
	close(fd);
	return 0;
}

static void report_watched(void)
{
	FILE *f = fopen("/sys/kernel/debug/kcsan", "r");
	char line[128];
	long n;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "setup_watchpoints: %ld", &n) == 1)
			report("kcsan_watched %ld", n);
	if (f)
		fclose(f);
}

void instrumented_report(void)
{
	char tty[32];

	report_watched();
	if (!parameter_text("load.gcov", tty, sizeof(tty)))
		return;
	report_to(tty);
	nftw(COUNTS, report_counts, 8, FTW_PHYS);
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pvfault-stat: the time that tasks of this guest wait for the host.
 *
 *	source.c	a snapshot of the kernel's figures
 *	rates.c		differences and rates between two snapshots
 *	worries.c	figures that need a look
 *	lines.c, json.c, textfile.c, top.c	the four forms
 */
#ifndef PVFAULT_STAT_H
#define PVFAULT_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MAX_COUNTERS	64
#define MAX_BUCKETS	40
#define MAX_SLEEPERS	256
#define MAX_WORRIES	8

struct counter {
	char name[32];
	uint64_t value;
};

/* Waits shorter than @limit, and not shorter than that of the one before. */
struct bucket {
	double limit;		/* seconds; the last one is infinite */
	uint64_t user, kernel;
};

struct sleeper {
	char token[20], cpu[8], comm[20];
	long age_ms, pid;
};

struct snapshot {
	double when;		/* seconds, of no certain beginning */
	char backend[160];	/* "" if this kernel has no pvfault, see problem */
	char mode[160];
	char problem[256];	/* why nothing is, or can be, seen; "" if something can */
	bool active;		/* there is a backend */

	uint64_t outstanding;
	struct counter counters[MAX_COUNTERS];
	unsigned int nr_counters;

	bool has_waits;		/* this kernel measures them */
	struct bucket buckets[MAX_BUCKETS];
	unsigned int nr_buckets;
	double user, kernel;	/* seconds waited, all together */
	double longest;		/* seconds, since boot */
	double recent;		/* since it was read last; < 0: not read */

	bool has_sleepers;	/* may be read: root's */
	struct sleeper sleepers[MAX_SLEEPERS];
	unsigned int nr_sleepers;
};

/*
 * source.c: @root comes before each path. @recent: read longest_recent_us, too, which
 * begins its next period.
 */
void snapshot_take(struct snapshot *s, const char *root, bool recent);
uint64_t snapshot_counter(const struct snapshot *s, const char *name);

/* Differences and rates between two snapshots; since boot, if there is no older one. */
struct rates {
	double seconds;		/* 0: since boot, so that rates are plain numbers */
	double waits;		/* that began, a second */
	double in_kernel;	/* of these; of waits that have ended */
	double refused;		/* a second */
	double early;
	double waiting;		/* tasks, on average; 0 since boot */
	double waited;		/* seconds, all together */
	double p50, p99, worst;	/* limits in seconds: they took less. 0: no wait */
	uint64_t ended, retries, probes, repairs, overwritten, told;
	struct bucket buckets[MAX_BUCKETS];
	unsigned int nr_buckets;
};

/* rates.c: @old may be NULL. */
void rates_between(struct rates *r, const struct snapshot *old, const struct snapshot *new);

enum level { LEVEL_NOTE, LEVEL_WORRY, LEVEL_ALARM };

struct worry {
	enum level level;
	char text[256];		/* what is seen, and what it means */
};

/* worries.c: returns how many. */
unsigned int worries_of(struct worry *w, const struct rates *r, const struct snapshot *s);

/* The forms. Seconds for people: "850us", "12ms", "3.5s", "-" for none. */
const char *span(char *text, size_t size, double seconds);
/* A limit is "<8ms", or ">70min" for the last but one if there is none. */
const char *limit_span(char *text, size_t size, const struct rates *r, double limit);

void lines_header(FILE *f);
void lines_print(FILE *f, const struct rates *r, const struct snapshot *s, bool colour);
void json_print(FILE *f, const struct rates *r, const struct snapshot *s);
int textfile_write(const char *path, const struct snapshot *s);
int top_run(const char *root, double interval);

#endif

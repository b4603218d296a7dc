// SPDX-License-Identifier: GPL-2.0
/* Where in the kernel notifications were rejected. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "places.h"

#define TRACING		"/sys/kernel/debug/tracing/"
#define MAX_PLACES	64

static struct place {
	char name[64];
	unsigned long times;
} places[MAX_PLACES];

static void set(const char *path, const char *value)
{
	if (!write_file(path, value))
		report("error %s", path);
}

void places_start(void)
{
	set(TRACING "buffer_size_kb", "256");
	set(TRACING "events/pvfault/pvfault_rejected_at/enable", "1");
}

static void count(const char *name)
{
	for (struct place *p = places; p < places + MAX_PLACES; p++) {
		if (p->times && strcmp(p->name, name))
			continue;
		snprintf(p->name, sizeof(p->name), "%s", name);
		p->times++;
		return;
	}
}

static int by_times(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->times < y->times) - (x->times > y->times);
}

void places_report(void)
{
	FILE *f = fopen(TRACING "trace", "r");
	char line[512], name[64];

	while (f && fgets(line, sizeof(line), f)) {
		const char *at = strstr(line, " ip=");

		if (at && sscanf(at, " ip=%63[^\n+ ]", name) == 1)
			count(name);
	}
	if (f)
		fclose(f);
	qsort(places, MAX_PLACES, sizeof(*places), by_times);
	for (unsigned int i = 0; i < 12 && places[i].times; i++)
		report("place.%s %lu", places[i].name, places[i].times);
}

// SPDX-License-Identifier: GPL-2.0
/* A line at a time, as vmstat does. */

#include <inttypes.h>

#include "stat.h"

static const char * const colours[] = { "", "\033[33m", "\033[1;31m" };

void lines_header(FILE *f)
{
	fprintf(f, "%6s %8s %8s %8s %8s %8s %8s %8s %6s %6s\n", "asleep", "waits/s", "kernel/s",
		"refuse/s", "waiting", "p50", "p99", "worst", "retry", "repair");
}

void lines_print(FILE *f, const struct rates *r, const struct snapshot *s, bool colour)
{
	unsigned int alarm = r->retries ? LEVEL_ALARM : LEVEL_NOTE;
	unsigned int worry = r->repairs ? LEVEL_WORRY : LEVEL_NOTE;
	char p50[32], p99[32], worst[32];

	fprintf(f, "%6" PRIu64 " %8.1f %8.1f %8.1f %8.2f %8s %8s %8s ", s->outstanding, r->waits,
		r->in_kernel, r->refused, r->waiting, limit_span(p50, sizeof(p50), r, r->p50),
		limit_span(p99, sizeof(p99), r, r->p99),
		limit_span(worst, sizeof(worst), r, r->worst));
	fprintf(f, "%s%6" PRIu64 "%s ", colour ? colours[alarm] : "", r->retries,
		colour && alarm ? "\033[m" : "");
	fprintf(f, "%s%6" PRIu64 "%s\n", colour ? colours[worry] : "", r->repairs,
		colour && worry ? "\033[m" : "");
	fflush(f);
}
